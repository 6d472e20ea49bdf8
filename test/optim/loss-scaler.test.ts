// The dynamic loss scale: what it does to gradients, and what an overflow does to it and to the weights.
// Invariant: a step that overflows changes no weight and no velocity.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { Parameter } from '../../lib/layers/index.js';
import { LossScaler, SGD, type LossScalerOptions } from '../../lib/optim/index.js';
import { updateLossScale } from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { assertClose } from '../helpers/compare.js';
import { forEachDevice } from '../helpers/devices.js';
import { ndArray } from '../helpers/reference.js';

forEachDevice('the loss scaler', (on) => {
  function parameters(): Parameter[] {
    return ['v', 'w'].map((name) => {
      const parameter = new Parameter({ name, shape: [3], initializer: { kind: 'constant', value: 0 } });
      parameter.assign(on.tensor(ndArray([3], [1, 2, 3])));
      return parameter;
    });
  }

  function release(...owned: readonly Disposable[]): void {
    for (const each of owned) each[Symbol.dispose]();
  }

  it('multiplies the gradient that backward begins with', async () => {
    using scaler = new LossScaler(on.device, { initialScale: 8 });
    using gradient = on.tensor<readonly number[]>(ndArray([2], [0.5, -3]));
    using scaled = scaler.scale(gradient);
    assert.deepEqual([...(await scaled.data())], [4, -24]);
  });

  it('leads to the same weights as no scale at all', async () => {
    const weights: Float32Array[] = [];
    for (const scale of [1, 1024]) {
      const learned = parameters();
      using scaler = new LossScaler(on.device, { initialScale: scale });
      using optimizer = new SGD(learned, { learningRate: 0.1 });
      for (const g of [1, -2, 3]) {
        for (const parameter of learned) {
          parameter.addGradient(on.tensor(ndArray([3], [g * scale, 2 * g * scale, 0])));
        }
        optimizer.step({ lossScaler: scale === 1 ? undefined : scaler });
      }
      weights.push(await learned[1]!.value.data());
      release(...learned);
    }
    assertClose(weights[1]!, weights[0]!, { rtol: 1e-6, atol: 0, what: 'weights' });
  });

  for (const bad of [NaN, Infinity, -Infinity]) {
    it(`skips a step with a gradient of ${bad}, whichever parameter it is in, and halves the scale`, async () => {
      const learned = parameters();
      using scaler = new LossScaler(on.device, { initialScale: 16 });
      using optimizer = new SGD(learned, { learningRate: 0.1 });
      for (const where of [0, 1]) {
        learned.forEach((parameter, i) =>
          parameter.addGradient(on.tensor(ndArray([3], [1, i === where ? bad : 1, 1]))),
        );
        optimizer.step({ lossScaler: scaler });
        assert.equal(learned[0]!.gradient, undefined);
      }
      for (const { value } of learned) assert.deepEqual([...(await value.data())], [1, 2, 3]);
      assert.deepEqual(await scaler.state(), { scale: 4, steps: 0, skippedSteps: 2 });
      for (const parameter of learned) parameter.addGradient(on.tensor(ndArray([3], [4, 4, 4])));
      optimizer.step({ lossScaler: scaler });
      // A gradient of 1 at the scale of 4, no velocity from before: w - .1 (1 + 5e-4 w).
      assertClose(await learned[0]!.value.data(), [0.89995, 1.8999, 2.89985], {
        rtol: 1e-6,
        atol: 0,
        what: 'w',
      });
      release(...learned);
    });
  }

  it('grows after so many steps without overflow, and counts anew after one', async () => {
    const learned = parameters();
    using scaler = new LossScaler(on.device, { initialScale: 1, growthInterval: 3, growthFactor: 4 });
    using optimizer = new SGD(learned, { learningRate: 0.1 });
    const scales: number[] = [];
    for (const g of [1, 1, Infinity, 1, 1, 1, 1]) {
      learned[0]!.addGradient(on.tensor(ndArray([3], [g, g, g])));
      optimizer.step({ lossScaler: scaler });
      scales.push((await scaler.state()).scale);
    }
    assert.deepEqual(scales, [1, 1, 0.5, 0.5, 0.5, 2, 2]);
    release(...learned);
  });

  it('goes on from where another was', async () => {
    const state = { scale: 128, steps: 7, skippedSteps: 2 };
    using scaler = new LossScaler(on.device, { state, initialScale: 1 });
    assert.deepEqual(await scaler.state(), state);
  });

  it('knows its factor without waiting: one over the scale, or NaN', async () => {
    const states = await on.compute(() => {
      const scalar = (value: number) => on.tensor<readonly []>(ndArray([], [value]));
      const results = [4, Infinity].map((squares, i) => {
        const state = { scale: scalar(8), factor: scalar(0), counts: on.tensor(ndArray([2], [0, 0])) };
        updateLossScale(state, scalar(squares), { growthFactor: 2, backoffFactor: 0.5, growthInterval: 5 });
        return { [`factor${i}`]: state.factor, [`scale${i}`]: state.scale };
      });
      return Object.assign({}, ...results) as Record<string, Tensor>;
    });
    for (const [name, expected] of [
      ['factor0', 1 / 8],
      ['scale0', 8],
      ['factor1', NaN],
      ['scale1', 4],
    ] as const) {
      on.expect('updateLossScale', states[name]!, ndArray([], [expected]), name);
    }
  });

  for (const options of [
    { initialScale: 0 },
    { initialScale: Infinity },
    { growthFactor: 0.5 },
    { backoffFactor: 1 },
    { growthInterval: 0 },
  ] satisfies LossScalerOptions[]) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => new LossScaler(on.device, options), ArgumentError);
    });
  }
});
