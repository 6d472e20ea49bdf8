// Convolution and its gradients against the float64 reference, in the shapes that make backends stumble.
// Invariant: small shapes are compared in full, AlexNet's own in samples spread over the whole tensor.
import assert from 'node:assert/strict';
import { conv2d, conv2dBackwardData, conv2dBackwardWeights, reluBackward } from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice, forEachLayout, type TestDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, type Conv2dOptions, type NdArray } from '../helpers/reference.js';

interface Problem {
  readonly what: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly options: Conv2dOptions;
}

function problem(
  what: string,
  x: readonly number[],
  w: readonly number[],
  {
    stride = [1, 1],
    padding = [0, 0, 0, 0],
    groups = 1,
  }: {
    stride?: [h: number, w: number];
    padding?: [top: number, bottom: number, left: number, right: number];
    groups?: number;
  } = {},
): Problem {
  const [top, bottom, left, right] = padding;
  const options = { stride: { h: stride[0], w: stride[1] }, padding: { top, bottom, left, right }, groups };
  return { what, x, w, options };
}

const SMALL = [
  problem('3 to 5 channels, batch 3, not square', [3, 3, 7, 9], [5, 3, 3, 3], { padding: [1, 1, 1, 1] }),
  problem('5 to 20 channels at a single pixel, batch 1', [1, 5, 1, 1], [20, 5, 1, 1]),
  problem('20 to 3 channels, everything different per axis and side', [2, 20, 6, 5], [3, 20, 3, 2], {
    stride: [2, 1],
    padding: [1, 0, 2, 1],
  }),
  problem('20 to 20 channels, batch 1', [1, 20, 5, 5], [20, 20, 3, 3], { padding: [1, 1, 1, 1] }),
  problem('16 to 32 channels', [2, 16, 4, 4], [32, 16, 3, 3], { padding: [1, 1, 1, 1] }),
  problem('two groups of 3 to 5 channels', [2, 6, 6, 6], [10, 3, 5, 5], { padding: [2, 2, 2, 2], groups: 2 }),
  problem('two groups of 16 to 16 channels', [1, 32, 4, 5], [32, 16, 3, 3], {
    padding: [1, 1, 1, 1],
    groups: 2,
  }),
  problem('a group for each channel', [2, 8, 5, 5], [8, 1, 3, 3], { padding: [1, 1, 1, 1], groups: 8 }),
  problem('stride 4 with 3 zeros at the right and bottom only', [2, 3, 24, 24], [8, 3, 11, 11], {
    stride: [4, 4],
    padding: [0, 3, 0, 3],
  }),
  problem('a window as large as the input', [3, 4, 5, 3], [6, 4, 5, 3]),
];

const ALEXNET = [
  problem('conv1 on 224 pixels, rounded up', [2, 3, 224, 224], [96, 3, 11, 11], {
    stride: [4, 4],
    padding: [0, 3, 0, 3],
  }),
  problem('conv1 on 227 pixels', [1, 3, 227, 227], [96, 3, 11, 11], { stride: [4, 4] }),
  problem('conv2', [2, 96, 27, 27], [256, 48, 5, 5], { padding: [2, 2, 2, 2], groups: 2 }),
  problem('conv3', [2, 256, 13, 13], [384, 256, 3, 3], { padding: [1, 1, 1, 1] }),
  problem('conv4', [2, 384, 13, 13], [384, 192, 3, 3], { padding: [1, 1, 1, 1], groups: 2 }),
  problem('conv5', [2, 384, 13, 13], [256, 192, 3, 3], { padding: [1, 1, 1, 1], groups: 2 }),
];

/** The op's options: the reference's, spelled as the op spells them. */
function opOptions({ stride, padding, groups }: Conv2dOptions) {
  return { stride: [stride.h, stride.w] as const, padding, groups };
}

