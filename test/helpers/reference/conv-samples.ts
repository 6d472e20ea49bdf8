// Single elements of a convolution's output and gradients, for shapes whose every element would take too long.
// Invariant: each element is the sum that defines it, gathered on its own; nothing is shared with conv.ts but types.
import { conv2dShape, type Conv2dOptions } from './conv.js';
import { dims4, type NdArray } from './nd-array.js';

/** i of a shape of rank 4, row-major -> its four coordinates. */
function coordinates(index: number, shape: readonly number[]): [number, number, number, number] {
  const [, b, c, d] = dims4(shape);
  return [
    Math.floor(index / (b * c * d)),
    Math.floor(index / (c * d)) % b,
    Math.floor(index / d) % c,
    index % d,
  ];
}

/** The element at four coordinates; 0 outside, which is what padding is. */
function at({ shape, data }: NdArray, [n, c, h, w]: readonly [number, number, number, number]): number {
  const [, channels, height, width] = dims4(shape);
  if (h < 0 || w < 0 || h >= height || w >= width) return 0;
  return data[((n * channels + c) * height + h) * width + w]!;
}

function sum(count: number, term: (i: number) => number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += term(i);
  return total;
}

/** y[index] without a ReLU. */
export function conv2dAt(
  index: number,
  { x, w, b, options }: { x: NdArray; w: NdArray; b?: NdArray; options: Conv2dOptions },
): number {
  const { stride, padding, groups } = options;
  const [, groupChannels, kh, kw] = dims4(w.shape);
  const yShape = conv2dShape(x.shape, w.shape, options);
  const [n, o, p, q] = coordinates(index, yShape);
  const first = Math.floor((o * groups) / yShape[1]!) * groupChannels;
  return (
    sum(groupChannels * kh * kw, (k) => {
      const [, c, i, j] = coordinates(k, [1, groupChannels, kh, kw]);
      const [row, column] = [p * stride.h + i - padding.top, q * stride.w + j - padding.left];
      return at(x, [n, first + c, row, column]) * at(w, [o, c, i, j]);
    }) + (b?.data[o] ?? 0)
  );
}

/** dx[index]. dy: before a fused ReLU. */
export function conv2dBackwardDataAt(
  index: number,
  { dy, w, xShape, options }: { dy: NdArray; w: NdArray; xShape: readonly number[]; options: Conv2dOptions },
): number {
  const { stride, padding, groups } = options;
  const [outputs, groupChannels, kh, kw] = dims4(w.shape);
  const [n, channel, row, column] = coordinates(index, xShape);
  const group = Math.floor(channel / groupChannels);
  const groupOutputs = outputs / groups;
  return sum(groupOutputs * kh * kw, (k) => {
    const [, o, i, j] = coordinates(k, [1, groupOutputs, kh, kw]);
    const [p, q] = [(row + padding.top - i) / stride.h, (column + padding.left - j) / stride.w];
    if (!Number.isInteger(p) || !Number.isInteger(q)) return 0;
    const out = group * groupOutputs + o;
    return at(dy, [n, out, p, q]) * at(w, [out, channel - group * groupChannels, i, j]);
  });
}

/** dw[index]. dy: before a fused ReLU. */
export function conv2dBackwardWeightsAt(
  index: number,
  { dy, x, wShape, options }: { dy: NdArray; x: NdArray; wShape: readonly number[]; options: Conv2dOptions },
): number {
  const { stride, padding, groups } = options;
  const [outputs, groupChannels] = dims4(wShape);
  const [o, c, i, j] = coordinates(index, wShape);
  const [n, , rows, columns] = dims4(dy.shape);
  const channel = Math.floor((o * groups) / outputs) * groupChannels + c;
  return sum(n * rows * columns, (k) => {
    const [image, , p, q] = coordinates(k, [n, 1, rows, columns]);
    const [row, column] = [p * stride.h + i - padding.top, q * stride.w + j - padding.left];
    return at(dy, [image, o, p, q]) * at(x, [image, channel, row, column]);
  });
}
