// Crop, mirror and normalise stored pictures: bytes to what conv1 reads.
// Invariant: the mean belongs to the stored pixel: it is taken there, then cropped and mirrored with it.
import { dims4, type NdArray, zeros } from './nd-array.js';

export interface AugmentOptions {
  /** Side of the square crop. */
  readonly crop: number;
  /** [3], a colour, or [S, S, 3], a picture; 0..255. */
  readonly mean: NdArray;
  /** [3]; 0..255. */
  readonly std: NdArray;
}

/**
 * y[n, c, i, j] = (images[n, top + i, left + j', c] - mean[..., c]) / std[c], j' = mirror ? crop - 1 - j : j.
 * images: [N, S, S, 3] of 0..255, crops: [N, 3] of (top, left, mirror) -> y: [N, 3, crop, crop].
 */
export function augment(images: NdArray, crops: ArrayLike<number>, options: AugmentOptions): NdArray {
  const { crop, mean, std } = options;
  const [n, side] = dims4(images.shape);
  const y = zeros([n, 3, crop, crop]);
  for (let index = 0; index < y.data.length; index++) {
    const j = index % crop;
    const i = Math.floor(index / crop) % crop;
    const channel = Math.floor(index / (crop * crop)) % 3;
    const image = Math.floor(index / (3 * crop * crop));
    const [top, left, mirror] = [crops[image * 3]!, crops[image * 3 + 1]!, crops[image * 3 + 2]!];
    const row = top + i;
    const column = left + (mirror === 1 ? crop - 1 - j : j);
    const pixel = (row * side + column) * 3 + channel;
    const subtracted = mean.data[mean.shape.length === 1 ? channel : pixel]!;
    y.data[index] = (images.data[image * side * side * 3 + pixel]! - subtracted) / std.data[channel]!;
  }
  return y;
}