function operands({ x, w, options }: Problem): { x: NdArray; w: NdArray; b: NdArray; dy: NdArray } {
  const data = (shape: readonly number[], seed: number) => hashNdArray({ shape, seed, low: -1, high: 1 });
  const dy = data(reference.conv2dShape(x, w, options), 14);
  return { x: data(x, 11), w: data(w, 12), b: data([w[0]!], 13), dy };
}

/** All three ops on one problem. */
function convolve(on: TestDevice, { x, w, b, dy }: ReturnType<typeof operands>, options: Conv2dOptions) {
  return on.compute(() => {
    const [input, weights, gradient] = [on.tensor(x), on.tensor(w), on.tensor(dy)];
    const geometry = opOptions(options);
    const y = conv2d(on.tensor(x), on.tensor(w), { b: on.tensor(b), ...geometry });
    const dx = conv2dBackwardData(gradient, weights, { inputShape: x.shape, ...geometry });
    const { dw, db } = conv2dBackwardWeights(input, gradient, { weightShape: w.shape, ...geometry });
    return { y, dx, dw, db: db! };
  });
}

/** At most 96 indices, the first and the last among them. */
function spread(count: number): number[] {
  const n = Math.min(96, count);
  return Array.from({ length: n }, (_, k) => Math.floor((k * (count - 1)) / Math.max(n - 1, 1)));
}

