// The optimiser's arithmetic against the float64 reference, in both forms, over steps whose rate changes.
// Invariant: the values of w and v are right however they and the gradient lie in memory.
import assert from 'node:assert/strict';
import {
  cast,
  conv2d,
  conv2dBackwardData,
  conv2dBackwardWeights,
  linear,
  linearBackwardData,
  linearBackwardWeights,
  sgdStep,
} from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice, supportOf, type TestDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, ndArray, zeros, type NdArray, type SgdState } from '../helpers/reference.js';

const RATES = [0.01, 0.01, 0.001, 0.001, 0.05];
const FORMS = ['paper', 'pytorch'] as const;

function hash(shape: readonly number[], seed: number): NdArray {
  return hashNdArray({ shape, seed, low: -1, high: 1 });
}

/** The reference's w and v after a step for each gradient. */
function referenceSteps(w: NdArray, gradients: readonly NdArray[], form: 'paper' | 'pytorch'): SgdState {
  let state: SgdState = { w: w.data, v: new Float64Array(w.data.length) };
  gradients.forEach((g, i) => {
    state = reference.sgdStep(state, g.data, { form, learningRate: RATES[i]!, momentum: 0.9, decay: 5e-4 });
  });
  return state;
}

function step(i: number, form: 'paper' | 'pytorch') {
  return { learningRate: RATES[i]!, momentum: 0.9, weightDecay: 5e-4, form };
}

function expectState(
  on: TestDevice,
  actual: Awaited<ReturnType<typeof takeSteps>>,
  w: NdArray,
  state: SgdState,
): void {
  on.expect('sgd', actual.w, ndArray(w.shape, state.w), 'w');
  on.expect('sgd', actual.v, ndArray(w.shape, state.v), 'v');
}

function takeSteps(
  on: TestDevice,
  w: NdArray,
  {
    steps,
    form,
  }: { steps: readonly ((w: Tensor<'float32'>) => Tensor<'float32'>)[]; form: 'paper' | 'pytorch' },
) {
  return on.compute(() => {
    const parameter: Tensor<'float32'> = on.tensor(w);
    const velocity: Tensor<'float32'> = on.tensor(zeros(w.shape));
    steps.forEach((gradient, i) => sgdStep(parameter, velocity, gradient(parameter), step(i, form)));
    return { w: parameter, v: velocity };
  });
}

