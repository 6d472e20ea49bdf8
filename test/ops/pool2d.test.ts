// Max and average pooling and their gradients against the float64 reference.
// Invariant: every geometry runs in both roundings, which the reference writes as padding.
import { avgPool2d, avgPool2dBackward, maxPool2d, maxPool2dBackward } from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice, layouts, type Layout, type TestDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, ndArray, type NdArray, type Pool2dOptions } from '../helpers/reference.js';

interface Problem {
  readonly what: string;
  readonly x: readonly [number, number, number, number];
  readonly kernel: readonly [h: number, w: number];
  readonly stride: readonly [h: number, w: number];
  readonly padding?: readonly [top: number, bottom: number, left: number, right: number];
  /** What 'ceil' adds at the bottom and right. */
  readonly ceil: readonly [bottom: number, right: number];
}

const PROBLEMS: readonly Problem[] = [
  { what: "AlexNet's overlapping windows", x: [2, 96, 13, 13], kernel: [3, 3], stride: [2, 2], ceil: [0, 0] },
  {
    what: 'overlapping, 20 channels, not square',
    x: [3, 20, 8, 9],
    kernel: [3, 3],
    stride: [2, 2],
    ceil: [1, 0],
  },
  { what: "the CIFAR nets' 32 pixels", x: [1, 5, 32, 32], kernel: [3, 3], stride: [2, 2], ceil: [1, 1] },
  { what: 'windows side by side', x: [1, 3, 7, 6], kernel: [2, 2], stride: [2, 2], ceil: [1, 0] },
  { what: 'windows with gaps', x: [2, 4, 9, 9], kernel: [2, 2], stride: [3, 3], ceil: [0, 0] },
  {
    what: 'padded on all sides',
    x: [2, 20, 6, 7],
    kernel: [3, 3],
    stride: [2, 2],
    padding: [1, 1, 1, 1],
    ceil: [1, 0],
  },
  {
    what: 'everything different per axis and side',
    x: [1, 5, 9, 6],
    kernel: [4, 3],
    stride: [2, 1],
    padding: [2, 1, 1, 0],
    ceil: [0, 0],
  },
  { what: 'one window over everything', x: [3, 16, 6, 6], kernel: [6, 6], stride: [1, 1], ceil: [0, 0] },
  { what: 'single pixels', x: [1, 20, 1, 1], kernel: [1, 1], stride: [1, 1], ceil: [0, 0] },
];

function geometryOf({ kernel, stride, padding = [0, 0, 0, 0] }: Problem) {
  const [top, bottom, left, right] = padding;
  return { kernelSize: kernel, stride, padding: { top, bottom, left, right } } as const;
}

function referenceOptions(problem: Problem, rounding: 'floor' | 'ceil'): Pool2dOptions {
  const { kernel, stride, padding = [0, 0, 0, 0], ceil } = problem;
  const [top, bottom, left, right] = padding;
  const [more, further] = rounding === 'ceil' ? ceil : [0, 0];
  return {
    kernel: { h: kernel[0], w: kernel[1] },
    stride: { h: stride[0], w: stride[1] },
    padding: { top, bottom: bottom + more, left, right: right + further },
  };
}

async function checkMax(on: TestDevice, problem: Problem, rounding: 'floor' | 'ceil', layout: Layout) {
  const x = hashNdArray({ shape: problem.x, seed: 51, low: -5, high: -1 });
  const options = { ...geometryOf(problem), rounding };
  const expected = reference.maxPool2d(x, referenceOptions(problem, rounding));
  const dy = hashNdArray({ shape: expected.y.shape, seed: 52, low: -1, high: 1 });
  const { y, inferred, dx } = await on.compute(() => {
    const { y, argmax } = maxPool2d(on.tensor(x, layout), { ...options, training: true });
    const inferred = maxPool2d(on.tensor(x, layout), options).y;
    const gradient = { ...options, inputShape: x.shape };
    return { y, inferred, dx: maxPool2dBackward(on.tensor(dy), argmax as Tensor, gradient) };
  });
  on.expect('maxPool2dForward', y, expected.y, `y, ${layout}`);
  on.expect('maxPool2dForward', inferred, expected.y, `y without training, ${layout}`);
  on.expect(
    'maxPool2dBackward',
    dx,
    reference.maxPool2dBackward(dy, expected.argmax, x.shape),
    `dx, ${layout}`,
  );
}

async function checkAverage(on: TestDevice, problem: Problem, rounding: 'floor' | 'ceil', layout: Layout) {
  for (const divisor of ['clipped', 'full'] as const) {
    const x = hashNdArray({ shape: problem.x, seed: 53, low: -1, high: 3 });
    const options = { ...geometryOf(problem), rounding, divisor };
    const inReference = { ...referenceOptions(problem, rounding), divisor };
    const expected = reference.avgPool2d(x, inReference);
    const dy = hashNdArray({ shape: expected.shape, seed: 54, low: -1, high: 1 });
    const { y, dx } = await on.compute(() => ({
      y: avgPool2d(on.tensor(x, layout), options),
      dx: avgPool2dBackward(on.tensor(dy, layout), { ...options, inputShape: x.shape }),
    }));
    on.expect('avgPool2dForward', y, expected, `y, ${divisor}, ${layout}`);
    const gradient = reference.avgPool2dBackward(dy, x.shape, inReference);
    on.expect('avgPool2dBackward', dx, gradient, `dx, ${divisor}, ${layout}`);
  }
}

/** Gradient of the sum of windows of 2 x 2 that touch: shows which pixel won in each. */
async function winners(on: TestDevice, x: NdArray, layout: Layout): Promise<ArrayLike<number>> {
  const { dx } = await on.compute(() => {
    const options = { kernelSize: 2, training: true } as const;
    const { y, argmax } = maxPool2d(on.tensor(x, layout), options);
    const ones = on.tensor(ndArray(y.shape, new Array(y.size).fill(1)));
    return { dx: maxPool2dBackward(ones, argmax as Tensor, { ...options, inputShape: x.shape }) };
  });
  return dx.data;
}

forEachDevice('pooling', (on) => {
  for (const problem of PROBLEMS) {
    for (const rounding of ['floor', 'ceil'] as const) {
      it(`max, ${problem.what}, ${rounding}: output and gradient are the reference's`, async () => {
        for (const layout of layouts) await checkMax(on, problem, rounding, layout);
      });

      it(`average, ${problem.what}, ${rounding}: output and gradient are the reference's`, async () => {
        for (const layout of layouts) await checkAverage(on, problem, rounding, layout);
      });
    }
  }

  for (const layout of layouts) {
    it(`gives the gradient of equal maxima to the first in row order, input ${layout}`, async () => {
      const { shape, data } = hashNdArray({ shape: [2, 20, 4, 4], seed: 55, low: 0, high: 3 });
      const tied = ndArray(shape, data.map(Math.floor));
      const options = {
        kernel: { h: 2, w: 2 },
        stride: { h: 2, w: 2 },
        padding: { top: 0, bottom: 0, left: 0, right: 0 },
      };
      const { y, argmax } = reference.maxPool2d(tied, options);
      const ones = ndArray(y.shape, new Array(y.data.length).fill(1));
      const expected = reference.maxPool2dBackward(ones, argmax, shape);
      const dx = { dtype: 'float32', shape, data: await winners(on, tied, layout) } as const;
      on.expect('maxPool2dBackward', dx, expected, 'winners');
    });
  }
});