forEachDevice('conv2d', (on) => {
  for (const small of SMALL) {
    describe(small.what, () => {
      const { options } = small;
      const { x, w, b, dy } = operands(small);
      const geometry = opOptions(options);

      for (const relu of [false, true]) {
        forEachLayout(`gives the reference's output${relu ? ' with a fused ReLU' : ''}`, async (layout) => {
          const { withBias, without } = await on.compute(() => ({
            withBias: conv2d(on.tensor(x, layout), on.tensor(w), { b: on.tensor(b), relu, ...geometry }),
            without: conv2d(on.tensor(x, layout), on.tensor(w), { relu, ...geometry }),
          }));
          on.expect('conv2dForward', withBias, reference.conv2d(x, w, b, { ...options, relu }), 'with bias');
          on.expect(
            'conv2dForward',
            without,
            reference.conv2d(x, w, undefined, { ...options, relu }),
            'no bias',
          );
        });
      }

      forEachLayout("gives the reference's gradients", async (layout) => {
        const { dx, dw, db, dwAlone } = await on.compute(() => {
          const [input, gradient] = [on.tensor(x, layout), on.tensor(dy, layout)];
          const both = conv2dBackwardWeights(input, gradient, { weightShape: w.shape, ...geometry });
          const alone = conv2dBackwardWeights(input, gradient, {
            weightShape: w.shape,
            bias: false,
            ...geometry,
          });
          assert.equal(alone.db, null);
          return {
            dx: conv2dBackwardData(gradient, on.tensor(w), { inputShape: x.shape, ...geometry }),
            dw: both.dw,
            db: both.db!,
            dwAlone: alone.dw,
          };
        });
        const expected = reference.conv2dBackwardWeights(dy, x, w.shape, options);
        on.expect('conv2dBackwardData', dx, reference.conv2dBackwardData(dy, w, x.shape, options), 'dx');
        on.expect('conv2dBackwardWeights', dw, expected.dw, 'dw');
        on.expect('conv2dBackwardWeights', db, expected.db, 'db');
        on.expect('conv2dBackwardWeights', dwAlone, expected.dw, 'dw without bias');
      });
    });
  }

  for (const alexnet of ALEXNET) {
    it(`gives the reference's output and gradients at AlexNet's ${alexnet.what}`, async () => {
      const { options } = alexnet;
      const data = operands(alexnet);
      const { x, w, dy } = data;
      const { y, dx, dw, db } = await convolve(on, data, options);
      const sampled = (shape: readonly number[], at: (index: number) => number) => {
        return { shape, indices: spread(reference.sizeOf(shape)), at };
      };
      on.expectSamples(
        'conv2dForward',
        y,
        sampled(dy.shape, (i) => reference.conv2dAt(i, { ...data, options })),
      );
      on.expectSamples(
        'conv2dBackwardData',
        dx,
        sampled(x.shape, (i) => reference.conv2dBackwardDataAt(i, { dy, w, xShape: x.shape, options })),
      );
      on.expectSamples(
        'conv2dBackwardWeights',
        dw,
        sampled(w.shape, (i) => reference.conv2dBackwardWeightsAt(i, { dy, x, wShape: w.shape, options })),
      );
      const [, outputs, rows, columns] = reference.dims4(dy.shape);
      const biasGradient = reference.zeros([outputs]);
      dy.data.forEach(
        (value, i) => (biasGradient.data[Math.floor(i / (rows * columns)) % outputs]! += value),
      );
      on.expect('conv2dBackwardWeights', db, biasGradient, 'db');
    });
  }

  it('lets no gradient through where the fused ReLU is off', async () => {
    const { x, w, b, dy } = operands(SMALL[0]!);
    const { options } = SMALL[0]!;
    const { dx } = await on.compute(() => {
      const y = conv2d(on.tensor(x), on.tensor(w), { b: on.tensor(b), relu: true, ...opOptions(options) });
      const masked = reluBackward(on.tensor(dy), y);
      return { dx: conv2dBackwardData(masked, on.tensor(w), { inputShape: x.shape, ...opOptions(options) }) };
    });
    const y = reference.conv2d(x, w, b, { ...options, relu: true });
    const masked = reference.reluBackward(y, dy);
    on.expect('conv2dBackwardData', dx, reference.conv2dBackwardData(masked, w, x.shape, options));
  });

  it('gives the same output for weights that another shape has rearranged before', async () => {
    const { x, w } = operands(SMALL[4]!);
    const { options } = SMALL[4]!;
    const other = hashNdArray({ shape: [1, 16, 9, 9], seed: 15, low: -1, high: 1 });
    const { first, second, third, weights } = await on.compute(() => {
      const shared = on.tensor<readonly [number, number, number, number]>(w);
      const convolved = (input: NdArray) => conv2d(on.tensor(input), shared, opOptions(options));
      return { first: convolved(x), second: convolved(other), third: convolved(x), weights: shared };
    });
    on.expect('conv2dForward', first, reference.conv2d(x, w, undefined, options), 'before');
    on.expect('conv2dForward', second, reference.conv2d(other, w, undefined, options), 'another size');
    assert.deepEqual(third.data, first.data);
    assert.deepEqual(weights.data, Float32Array.from(w.data));
  });

  it('gives the same results for weights that serve in one group and in two, by turns', async () => {
    const uses = [
      problem('one group', [1, 16, 5, 5], [32, 16, 3, 3]),
      problem('two', [1, 32, 5, 5], [32, 16, 3, 3], { groups: 2 }),
    ];
    const w = operands(uses[0]!).w;
    const actual = await on.compute(() => {
      const shared = on.tensor<readonly [number, number, number, number]>(w);
      const results = [...uses, ...uses].map((use, i) => {
        const geometry = opOptions(use.options);
        const { x, dy } = operands(use);
        return {
          [`y${i}`]: conv2d(on.tensor(x), shared, geometry),
          [`dx${i}`]: conv2dBackwardData(on.tensor(dy), shared, { inputShape: x.shape, ...geometry }),
        };
      });
      return Object.assign({}, ...results) as Record<string, Tensor>;
    });
    for (const [i, use] of [...uses, ...uses].entries()) {
      const { x, dy } = operands(use);
      const { options, what } = use;
      on.expect('conv2dForward', actual[`y${i}`]!, reference.conv2d(x, w, undefined, options), what);
      on.expect(
        'conv2dBackwardData',
        actual[`dx${i}`]!,
        reference.conv2dBackwardData(dy, w, x.shape, options),
        what,
      );
    }
  });
});