forEachDevice('sgd', (on) => {
  for (const form of FORMS) {
    it(`${form}: five steps with a changing rate`, async () => {
      for (const shape of [[1], [5, 3], [40_001]]) {
        const w = hash(shape, 101);
        const gradients = RATES.map((_, i) => hash(shape, 102 + i));
        const steps = gradients.map((g) => () => on.tensor<readonly number[]>(g));
        const actual = await takeSteps(on, w, { steps, form });
        expectState(on, actual, w, referenceSteps(w, gradients, form));
      }
    });

    it(`${form}: neither momentum nor decay is plain descent`, async () => {
      const [w, g] = [hash([7], 103), hash([7], 104)];
      const { parameter } = await on.compute(() => {
        const parameter = on.tensor(w);
        const options = { learningRate: 0.5, momentum: 0, weightDecay: 0, form };
        sgdStep(parameter, on.tensor(zeros([7])), on.tensor(g), options);
        return { parameter };
      });
      on.expect(
        'sgd',
        parameter,
        ndArray(
          [7],
          w.data.map((value, i) => value - 0.5 * g.data[i]!),
        ),
      );
    });

    for (const [what, groups, x, w] of [
      ['a convolution', 1, [2, 20, 5, 5], [20, 20, 3, 3]],
      ['a grouped convolution', 2, [2, 32, 5, 5], [32, 16, 3, 3]],
      ['a convolution of a picture', 1, [1, 3, 9, 9], [5, 3, 3, 3]],
    ] as const) {
      it(`${form}: the weights and gradients of ${what}, which both rearrange`, async () => {
        const [input, weights] = [hash(x, 105), hash(w, 106)];
        const { gradients, steps } = convolutionSteps(on, { input, weights, groups });
        const actual = await takeSteps(on, weights, { steps, form });
        expectState(on, actual, weights, referenceSteps(weights, gradients, form));
      });
    }

    it(`${form}: the weights and gradients of a fully connected layer`, async () => {
      const [x, w] = [hash([3, 100], 107), hash([64, 100], 108)];
      const gradients = RATES.map((_, i) => hash([3, 64], 109 + i));
      const steps = gradients.map((dy) => (parameter: Tensor<'float32'>) => {
        linear(
          on.tensor<readonly [number, number]>(x),
          parameter as Tensor<'float32', readonly [64, number]>,
        );
        return linearBackwardWeights(on.tensor(x), on.tensor(dy)).dw;
      });
      const actual = await takeSteps(on, w, { steps, form });
      const inReference = gradients.map((dy) => reference.linearBackwardWeights(dy, x).dw);
      expectState(on, actual, w, referenceSteps(w, inReference, form));
    });
  }

  for (const [what, groups, shape] of [
    ['a convolution', 1, [32, 48, 3, 3]],
    ['a convolution of 20 channels', 1, [20, 20, 3, 3]],
    ['a grouped convolution', 2, [32, 16, 3, 3]],
  ] as const) {
    it(`reaches every copy of its weights that ${what} has packed for its ops and input sizes`, async () => {
      const channels = shape[1] * groups;
      const inputs = [
        hash([2, channels, 6, 5], 130),
        hash([1, channels, 9, 9], 131),
        hash([16, channels, 3, 3], 132),
      ];
      await checkPacking(
        on,
        hash(shape, 133),
        inputs.map((x) => convolutionOps(x, shape, groups)),
      );
    });
  }

  it('reaches every copy of its weights that a fully connected layer has packed for its ops and batches', async () => {
    const inputs = [hash([3, 100], 134), hash([1, 100], 135), hash([64, 100], 136)];
    await checkPacking(on, hash([64, 100], 137), inputs.map(linearOps));
  });

  for (const dtype of ['float32', 'bfloat16', 'float16'] as const) {
    if (supportOf(on.target, dtype) === 'none') continue;
    it(`leaves weights that a layer in ${dtype} computes with as if they had just been uploaded`, async () => {
      for (const [outputs, inputs] of [
        [1000, 37],
        [130, 64],
        [24, 33],
        [7, 9],
      ] as const) {
        const [w, x, dy] = [
          [outputs, inputs],
          [16, inputs],
          [16, outputs],
        ].map((shape, i) => hash(shape, 140 + i));
        const low = (values: NdArray) => cast(on.tensor<readonly [number, number]>(values), { dtype });
        const outputsOf = (weights: Weights<readonly [number, number]>) => ({
          y: cast(linear(low(x!), weights), { dtype: 'float32' }),
          dx: cast(linearBackwardData(low(dy!), weights), { dtype: 'float32' }),
        });
        const after = await on.compute(() => {
          const weights = on.tensor<readonly [number, number]>(w!);
          const velocity = on.tensor(zeros(w!.shape));
          for (const i of [0, 1]) {
            outputsOf(weights);
            sgdStep(weights, velocity, linearBackwardWeights(low(x!), low(dy!)).dw, step(i, 'paper'));
          }
          return { ...outputsOf(weights), weights };
        });
        const uploaded = ndArray(w!.shape, Float64Array.from(after.weights.data));
        const fresh = await on.compute(() => outputsOf(on.tensor(uploaded)));
        assert.deepEqual(after.y.data, fresh.y.data);
        assert.deepEqual(after.dx.data, fresh.dx.data);
      }
    });
  }

  it('reaches every share of a parameter', async () => {
    const w = hash([6], 116);
    const { shared } = await on.compute(() => {
      const parameter = on.tensor(w);
      const shared = parameter.share();
      sgdStep(parameter, on.tensor(zeros([6])), on.tensor(hash([6], 117)), step(0, 'paper'));
      return { shared };
    });
    on.expect('sgd', shared, ndArray([6], referenceSteps(w, [hash([6], 117)], 'paper').w));
  });
});

