// The schedule that is decided beforehand.
// Invariant: it is told of epochs one at a time, as the trainer does.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { MultiStep, type MultiStepOptions } from '../../lib/optim/index.js';

function factors(options: MultiStepOptions, epochs: number): number[] {
  const schedule = new MultiStep(options);
  return Array.from({ length: epochs }, () => schedule.update());
}

describe('MultiStep', () => {
  it('lowers the learning rate at its milestones alone, to a tenth by default', () => {
    assert.deepEqual(factors({ milestones: [2, 3, 5] }, 6), [1, 0.1, 0.1, 1, 0.1, 1]);
    assert.deepEqual(factors({ milestones: [1], factor: 0.5 }, 3), [0.5, 1, 1]);
    assert.deepEqual(factors({ milestones: [] }, 3), [1, 1, 1]);
  });

  it('refuses milestones that do not ascend from 1, and factors that are not positive', () => {
    for (const milestones of [[0], [3, 3], [5, 2], [1.5]]) {
      assert.throws(() => new MultiStep({ milestones }), ArgumentError);
    }
    assert.throws(() => new MultiStep({ milestones: [1], factor: 0 }), /factor must be positive, got 0/);
  });
});
