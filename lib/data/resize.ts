// Pictures of any size to squares: the shorter side to `side`, then the middle is cut out.
// Invariant: only the pixels of the square are ever computed; sums are kept in floating point and rounded once, at the end.

import { ArgumentError } from '../errors.js';
import type { RgbImage } from './types.js';

/** Side of the squares that AlexNet's crops are taken from (Krizhevsky et al. 2012, section 2). */
export const DEFAULT_SIDE = 256;

/** One axis of a resampling: output i is the sum over k of weights[i * taps + k] * input[starts[i] + k]. */
interface Axis {
  readonly taps: number;
  readonly starts: Int32Array;
  readonly weights: Float32Array;
}

/**
 * Scales the shorter side to `side` pixels, keeping the proportions, and cuts out the central square. The longer side
 * becomes round(longer * side / shorter); the cut leaves floor(excess / 2) pixels at the left or top.
 *
 * Pixels are squares: pixel i covers [i, i + 1) and its centre is at i + 0.5. With s = input size / output size of an
 * axis, output pixel i covers the input from i * s to (i + 1) * s.
 * - Shrinking (s > 1) averages over that area, pixels on its edge counting by the part that is covered.
 * - Enlarging (s <= 1) is Keys' cubic convolution with a = -0.5 (Catmull-Rom) at (i + 0.5) * s - 0.5; beyond the
 *   border the outermost pixel is repeated. s = 1 leaves the values as they are.
 *
 * Values are averaged as they are stored (sRGB), rounded half up and clamped to 0..255.
 * @param side of the square, in pixels; default 256
 * @returns [side, side, 3], R G B
 * @throws ArgumentError if `side` is not a positive integer
 */
export function resizeToSquare(image: RgbImage, side: number = DEFAULT_SIDE): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(side) || side < 1) {
    throw new ArgumentError(`side is ${side}, expected a positive whole number of pixels`);
  }
  const { width, height } = image;
  const shorter = Math.min(width, height);
  const columns = resampleAxis(width, Math.round((width * side) / shorter), side);
  const rows = resampleAxis(height, Math.round((height * side) / shorter), side);
  const firstRow = rows.starts[0]!;
  const endRow = rows.starts[side - 1]! + rows.taps;
  const narrow = resampleColumns(image, columns, { firstRow, endRow });
  return resampleRows(narrow, rows, firstRow);
}

/** Weights of the `crop` central pixels of an axis that is resampled from `input` to `output` pixels. */
function resampleAxis(input: number, output: number, crop: number): Axis {
  const scale = input / output;
  const first = Math.floor((output - crop) / 2);
  const taps = Math.min(input, scale > 1 ? Math.ceil(scale) + 1 : 4);
  const starts = new Int32Array(crop);
  const weights = new Float32Array(crop * taps);
  const addWeights = scale > 1 ? addAreaWeights : addCubicWeights;
  for (let i = 0; i < crop; i++) {
    starts[i] = addWeights(weights.subarray(i * taps, (i + 1) * taps), { output: first + i, scale, input });
  }
  return { taps, starts, weights };
}

interface Sample {
  /** Index of the output pixel. */
  readonly output: number;
  /** Input pixels an output pixel. */
  readonly scale: number;
  /** Input pixels along this axis. */
  readonly input: number;
}

/** Fills in the weights of one output pixel and returns the input pixel that the first of them is for. */
function addAreaWeights(weights: Float32Array, { output, scale, input }: Sample): number {
  const from = output * scale;
  const to = Math.min(from + scale, input);
  const start = Math.min(Math.floor(from), input - weights.length);
  for (let k = 0; k < weights.length; k++) {
    const covered = Math.min(start + k + 1, to) - Math.max(start + k, from);
    weights[k] = Math.max(0, covered) / scale;
  }
  return start;
}

function addCubicWeights(weights: Float32Array, { output, scale, input }: Sample): number {
  const centre = (output + 0.5) * scale - 0.5;
  const leftmost = Math.floor(centre) - 1;
  const start = Math.min(Math.max(leftmost, 0), input - weights.length);
  for (let k = 0; k < 4; k++) {
    const pixel = Math.min(Math.max(leftmost + k, 0), input - 1);
    weights[pixel - start]! += catmullRom(centre - (leftmost + k));
  }
  return start;
}

/** Keys 1981, equation 4 with a = -0.5. */
function catmullRom(distance: number): number {
  const d = Math.abs(distance);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

/** [height, width, 3] -> [endRow - firstRow, columns, 3]. */
function resampleColumns(
  image: RgbImage,
  axis: Axis,
  { firstRow, endRow }: { firstRow: number; endRow: number },
): Float32Array {
  const rowLength = axis.starts.length * 3;
  const out = new Float32Array((endRow - firstRow) * rowLength);
  const sumRow = axis.taps === 3 ? sumRow3 : axis.taps === 4 ? sumRow4 : sumRowAny;
  for (let y = firstRow, to = 0; y < endRow; y++, to += rowLength) {
    sumRow(image.data, y * image.width * 3, axis, out, to);
  }
  return out;
}

/** One row of {@link resampleColumns}: the row that begins at `rowAt` of `data` goes to `to` of `out`. */
function sumRowAny(data: Uint8Array, rowAt: number, axis: Axis, out: Float32Array, to: number): void {
  const { taps, starts, weights } = axis;
  for (let x = 0; x < starts.length; x++, to += 3) {
    let from = rowAt + starts[x]! * 3;
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let k = x * taps; k < (x + 1) * taps; k++, from += 3) {
      const weight = weights[k]!;
      red += weight * data[from]!;
      green += weight * data[from + 1]!;
      blue += weight * data[from + 2]!;
    }
    out[to] = red;
    out[to + 1] = green;
    out[to + 2] = blue;
  }
}

