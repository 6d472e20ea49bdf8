// Response normalisation and max pooling in one op, and its gradient, against the float64 references of the two.
// Invariant: channels that fill vectors and channels that do not, in every layout; with and without a ReLU before.
import assert from 'node:assert/strict';
import { ShapeError } from '../../lib/errors.js';
import { lrn, lrnMaxPool2d, lrnMaxPool2dBackward, maxPool2d } from '../../lib/ops/index.js';
import { openDevice } from '../../lib/tensor/device.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice, layouts, type Layout, type TestDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, ndArray, type NdArray } from '../helpers/reference.js';

type Rank4 = readonly [number, number, number, number];
type Images = Tensor<'float32', Rank4>;

interface Problem {
  readonly what: string;
  readonly x: readonly [number, number, number, number];
  readonly size?: number;
  readonly beta?: number;
  readonly channelGroups?: number;
  readonly kernel?: number;
  readonly stride?: number;
  readonly padding?: number;
  readonly rounding?: 'floor' | 'ceil';
  /** What 'ceil' adds at the bottom and right. */
  readonly ceil?: readonly [bottom: number, right: number];
}

const PROBLEMS: readonly Problem[] = [
  { what: "AlexNet's first", x: [2, 96, 13, 13] },
  { what: 'two towers', x: [2, 96, 7, 9], channelGroups: 2 },
  { what: 'channels that fill no vector', x: [2, 20, 9, 7] },
  { what: 'another window', x: [2, 32, 7, 7], size: 3, beta: 0.5 },
  { what: 'padding', x: [1, 32, 8, 6], padding: 1 },
  { what: 'windows over the edge', x: [2, 32, 8, 8], rounding: 'ceil', ceil: [1, 1] },
  { what: 'windows of four that overlap by three', x: [1, 32, 7, 7], kernel: 4, stride: 1 },
  { what: 'windows with gaps', x: [3, 16, 8, 8], kernel: 2, stride: 3 },
];

function optionsOf({ size = 5, beta = 0.75, channelGroups = 1, ...pool }: Problem) {
  const { kernel = 3, stride = 2, padding = 0, rounding = 'floor' } = pool;
  return {
    lrn: { size, beta, channelGroups, alpha: 0.1, alphaOver: 'sum', k: 2 },
    pool: { kernelSize: kernel, stride, padding, rounding },
  } as const;
}

/** y, and the gradient for a dy, of x. */
function expectedOf(problem: Problem, x: NdArray) {
  const { lrn: normalisation } = optionsOf(problem);
  const { kernel = 3, stride = 2, padding = 0, ceil = [0, 0] } = problem;
  const [bottom, right] = ceil;
  const normalised = reference.lrnAcrossChannels(x, normalisation);
  const { y, argmax } = reference.maxPool2d(normalised, {
    kernel: { h: kernel, w: kernel },
    stride: { h: stride, w: stride },
    padding: { top: padding, bottom: padding + bottom, left: padding, right: padding + right },
  });
  const gradient = (dy: NdArray) =>
    reference.lrnAcrossChannelsBackward(x, reference.maxPool2dBackward(dy, argmax, x.shape), normalisation);
  return { y, gradient };
}

async function check(on: TestDevice, problem: Problem, layout: Layout): Promise<void> {
  const x = hashNdArray({ shape: problem.x, seed: 61, low: -2, high: 4 });
  const options = optionsOf(problem);
  const expected = expectedOf(problem, x);
  const dy = hashNdArray({ shape: expected.y.shape, seed: 62, low: -1, high: 1 });
  const actual = await on.compute(() => {
    const input = on.tensor<Rank4>(x, layout);
    const { y, argmax } = lrnMaxPool2d(input, { ...options, training: true });
    const of = { x: input, argmax: argmax! };
    return {
      y,
      inferred: lrnMaxPool2d(input, options).y,
      dx: lrnMaxPool2dBackward(on.tensor(dy), of, options),
      masked: lrnMaxPool2dBackward(on.tensor(dy), of, { ...options, relu: true }),
    };
  });
  const dx = expected.gradient(dy);
  on.expect('lrnMaxPool2dForward', actual.y, expected.y, `y, ${layout}`);
  on.expect('lrnMaxPool2dForward', actual.inferred, expected.y, `y without training, ${layout}`);
  on.expect('lrnMaxPool2dBackward', actual.dx, dx, `dx, ${layout}`);
  const masked = reference.reluBackward(x, dx);
  on.expect('lrnMaxPool2dBackward', actual.masked, masked, `dx with a ReLU, ${layout}`);
}

