// The running average of weights and the factor that bounds a gradient's norm, against their formulas in float64.
// Invariant: averages are right however the weights lie in memory.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { average, clipScale, reshape } from '../../lib/ops/index.js';
import { forEachDevice, forEachLayout } from '../helpers/devices.js';
import { hashNdArray, map, ndArray, type NdArray } from '../helpers/reference.js';

const SHAPE = [2, 32, 3, 3];

function hash(seed: number): NdArray {
  return hashNdArray({ shape: SHAPE, seed, low: -1, high: 1 });
}

forEachDevice('average', (on) => {
  forEachLayout('moves by 1 - decay of the way, step by step', async (layout) => {
    const steps = [211, 212, 213, 214, 215].map(hash);
    const { e } = await on.compute(() => {
      const e = on.tensor<readonly number[]>(hash(210));
      for (const x of steps) average(e, on.tensor(x, layout), { decay: 0.75 });
      return { e };
    });
    const expected = steps.reduce(
      (sum, x) => map(sum, (value, i) => 0.75 * value + 0.25 * x.data[i]!),
      hash(210),
    );
    on.expect('average', e, expected);
  });

  it('with a decay of 0 is the last value, and leaves views of the average alone', async () => {
    const { e, view } = await on.compute(() => {
      const e = on.tensor<readonly number[]>(hash(216));
      const view = reshape(e, { shape: SHAPE });
      average(e, on.tensor(hash(217)), { decay: 0 });
      return { e, view };
    });
    on.expect('average', e, hash(217));
    on.expect('reshape', view, map(hash(216), Math.fround));
  });

  it('refuses a decay of 1, and another shape', () => {
    const call = (decay: number, shape: readonly number[]) => () =>
      on.device.scope(() => average(on.tensor(hash(218)), on.tensor(ndArray(shape, [1])), { decay }));
    assert.throws(call(1, [1]), ArgumentError);
    assert.throws(call(0.5, [1]), /x is \[1\], expected \[2, 32, 3, 3\]: it must have the shape of e/);
  });
});

forEachDevice('clipScale', (on) => {
  for (const [squares, maxNorm, scale] of [
    [9, 1.5, 0.5],
    [2.25, 1.5, 1],
    [0, 1, 1],
    [NaN, 1, 1],
    [Infinity, 1, 0],
  ] as const) {
    it(`of a norm of ${Math.sqrt(squares)} and a bound of ${maxNorm} is ${scale}`, async () => {
      const { y } = await on.compute(() => ({
        y: clipScale(on.tensor(ndArray([], [squares])), { maxNorm }),
      }));
      on.expect('clipScale', y, ndArray([], [scale]));
    });
  }

  it('refuses a bound of 0, and a norm that is no scalar', () => {
    const call = (maxNorm: number, shape: readonly number[]) => () =>
      on.device.scope(() => clipScale(on.tensor(ndArray(shape, [1])), { maxNorm }));
    assert.throws(call(0, []), ArgumentError);
    assert.throws(call(1, [1]), /squares is \[1\], expected \[\]/);
  });
});
