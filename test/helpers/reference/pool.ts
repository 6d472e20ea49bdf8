// Max and average pooling.
// Invariant: padding is per side; "ceil mode" is nothing but more padding at the bottom and right.
import { dims4, type Extent2d, type NdArray, type Padding2d, windowCount, zeros } from './nd-array.js';

export interface Pool2dOptions {
  readonly kernel: Extent2d;
  readonly stride: Extent2d;
  /** Max: padded values never win. Average: they are zero, and count or not, see `divisor`. */
  readonly padding: Padding2d;
}

export interface AvgPool2dOptions extends Pool2dOptions {
  /** 'clipped': the pixels of the picture in the window (cuda-convnet). 'full': kernel.h * kernel.w. */
  readonly divisor: 'clipped' | 'full';
}

/** [N, C, OH, OW], with OH = floor((H + top + bottom - kernel) / stride) + 1. */
export function pool2dShape(
  xShape: readonly number[],
  { kernel, stride, padding }: Pool2dOptions,
): readonly number[] {
  const [n, c, h, w] = dims4(xShape);
  const rows = windowCount(h, padding.top, padding.bottom, kernel.h, stride.h);
  const columns = windowCount(w, padding.left, padding.right, kernel.w, stride.w);
  return [n, c, rows, columns];
}

/** Calls visit(yIndex, plane, members) for every window; members are indices into the plane [H, W]. */
function forEachWindow(
  xShape: readonly number[],
  options: Pool2dOptions,
  visit: (yIndex: number, plane: number, members: readonly number[]) => void,
): void {
  const { kernel, stride, padding } = options;
  const [n, c, h, w] = dims4(xShape);
  const [, , rows, columns] = dims4(pool2dShape(xShape, options));
  for (let yIndex = 0; yIndex < n * c * rows * columns; yIndex++) {
    const top = (Math.floor(yIndex / columns) % rows) * stride.h - padding.top;
    const left = (yIndex % columns) * stride.w - padding.left;
    const members: number[] = [];
    for (let i = Math.max(top, 0); i < Math.min(top + kernel.h, h); i++) {
      for (let j = Math.max(left, 0); j < Math.min(left + kernel.w, w); j++) members.push(i * w + j);
    }
    if (members.length === 0) throw new RangeError('reference pool: a window lies in the padding alone');
    visit(yIndex, Math.floor(yIndex / (rows * columns)), members);
  }
}

/**
 * y = the window's maximum; argmax = its index in the plane [H, W]; of equal values the first in row order.
 * x: [N, C, H, W], finite -> y, argmax: [N, C, OH, OW].
 */
export function maxPool2d(x: NdArray, options: Pool2dOptions): { y: NdArray; argmax: Int32Array } {
  const [, , h, w] = dims4(x.shape);
  const y = zeros(pool2dShape(x.shape, options));
  const argmax = new Int32Array(y.data.length);
  forEachWindow(x.shape, options, (yIndex, plane, members) => {
    const at = (member: number): number => x.data[plane * h * w + member]!;
    const best = members.reduce((a, b) => (at(b) > at(a) ? b : a));
    y.data[yIndex] = at(best);
    argmax[yIndex] = best;
  });
  return { y, argmax };
}

/** dx[argmax] += dy. */
export function maxPool2dBackward(
  dy: NdArray,
  argmax: ArrayLike<number>,
  xShape: readonly number[],
): NdArray {
  const [, , h, w] = dims4(xShape);
  const [, , rows, columns] = dims4(dy.shape);
  const dx = zeros(xShape);
  dy.data.forEach((value, i) => {
    dx.data[Math.floor(i / (rows * columns)) * h * w + argmax[i]!]! += value;
  });
  return dx;
}

function divisorOf({ divisor, kernel }: AvgPool2dOptions, members: readonly number[]): number {
  return divisor === 'clipped' ? members.length : kernel.h * kernel.w;
}

/** y = (sum of the window's pixels) / divisor. x: [N, C, H, W] -> y: [N, C, OH, OW]. */
export function avgPool2d(x: NdArray, options: AvgPool2dOptions): NdArray {
  const [, , h, w] = dims4(x.shape);
  const y = zeros(pool2dShape(x.shape, options));
  forEachWindow(x.shape, options, (yIndex, plane, members) => {
    const sum = members.reduce((total, member) => total + x.data[plane * h * w + member]!, 0);
    y.data[yIndex] = sum / divisorOf(options, members);
  });
  return y;
}

/** Every pixel of the window receives dy / divisor. */
export function avgPool2dBackward(
  dy: NdArray,
  xShape: readonly number[],
  options: AvgPool2dOptions,
): NdArray {
  const [, , h, w] = dims4(xShape);
  const dx = zeros(xShape);
  forEachWindow(xShape, options, (yIndex, plane, members) => {
    const share = dy.data[yIndex]! / divisorOf(options, members);
    for (const member of members) dx.data[plane * h * w + member]! += share;
  });
  return dx;
}