forEachDevice('response normalisation with max pooling', (on) => {
  for (const problem of PROBLEMS) {
    it(`${problem.what}: output and gradient are the references'`, async () => {
      for (const layout of layouts) await check(on, problem, layout);
    });
  }

  it('gives the bits of the two ops one after another', async () => {
    const x = hashNdArray({ shape: [2, 96, 13, 11], seed: 63, low: -2, high: 4 });
    const { lrn: normalisation, pool } = optionsOf({ what: '', x: [2, 96, 13, 11] });
    for (const layout of layouts) {
      const { both, apart } = await on.compute(() => {
        const input = on.tensor<Rank4>(x, layout);
        return {
          both: lrnMaxPool2d(input, { lrn: normalisation, pool }).y,
          apart: maxPool2d(lrn(input, normalisation), pool).y,
        };
      });
      assert.deepEqual(both.data, apart.data);
    }
  });

  it('lets a NaN through, to the channels around it and to no other pixel', async () => {
    const x = hashNdArray({ shape: [1, 32, 7, 7], seed: 64, low: 1, high: 4 });
    const data = Array.from(x.data);
    data[3 * 7 + 3] = NaN; // seen by the middle window alone
    const options = optionsOf({ what: '', x: [1, 32, 7, 7] });
    const { y } = await on.compute(() => {
      const input = on.tensor<Rank4>(ndArray(x.shape, data));
      const { y, argmax } = lrnMaxPool2d(input, { ...options, training: true });
      argmax?.dispose();
      return { y };
    });
    const isNaN = Array.from(y.data, Number.isNaN);
    // The channels whose windows hold channel 0, at the one pixel of 3 x 3.
    const expected = Array.from({ length: 32 * 9 }, (_, i) => i % 9 === 4 && i < 3 * 9);
    assert.deepEqual(isNaN, expected);
  });

  it('names the layer whose pooling does not fit', () => {
    using x = on.tensor<Rank4>(reference.zeros([1, 16, 2, 2]));
    const options = { ...optionsOf({ what: '', x: [1, 16, 2, 2] }), label: 'lrn1+pool1' };
    assert.throws(
      () => lrnMaxPool2d(x, options),
      (error: Error) => error instanceof ShapeError && error.message.startsWith('lrn1+pool1: '),
    );
  });
});

describe('response normalisation with max pooling on the CPU', () => {
  async function bitsWith(threads: number): Promise<readonly Float32Array[]> {
    using device = openDevice('cpu', { threads });
    const x = hashNdArray({ shape: [3, 64, 15, 15], seed: 65, low: -2, high: 4 });
    const options = optionsOf({ what: '', x: [3, 64, 15, 15] });
    using input: Images = device.tensor(Float32Array.from(x.data), { shape: [3, 64, 15, 15] });
    const forward = lrnMaxPool2d(input, { ...options, training: true });
    using y = forward.y;
    using argmax = forward.argmax!;
    using dx = lrnMaxPool2dBackward(y, { x: input, argmax }, options);
    return [await y.data(), await dx.data()];
  }

  it('gives the same bits with any number of threads', async () => {
    const one = await bitsWith(1);
    for (const threads of [2, 3, 5]) assert.deepEqual(await bitsWith(threads), one);
  });
});