/** {@link sumRowAny} for 3 taps (shrinking to a half at most), written out: twice as fast, the same sums. */
function sumRow3(data: Uint8Array, rowAt: number, axis: Axis, out: Float32Array, to: number): void {
  const { starts, weights } = axis;
  for (let x = 0, k = 0; x < starts.length; x++, k += 3) {
    const at = rowAt + starts[x]! * 3;
    const w0 = weights[k]!;
    const w1 = weights[k + 1]!;
    const w2 = weights[k + 2]!;
    out[to++] = w0 * data[at]! + w1 * data[at + 3]! + w2 * data[at + 6]!;
    out[to++] = w0 * data[at + 1]! + w1 * data[at + 4]! + w2 * data[at + 7]!;
    out[to++] = w0 * data[at + 2]! + w1 * data[at + 5]! + w2 * data[at + 8]!;
  }
}

/** {@link sumRowAny} for 4 taps (enlarging), written out. */
function sumRow4(data: Uint8Array, rowAt: number, axis: Axis, out: Float32Array, to: number): void {
  const { starts, weights } = axis;
  for (let x = 0, k = 0; x < starts.length; x++, k += 4) {
    const at = rowAt + starts[x]! * 3;
    const w0 = weights[k]!;
    const w1 = weights[k + 1]!;
    const w2 = weights[k + 2]!;
    const w3 = weights[k + 3]!;
    out[to++] = w0 * data[at]! + w1 * data[at + 3]! + w2 * data[at + 6]! + w3 * data[at + 9]!;
    out[to++] = w0 * data[at + 1]! + w1 * data[at + 4]! + w2 * data[at + 7]! + w3 * data[at + 10]!;
    out[to++] = w0 * data[at + 2]! + w1 * data[at + 5]! + w2 * data[at + 8]! + w3 * data[at + 11]!;
  }
}

/** [rows from firstRow on, side, 3] -> [side, side, 3]. */
function resampleRows(narrow: Float32Array, axis: Axis, firstRow: number): Uint8Array<ArrayBuffer> {
  const side = axis.starts.length;
  const rowLength = side * 3;
  const out = new Uint8Array(side * rowLength);
  const blend = axis.taps === 3 ? blendRows3 : axis.taps === 4 ? blendRows4 : blendRowsAny;
  for (let y = 0; y < side; y++) {
    const weights = axis.weights.subarray(y * axis.taps, (y + 1) * axis.taps);
    const rowsFrom = (axis.starts[y]! - firstRow) * rowLength;
    blend(narrow.subarray(rowsFrom), weights, out.subarray(y * rowLength, (y + 1) * rowLength));
  }
  return out;
}

/** One row of the result: the weighted sum of the first `weights.length` rows of `rows`. */
function blendRowsAny(rows: Float32Array, weights: Float32Array, out: Uint8Array): void {
  const rowLength = out.length;
  for (let x = 0; x < rowLength; x++) {
    let sum = 0.5; // rounds half up when truncated
    for (let k = 0, from = x; k < weights.length; k++, from += rowLength) sum += weights[k]! * rows[from]!;
    out[x] = sum < 0 ? 0 : sum > 255 ? 255 : sum;
  }
}

/** {@link blendRowsAny} for 3 taps, written out. */
function blendRows3(rows: Float32Array, weights: Float32Array, out: Uint8Array): void {
  const rowLength = out.length;
  const [w0, w1, w2] = weights as unknown as [number, number, number];
  for (let x = 0; x < rowLength; x++) {
    const sum = 0.5 + w0 * rows[x]! + w1 * rows[x + rowLength]! + w2 * rows[x + 2 * rowLength]!;
    out[x] = sum < 0 ? 0 : sum > 255 ? 255 : sum;
  }
}

/** {@link blendRowsAny} for 4 taps, written out. */
function blendRows4(rows: Float32Array, weights: Float32Array, out: Uint8Array): void {
  const n = out.length;
  const [w0, w1, w2, w3] = weights as unknown as [number, number, number, number];
  for (let x = 0; x < n; x++) {
    const sum = 0.5 + w0 * rows[x]! + w1 * rows[x + n]! + w2 * rows[x + 2 * n]! + w3 * rows[x + 3 * n]!;
    out[x] = sum < 0 ? 0 : sum > 255 ? 255 : sum;
  }
}