/** Steps with the gradients of a convolution that runs forward with the present weights in between. */
function convolutionSteps(
  on: TestDevice,
  { input, weights, groups }: { input: NdArray; weights: NdArray; groups: number },
) {
  const padding = { top: 1, bottom: 1, left: 1, right: 1 };
  const inReference = { stride: { h: 1, w: 1 }, padding, groups };
  const outputShape = reference.conv2dShape(input.shape, weights.shape, inReference);
  const outputs = RATES.map((_, i) => hash(outputShape, 120 + i));
  const gradients = outputs.map(
    (dy) => reference.conv2dBackwardWeights(dy, input, weights.shape, inReference).dw,
  );
  const steps = outputs.map((dy) => (parameter: Tensor<'float32'>) => {
    conv2d(on.tensor(input), parameter as Tensor<'float32', readonly [number, number, number, number]>, {
      padding,
      groups,
    });
    const options = { weightShape: weights.shape, padding, groups };
    return conv2dBackwardWeights(on.tensor(input), on.tensor(dy), options).dw;
  });
  return { gradients, steps };
}

type Weights<Rank extends readonly number[]> = Tensor<'float32', Rank>;

/** The three ops of one layer on one input, on the device and in the reference, all from the weights. */
interface LayerOps {
  device(on: TestDevice, w: Tensor<'float32'>): { y: Tensor; dx: Tensor; dw: Tensor<'float32'> };
  reference(w: NdArray): { y: NdArray; dx: NdArray; dw: NdArray };
  readonly keys:
    readonly ['conv2dForward', 'conv2dBackwardData'] | readonly ['linearForward', 'linearBackwardData'];
}

function convolutionOps(x: NdArray, weightShape: readonly number[], groups: number): LayerOps {
  const padding = { top: 1, bottom: 1, left: 1, right: 1 };
  const inReference = { stride: { h: 1, w: 1 }, padding, groups };
  const dy = hash(reference.conv2dShape(x.shape, weightShape, inReference), 138);
  return {
    keys: ['conv2dForward', 'conv2dBackwardData'],
    device: (on, w) => ({
      y: conv2d(on.tensor(x), w as Weights<readonly [number, number, number, number]>, { padding, groups }),
      dx: conv2dBackwardData(on.tensor(dy), w, { padding, groups, inputShape: x.shape }),
      dw: conv2dBackwardWeights(on.tensor(x), on.tensor(dy), { padding, groups, weightShape }).dw,
    }),
    reference: (w) => ({
      y: reference.conv2d(x, w, undefined, inReference),
      dx: reference.conv2dBackwardData(dy, w, x.shape, inReference),
      dw: reference.conv2dBackwardWeights(dy, x, weightShape, inReference).dw,
    }),
  };
}

function linearOps(x: NdArray): LayerOps {
  const dy = hash([x.shape[0]!, 64], 139);
  return {
    keys: ['linearForward', 'linearBackwardData'],
    device: (on, w) => ({
      y: linear(on.tensor<readonly [number, number]>(x), w as Weights<readonly [number, number]>),
      dx: linearBackwardData(on.tensor(dy), w),
      dw: linearBackwardWeights(on.tensor(x), on.tensor(dy)).dw,
    }),
    reference: (w) => ({
      y: reference.linear(x, w, undefined),
      dx: reference.linearBackwardData(dy, w),
      dw: reference.linearBackwardWeights(dy, x).dw,
    }),
  };
}

/** Plain descent on the same weights with one input after another, twice over; each output is from the latest weights. */
async function checkPacking(on: TestDevice, start: NdArray, inputs: readonly LayerOps[]): Promise<void> {
  const rounds = [...inputs, ...inputs];
  const options = { learningRate: 0.01, momentum: 0, weightDecay: 0, form: 'paper' } as const;
  const actual = await on.compute(() => {
    const w: Tensor<'float32'> = on.tensor(start);
    const outputs = rounds.map((_, i) => {
      // All inputs come before each update, so that every copy is there to become stale.
      const all = inputs.map((other) => other.device(on, w));
      const { y, dx, dw } = all[i % inputs.length]!;
      sgdStep(w, on.tensor(zeros(start.shape)), dw, options);
      return { [`y${i}`]: y, [`dx${i}`]: dx };
    });
    return Object.assign({ w }, ...outputs) as Record<string, Tensor>;
  });
  let w = start;
  for (const [i, layer] of rounds.entries()) {
    const { y, dx, dw } = layer.reference(w);
    on.expect(layer.keys[0], actual[`y${i}`]!, y, `y ${i}`);
    on.expect(layer.keys[1], actual[`dx${i}`]!, dx, `dx ${i}`);
    w = ndArray(
      w.shape,
      w.data.map((value, j) => value - options.learningRate * dw.data[j]!),
    );
  }
  on.expect('sgd', actual['w']!, w, 'w');
}
