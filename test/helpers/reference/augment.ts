// Records applied to stored pictures: bytes to what conv1 reads, one output value at a time.
// Invariant: the mean belongs to the stored pixel: it is sampled at the same places, with the same weights.
import { dims4, type NdArray, zeros } from './nd-array.js';

export interface AugmentOptions {
  /** Side of the output. */
  readonly crop: number;
  /** [3], a colour, or [H, W, 3], a picture; 0..255. */
  readonly mean: NdArray;
  /** [3]; 0..255. */
  readonly std: NdArray;
}

/** Values of a record. */
const LENGTH = 22;

/** A pixel of one axis and how much it counts. */
type Tap = readonly [pixel: number, weight: number];

/**
 * The pixels from..from+input-1 that output pixel i of `output` averages: weights fall linearly from the centre to
 * nothing at a distance of max(1, input / output) and sum up to 1.
 */
function taps(i: number, { from, input, output }: { from: number; input: number; output: number }): Tap[] {
  const scale = input / output;
  const reach = Math.max(1, scale);
  const found: [number, number][] = [];
  for (let pixel = 0; pixel < input; pixel++) {
    const weight = 1 - Math.abs(pixel + 0.5 - (i + 0.5) * scale) / reach;
    if (weight > 0) found.push([from + pixel, weight]);
  }
  const total = found.reduce((sum, [, weight]) => sum + weight, 0);
  return found.map(([pixel, weight]) => [pixel, weight / total]);
}

/**
 * y[r, :, i, j] = (colour * sample - mean + offset) / std at the places that record r says, picture floor(r / views).
 * images: [N, H, W, 3] of 0..255, records: [N * views, 22] -> y: [N * views, 3, crop, crop].
 */
export function augment(images: NdArray, records: ArrayLike<number>, options: AugmentOptions): NdArray {
  const { crop, mean, std } = options;
  const [n, imageHeight, imageWidth] = dims4(images.shape);
  const count = records.length / LENGTH;
  const y = zeros([count, 3, crop, crop]);
  for (let index = 0; index < y.data.length; index++) {
    const j = index % crop;
    const i = Math.floor(index / crop) % crop;
    const channel = Math.floor(index / (crop * crop)) % 3;
    const r = Math.floor(index / (3 * crop * crop));
    const record = Array.from({ length: LENGTH }, (_, k) => records[r * LENGTH + k]!);
    const [top = 0, left = 0, height = 0, width = 0, mirror, flip] = record;
    const [eraseTop = 0, eraseLeft = 0, eraseHeight = 0, eraseWidth = 0] = record.slice(18);
    if (i >= eraseTop && i < eraseTop + eraseHeight && j >= eraseLeft && j < eraseLeft + eraseWidth) continue;
    const rows = taps(flip === 1 ? crop - 1 - i : i, { from: top, input: height, output: crop });
    const columns = taps(mirror === 1 ? crop - 1 - j : j, { from: left, input: width, output: crop });
    const picture = Math.floor(r / (count / n)) * imageHeight * imageWidth * 3;
    let value = record[15 + channel]!;
    for (const [row, rowWeight] of rows) {
      for (const [column, columnWeight] of columns) {
        const weight = rowWeight * columnWeight;
        const pixel = (row * imageWidth + column) * 3;
        for (let c = 0; c < 3; c++) {
          value += weight * record[6 + channel * 3 + c]! * images.data[picture + pixel + c]!;
        }
        value -= weight * mean.data[mean.shape.length === 1 ? channel : pixel + channel]!;
      }
    }
    y.data[index] = value / std.data[channel]!;
  }
  return y;
}
