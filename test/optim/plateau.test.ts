// The schedule that divides the rate when the validation error stops improving.
// Invariant: each test is a list of errors and the factors that they are answered with.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { ReduceOnPlateau, type PlateauOptions } from '../../lib/optim/index.js';

function answers(options: PlateauOptions, errors: readonly number[]): number[] {
  const schedule = new ReduceOnPlateau(options);
  return errors.map((error) => schedule.update(error));
}

describe('ReduceOnPlateau', () => {
  it('leaves the rate alone while the error falls', () => {
    assert.deepEqual(answers({}, [0.9, 0.8, 0.7, 0.6, 0.5]), [1, 1, 1, 1, 1]);
  });

  it('divides by 10 after three epochs without improvement', () => {
    assert.deepEqual(answers({}, [0.5, 0.5, 0.5, 0.5]), [1, 1, 1, 0.1]);
  });

  it('counts anew after an improvement', () => {
    assert.deepEqual(answers({}, [0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.4]), [1, 1, 1, 1, 1, 1, 0.1]);
  });

  it('counts anew after a drop, and drops three times at most', () => {
    const errors = new Array<number>(20).fill(0.5);
    const drops = answers({}, errors).flatMap((factor, epoch) => (factor === 1 ? [] : [epoch]));
    assert.deepEqual(drops, [3, 6, 9]);
  });

  it('takes a smaller fall than the threshold for none', () => {
    assert.deepEqual(answers({ threshold: 0.01 }, [0.5, 0.495, 0.491, 0.4901]), [1, 1, 1, 0.1]);
  });

  it('compares with the best error, not the last', () => {
    assert.deepEqual(answers({}, [0.5, 0.9, 0.8, 0.7]), [1, 1, 1, 0.1]);
  });

  it('takes NaN for no improvement', () => {
    assert.deepEqual(answers({ patience: 1 }, [0.5, NaN]), [1, 0.1]);
  });

  it('does as it is told', () => {
    const options = { factor: 0.5, patience: 1, maxDrops: 2 };
    assert.deepEqual(answers(options, [0.5, 0.5, 0.5, 0.5]), [1, 0.5, 0.5, 1]);
  });

  it('says how often it has dropped', () => {
    const schedule = new ReduceOnPlateau({ patience: 1 });
    assert.equal(schedule.drops, 0);
    schedule.update(0.5);
    schedule.update(0.5);
    assert.equal(schedule.drops, 1);
  });

  for (const options of [
    { factor: 0 },
    { factor: 1 },
    { factor: NaN },
    { patience: 0 },
    { patience: 1.5 },
    { maxDrops: -1 },
    { maxDrops: 1.5 },
    { threshold: NaN },
    { threshold: -1 },
  ]) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => new ReduceOnPlateau(options), ArgumentError);
    });
  }

  it('goes on from its state, after JSON too', () => {
    const errors = [0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4];
    for (let cut = 0; cut <= errors.length; cut++) {
      const [first, second] = [new ReduceOnPlateau(), new ReduceOnPlateau()];
      const before = errors.slice(0, cut).map((error) => first.update(error));
      second.state = JSON.parse(JSON.stringify(first.state)) as typeof first.state;
      const after = errors.slice(cut).map((error) => second.update(error));
      assert.deepEqual([...before, ...after], answers({}, errors), `cut after ${cut}`);
    }
  });
});
