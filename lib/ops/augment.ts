// Stored pictures to network input, in one pass on the device.
// Invariant: the mean belongs to positions of the stored picture: it is cropped, resized and mirrored with it.
import { ShapeError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { run1 } from './run.js';

/**
 * Crops, resizes, mirrors, recolours and normalises: y = (colour * sample + offset - mean) / std, erased pixels 0.
 *
 * images: uint8 [N, H, W, 3]; records: [N * views, 22], record r being for picture floor(r / views); mean: [3] or
 * [H, W, 3], on the scale 0..255; std: [3] -> y: float32 [N * views, 3, crop, crop]. The caller owns y.
 *
 * Pictures of several sizes lie one after the other in images: uint8 [bytes], and frames: int32 [N, 3] says where:
 * offset (in bytes), height and width of each picture. The mean is a colour then.
 *
 * A record is what `planAugmentation` writes:
 * - 0..3 top, left, height, width of the source rectangle, in pixels of the picture;
 * - 4, 5 mirror (left-right) and flip (top-bottom), 0 or 1;
 * - 6..14 the colour matrix, row-major, RGB; 15..17 the colour offset, on the scale 0..255;
 * - 18..21 top, left, height, width of the erased rectangle, in pixels of the output; a size of 0: nothing is erased.
 *
 * A rectangle of the crop's size is copied pixel by pixel. Any other is resampled bilinearly around pixel centres,
 * with a triangle filter as wide as the scale where it shrinks (antialiasing), clamped to the rectangle: what cropping
 * and then torch's `interpolate(antialias=True, align_corners=False)` give, and PIL's BILINEAR without its rounding to
 * bytes. Nothing is clamped to 0..255.
 * @throws ShapeError; a record with a rectangle outside its picture, a frame outside the images, or a value that is
 * not finite, fails on the device
 */
export function augment<R extends number, const Crop extends number>(
  images: Tensor<'uint8', readonly [number, number, number, number] | readonly [number]>,
  options: {
    readonly records: Tensor<'float32', readonly [R, number]>;
    readonly mean: Tensor<'float32'>;
    readonly std: Tensor<'float32'>;
    readonly frames?: Tensor<'int32'> | undefined;
    /** Side of the output, in pixels. */
    readonly crop: Crop;
    readonly label?: string;
  },
): Tensor<'float32', readonly [R, 3, Crop, Crop]> {
  const { records, mean, std, frames, crop, label } = options;
  if (!Number.isInteger(crop) || crop < 1) {
    throw new ShapeError(`${label ?? 'augment'}: crop must be a positive integer, got ${crop}.`);
  }
  return run1('augment', {
    inputs: { images, records, mean, std, frames },
    result: { dtype: 'float32', shape: [records.shape[0], 3, crop, crop] },
    label,
  }) as Tensor<'float32', readonly [R, 3, Crop, Crop]>;
}
