// The optimiser around the op: which parameters move, how fast, and what it keeps of them.
// Invariant: values are held against the float64 reference or against numbers worked out by hand.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { Parameter } from '../../lib/layers/index.js';
import { LossScaler, SGD, type SgdGroup, type SgdOptions } from '../../lib/optim/index.js';
import { forEachDevice, type TestDevice } from '../helpers/devices.js';
import { assertClose } from '../helpers/compare.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, ndArray, type NdArray, type SgdState } from '../helpers/reference.js';

const SHAPE = [4, 3];

function makeParameter(
  on: TestDevice,
  value: NdArray,
  multipliers: { learningRateMultiplier?: number; weightDecayMultiplier?: number } = {},
): Parameter {
  const { shape } = value;
  const parameter = new Parameter({
    name: 'w',
    shape,
    initializer: { kind: 'constant', value: 0 },
    ...multipliers,
  });
  parameter.assign(on.tensor(value));
  return parameter;
}

function hash(seed: number): NdArray {
  return hashNdArray({ shape: SHAPE, seed, low: -1, high: 1 });
}

forEachDevice('SGD', (on) => {
  async function valueOf(parameter: Parameter) {
    return (await on.compute(() => ({ value: parameter.value.share() }))).value;
  }

  for (const [momentumForm, expected] of [
    ['paper', [0.9185, 0.8946, 0.8721]],
    ['pytorch', [0.9404, 0.9363, 0.9316]],
  ] as const) {
    it(`${momentumForm}: w = 1, g = 1, the rate falls from .01 to .001 after step 3`, async () => {
      using parameter = makeParameter(on, ndArray([1], [1]));
      using optimizer = new SGD([parameter], { learningRate: 0.01, weightDecay: 0, momentumForm });
      const values: number[] = [];
      for (let step = 1; step <= 6; step++) {
        if (step === 4) optimizer.learningRate = 0.001;
        parameter.addGradient(on.tensor(ndArray([1], [1])));
        optimizer.step();
        values.push((await parameter.value.data())[0]!);
      }
      assertClose(values.slice(0, 3), [0.99, 0.971, 0.9439], { rtol: 0, atol: 1e-6, what: 'before' });
      // The numbers are cut after four digits.
      assertClose(values.slice(3), expected, { rtol: 0, atol: 1e-4, what: 'after' });
    });

    it(`${momentumForm}: applies a parameter's multipliers to rate and decay`, async () => {
      const multipliers = { learningRateMultiplier: 2, weightDecayMultiplier: 0.5 };
      using parameter = makeParameter(on, hash(191), multipliers);
      using optimizer = new SGD([parameter], { learningRate: 0.1, weightDecay: 0.2, momentumForm });
      let state: SgdState = { w: hash(191).data, v: new Float64Array(12) };
      for (const seed of [192, 193, 194]) {
        parameter.addGradient(on.tensor(hash(seed)));
        optimizer.step();
        const options = { form: momentumForm, learningRate: 0.2, momentum: 0.9, decay: 0.1 };
        state = reference.sgdStep(state, hash(seed).data, options);
      }
      on.expect('sgd', await valueOf(parameter), ndArray(SHAPE, state.w));
    });
  }

  it("is the paper's unless told otherwise: momentum .9, decay 5e-4", () => {
    using optimizer = new SGD([], { learningRate: 0.01 });
    const { momentum, weightDecay, momentumForm } = optimizer;
    assert.deepEqual(
      { momentum, weightDecay, momentumForm },
      { momentum: 0.9, weightDecay: 5e-4, momentumForm: 'paper' },
    );
  });

  it('exempts a parameter whose decay multiplier is 0', async () => {
    using parameter = makeParameter(on, hash(195), { weightDecayMultiplier: 0 });
    using optimizer = new SGD([parameter], { learningRate: 1, weightDecay: 0.5, momentum: 0 });
    parameter.addGradient(on.tensor(reference.zeros(SHAPE)));
    optimizer.step();
    on.expect('sgd', await valueOf(parameter), hash(195));
  });

  it('takes the gradients, and leaves a parameter without one alone', async () => {
    using moved = makeParameter(on, hash(196));
    using still = makeParameter(on, hash(197));
    using optimizer = new SGD([moved, still], { learningRate: 0.1 });
    moved.addGradient(on.tensor(hash(198)));
    optimizer.step();
    assert.equal(moved.gradient, undefined);
    on.expect('sgd', await valueOf(still), hash(197));
    const once = await valueOf(moved);
    optimizer.step();
    assert.deepEqual(await valueOf(moved), once);
  });

  it('follows a parameter whose value is replaced, with the velocity it had', async () => {
    using parameter = makeParameter(on, hash(199));
    using optimizer = new SGD([parameter], { learningRate: 0.1, weightDecay: 0 });
    parameter.addGradient(on.tensor(hash(200)));
    optimizer.step();
    parameter.assign(on.tensor(hash(201)));
    parameter.addGradient(on.tensor(hash(200)));
    optimizer.step();
    const g = hash(200).data;
    const expected = hash(201).data.map((w, i) => w - 0.1 * (0.9 + 1) * g[i]!);
    on.expect('sgd', await valueOf(parameter), ndArray(SHAPE, expected));
  });

  it('moves weights of any shape', async () => {
    for (const shape of [[1], [2, 1, 1, 1], [3, 5, 2]]) {
      const w = hashNdArray({ shape, seed: 202, low: -1, high: 1 });
      using parameter = makeParameter(on, w);
      using optimizer = new SGD([parameter], { learningRate: 1, momentum: 0, weightDecay: 0 });
      parameter.addGradient(on.tensor(w));
      optimizer.step();
      on.expect('sgd', await valueOf(parameter), reference.zeros(shape));
    }
  });

  for (const [what, options] of [
    ['a negative rate', { learningRate: -0.01 }],
    ['an infinite rate', { learningRate: Infinity }],
    ['a rate of NaN', { learningRate: NaN }],
    ['a momentum of 1', { learningRate: 0.01, momentum: 1 }],
    ['a negative momentum', { learningRate: 0.01, momentum: -0.1 }],
    ['a negative decay', { learningRate: 0.01, weightDecay: -1 }],
  ] as const satisfies readonly (readonly [string, SgdOptions])[]) {
    it(`refuses ${what}`, () => {
      assert.throws(() => new SGD([], options), ArgumentError);
    });
  }

  it('moves groups at their own rate and decay', async () => {
    using near = makeParameter(on, hash(203));
    using far = makeParameter(on, hash(204), { learningRateMultiplier: 2 });
    const group: SgdGroup = { parameters: [far], rateFactor: 0.1, decayFactor: 0 };
    const options = { learningRate: 0.5, momentum: 0, weightDecay: 0.1, groups: [group] };
    using optimizer = new SGD([near, far], options);
    const g = hash(205).data;
    const step = (): void => {
      for (const parameter of [near, far]) parameter.addGradient(on.tensor(hash(205)));
      optimizer.step();
    };
    step();
    const w = hash(203).data.map((value, i) => value - 0.5 * (g[i]! + 0.1 * value));
    on.expect('sgd', await valueOf(near), ndArray(SHAPE, w));
    const v = hash(204).data.map((value, i) => value - 0.5 * 2 * 0.1 * g[i]!);
    on.expect('sgd', await valueOf(far), ndArray(SHAPE, v));
    group.rate = 0.25;
    step();
    const further = v.map((value, i) => value - 0.25 * 2 * g[i]!);
    on.expect('sgd', await valueOf(far), ndArray(SHAPE, further));
  });

  it('clips gradients by value, then by the norm of all of them', async () => {
    const gradients = [hash(206), hash(207)];
    const bounded = gradients.map((g) => g.data.map((x) => Math.min(0.5, Math.max(-0.5, x))));
    const norm = Math.sqrt(bounded.flatMap((g) => [...g]).reduce((sum, x) => sum + x * x, 0));
    for (const [clip, scale] of [
      [{ value: 0.5 }, 1],
      [{ value: 0.5, norm: norm / 4 }, 1 / 4],
      [{ value: 0.5, norm: norm * 2 }, 1],
    ] as const) {
      using first = makeParameter(on, hash(208));
      using second = makeParameter(on, hash(209));
      using optimizer = new SGD([first, second], { learningRate: 1, momentum: 0, weightDecay: 0 });
      for (const [i, parameter] of [first, second].entries()) parameter.addGradient(on.tensor(gradients[i]!));
      optimizer.step({ clip });
      for (const [i, parameter] of [first, second].entries()) {
        const w = hash(208 + i).data.map((value, j) => value - scale * bounded[i]![j]!);
        on.expect('sgd', await valueOf(parameter), ndArray(SHAPE, w));
      }
    }
  });

  it('clips what a loss scale has scaled by the norm that it stands for, and skips what overflowed', async () => {
    const g = hash(211).data;
    const norm = Math.sqrt(g.reduce((sum, x) => sum + x * x, 0));
    using parameter = makeParameter(on, hash(210));
    using optimizer = new SGD([parameter], { learningRate: 1, momentum: 0, weightDecay: 0 });
    using lossScaler = new LossScaler(on.device, { initialScale: 1024 });
    parameter.addGradient(on.device.scope(() => lossScaler.scale(on.tensor(hash(211)))));
    optimizer.step({ lossScaler, clip: { norm: norm / 2 } });
    const w = hash(210).data.map((value, i) => value - g[i]! / 2);
    on.expect('sgd', await valueOf(parameter), ndArray(SHAPE, w));
    parameter.addGradient(on.tensor(ndArray(SHAPE, new Float64Array(12).fill(Infinity))));
    optimizer.step({ lossScaler, clip: { norm: 1 } });
    on.expect('sgd', await valueOf(parameter), ndArray(SHAPE, w));
  });

  it('goes on with a velocity that it is given', async () => {
    using whole = makeParameter(on, hash(212));
    using parts = makeParameter(on, hash(212));
    using first = new SGD([whole, parts], { learningRate: 0.1 });
    for (const parameter of [whole, parts]) parameter.addGradient(on.tensor(hash(213)));
    first.step();
    using second = new SGD([parts], { learningRate: 0.1 });
    const velocity = await first.velocities.get(parts)!.data();
    second.setVelocity(parts, on.device.tensor(velocity, { shape: SHAPE }));
    for (const parameter of [whole, parts]) parameter.addGradient(on.tensor(hash(214)));
    second.step();
    first.step();
    assert.deepEqual(await valueOf(parts), await valueOf(whole));
  });

  it('refuses a rate that is set later, and keeps the one it has', () => {
    using optimizer = new SGD([], { learningRate: 0.01 });
    assert.throws(() => (optimizer.learningRate = NaN), ArgumentError);
    assert.equal(optimizer.learningRate, 0.01);
  });
});
