// When training is over although there are epochs left.
// Invariant: each test is a list of errors, and after which of them it is time to stop.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { EarlyStopping, type EarlyStoppingOptions } from '../../lib/optim/index.js';

function reached(options: EarlyStoppingOptions, errors: readonly number[]): boolean[] {
  const rule = new EarlyStopping(options);
  return errors.map((error) => {
    rule.update(error);
    return rule.reached;
  });
}

describe('EarlyStopping', () => {
  it('waits for as many epochs without improvement as it is told', () => {
    const errors = [0.5, 0.4, 0.4, 0.4, 0.4];
    assert.deepEqual(reached({ patience: 3 }, errors), [false, false, false, false, true]);
    assert.deepEqual(reached({ patience: 1 }, errors), [false, false, true, true, true]);
  });

  it('takes no notice of what is smaller than the threshold', () => {
    assert.deepEqual(reached({ patience: 2, threshold: 0.1 }, [0.5, 0.45, 0.41]), [false, false, true]);
  });

  it('goes on from its state', () => {
    const [first, second] = [new EarlyStopping({ patience: 2 }), new EarlyStopping({ patience: 2 })];
    first.update(0.5);
    first.update(0.6);
    second.state = JSON.parse(JSON.stringify(first.state)) as typeof first.state;
    second.update(0.6);
    assert.deepEqual([first.reached, second.reached], [false, true]);
  });

  it('refuses a patience of 0', () => {
    assert.throws(() => new EarlyStopping({ patience: 0 }), ArgumentError);
  });
});
