// Grouped 2-D convolution (cross-correlation, as in every deep learning library: the kernel is not flipped).
// Invariant: forward and both backwards are sums over the same products x * w, enumerated in one place.
import { relu } from './activations.js';
import { dims4, type Extent2d, type NdArray, type Padding2d, windowCount, zeros } from './nd-array.js';

export interface Conv2dOptions {
  readonly stride: Extent2d;
  /** Zero pixels added on each side. */
  readonly padding: Padding2d;
  /** Output channels o of group g see only the input channels of group g. */
  readonly groups: number;
  /** y = max(conv, 0). The backwards want the gradient before it: reluBackward(y, dy). Default false. */
  readonly relu?: boolean;
}

/** [N, O, OH, OW], with OH = floor((H + top + bottom - KH) / stride) + 1. */
export function conv2dShape(
  xShape: readonly number[],
  wShape: readonly number[],
  { stride, padding, groups }: Conv2dOptions,
): readonly number[] {
  const [n, c, h, w] = dims4(xShape);
  const [o, groupChannels, kh, kw] = dims4(wShape);
  if (c !== groupChannels * groups || o % groups !== 0) {
    throw new RangeError(
      `reference conv2d: x [${xShape.join(', ')}], w [${wShape.join(', ')}], ${groups} groups`,
    );
  }
  const rows = windowCount(h, padding.top, padding.bottom, kh, stride.h);
  const columns = windowCount(w, padding.left, padding.right, kw, stride.w);
  return [n, o, rows, columns];
}

/** Calls visit(yIndex, xIndex, wIndex) for every product that is summed; those with padding are zero. */
function forEachProduct(
  xShape: readonly number[],
  wShape: readonly number[],
  options: Conv2dOptions,
  visit: (yIndex: number, xIndex: number, wIndex: number) => void,
): void {
  const { stride, padding, groups } = options;
  const [n, o, rows, columns] = dims4(conv2dShape(xShape, wShape, options));
  const [, c, h, w] = dims4(xShape);
  const [, groupChannels, kh, kw] = dims4(wShape);
  let yIndex = 0;
  const visitWindow = (image: number, out: number, top: number, left: number): void => {
    const firstChannel = Math.floor(out / (o / groups)) * groupChannels;
    for (let channel = 0; channel < groupChannels; channel++) {
      for (let i = Math.max(0, -top); i < kh && top + i < h; i++) {
        const xRow = ((image * c + firstChannel + channel) * h + top + i) * w + left;
        const wRow = ((out * groupChannels + channel) * kh + i) * kw;
        for (let j = Math.max(0, -left); j < kw && left + j < w; j++) visit(yIndex, xRow + j, wRow + j);
      }
    }
  };
  for (let image = 0; image < n; image++) {
    for (let out = 0; out < o; out++) {
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++, yIndex++) {
          visitWindow(image, out, row * stride.h - padding.top, column * stride.w - padding.left);
        }
      }
    }
  }
}

/**
 * y[n, o, p, q] = b[o] + sum_{c, i, j} x[n, g C / groups + c, p stride + i - top, q stride + j - left]
 * w[o, c, i, j], g the group of o. x: [N, C, H, W], w: [O, C / groups, KH, KW], b: [O] -> y: [N, O, OH, OW].
 * The convention is PyTorch's, but padding is per side.
 */
export function conv2d(x: NdArray, w: NdArray, b: NdArray | undefined, options: Conv2dOptions): NdArray {
  const y = zeros(conv2dShape(x.shape, w.shape, options));
  const [, o, rows, columns] = dims4(y.shape);
  if (b !== undefined) y.data.forEach((_, i) => (y.data[i] = b.data[Math.floor(i / (rows * columns)) % o]!));
  forEachProduct(x.shape, w.shape, options, (yi, xi, wi) => {
    y.data[yi]! += x.data[xi]! * w.data[wi]!;
  });
  return options.relu ? relu(y) : y;
}

/** dx[...] = sum of dy * w over the products that x[...] entered. dy: before a fused ReLU. */
export function conv2dBackwardData(
  dy: NdArray,
  w: NdArray,
  xShape: readonly number[],
  options: Conv2dOptions,
): NdArray {
  const dx = zeros(xShape);
  forEachProduct(xShape, w.shape, options, (yi, xi, wi) => {
    dx.data[xi]! += dy.data[yi]! * w.data[wi]!;
  });
  return dx;
}

/** dw[...] = sum of dy * x over the products that w[...] entered; db[o] = sum of dy over n, h, w. */
export function conv2dBackwardWeights(
  dy: NdArray,
  x: NdArray,
  wShape: readonly number[],
  options: Conv2dOptions,
): { dw: NdArray; db: NdArray } {
  const dw = zeros(wShape);
  forEachProduct(x.shape, wShape, options, (yi, xi, wi) => {
    dw.data[wi]! += dy.data[yi]! * x.data[xi]!;
  });
  const [, o, rows, columns] = dims4(dy.shape);
  const db = zeros([o]);
  dy.data.forEach((value, i) => (db.data[Math.floor(i / (rows * columns)) % o]! += value));
  return { dw, db };
}
