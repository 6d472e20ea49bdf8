// Convolutions that the CPU backend computes by Winograd's algorithm, and a digest of their outputs.
// Invariant: the same problems and values in every process; run as a program it prints instruction set and digests.
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { conv2d, conv2dBackwardData, conv2dBackwardWeights } from '../../lib/ops/index.js';
import { openDevice, type Device, type DeviceOptions } from '../../lib/tensor/device.js';
import { hashNdArray, type NdArray } from '../helpers/reference.js';

export interface Problem {
  readonly what: string;
  readonly x: readonly [n: number, c: number, h: number, w: number];
  readonly w: readonly [o: number, c: number, h: number, w: number];
  readonly padding: readonly [top: number, bottom: number, left: number, right: number];
  readonly stride: number;
  readonly groups: number;
}

function problem(
  what: string,
  x: Problem['x'],
  w: Problem['w'],
  {
    padding = 0,
    stride = 1,
    groups = 1,
  }: Partial<Pick<Problem, 'stride' | 'groups'>> & {
    padding?: number | Problem['padding'];
  } = {},
): Problem {
  const sides = typeof padding === 'number' ? ([padding, padding, padding, padding] as const) : padding;
  return { what, x, w, padding: sides, stride, groups };
}

/** Sizes that tiles of 5 x 5 and 3 x 3 outputs, panels of channels and chunks of tiles do not divide. */
export const PROBLEMS: readonly Problem[] = [
  problem('3 x 3, tiles that end inside', [4, 16, 13, 18], [32, 16, 3, 3], { padding: 1 }),
  problem('3 x 3, one panel and a quarter', [3, 16, 20, 20], [80, 16, 3, 3], { padding: 1 }),
  problem('3 x 3, no padding, two groups', [4, 64, 12, 17], [32, 32, 3, 3], { groups: 2 }),
  problem('3 x 3, every side different, more padding than taps', [4, 16, 19, 16], [16, 16, 3, 3], {
    padding: [3, 0, 1, 4],
  }),
  problem('3 x 3, more tiles than a chunk', [33, 16, 15, 15], [16, 16, 3, 3], { padding: 1 }),
  problem('5 x 5, as conv2 of AlexNet', [1, 32, 27, 27], [64, 16, 5, 5], { padding: 2, groups: 2 }),
  problem('5 x 5, no padding, tiles that end inside', [2, 48, 18, 21], [16, 48, 5, 5]),
  problem('5 x 5, tiles that begin outside', [2, 16, 20, 25], [32, 16, 5, 5], { padding: [4, 1, 0, 3] }),
  problem('11 x 11 with stride 4, as conv1 of AlexNet', [5, 3, 63, 63], [16, 3, 11, 11], { stride: 4 }),
  problem('11 x 11 with stride 4 and padding', [4, 3, 64, 61], [32, 3, 11, 11], {
    stride: 4,
    padding: [2, 1, 0, 3],
  }),
  problem('7 x 7 with stride 3', [8, 16, 40, 43], [16, 16, 7, 7], {
    stride: 3,
    padding: 3,
  }),
  problem('5 x 5 with stride 2', [3, 4, 41, 43], [16, 4, 5, 5], { stride: 2, padding: 2 }),
];

export interface Operands {
  readonly x: NdArray;
  readonly w: NdArray;
  readonly b: NdArray;
  readonly dy: NdArray;
}

export function operands({ x, w, padding: [top, bottom, left, right], stride }: Problem): Operands {
  const data = (shape: readonly number[], seed: number) => hashNdArray({ shape, seed, low: -1, high: 1 });
  const places = (extent: number, taps: number) => Math.floor((extent - taps) / stride) + 1;
  const y = [x[0], w[0], places(x[2] + top + bottom, w[2]), places(x[3] + left + right, w[3])];
  return { x: data(x, 41), w: data(w, 42), b: data([w[0]], 43), dy: data(y, 44) };
}

export function geometryOf({ padding: [top, bottom, left, right], stride, groups }: Problem) {
  return { padding: { top, bottom, left, right }, stride, groups };
}

function tensorOf<const S extends readonly number[]>(device: Device, { data }: NdArray, shape: S) {
  return device.tensor(Float32Array.from(data), { shape });
}

/** A line a problem: of output and gradients together, but for what the direct convolution computes. */
export async function digests(options: DeviceOptions): Promise<{ instructionSet: string; lines: string[] }> {
  using device = openDevice('cpu', options);
  const lines: string[] = [];
  for (const each of PROBLEMS) {
    const { x, w, b, dy } = operands(each);
    const geometry = geometryOf(each);
    const outputs = device.scope(() => {
      const [input, weights] = [tensorOf(device, x, each.x), tensorOf(device, w, each.w)];
      const y = conv2d(input, weights, { b: tensorOf(device, b, [each.w[0]]), relu: true, ...geometry });
      const gradient = tensorOf(device, dy, y.shape);
      const dx = conv2dBackwardData(gradient, weights, { inputShape: each.x, ...geometry });
      const { dw, db } = conv2dBackwardWeights(input, gradient, { weightShape: each.w, ...geometry });
      return each.stride === 1 ? [y, dw, db!, dx] : [y, dw, db!];
    });
    const hash = createHash('sha256');
    for (const tensor of outputs) {
      hash.update(await tensor.data());
      tensor.dispose();
    }
    lines.push(`${each.what}: ${hash.digest('hex')}`);
  }
  return { instructionSet: device.info.properties['instructionSet']!, lines };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await digests({ threads: 2 })));
}
