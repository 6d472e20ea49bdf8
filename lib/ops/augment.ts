// Stored pictures to network input, in one pass on the device.
// Invariant: the mean belongs to positions of the stored picture: it is cropped and mirrored with it.
import { ShapeError } from '../errors.js';
import type { Tensor } from '../tensor/tensor.js';
import { run1 } from './run.js';

/**
 * images: uint8 [N, H, W, 3]; crops: int32 [N, 3] of top, left, mirror (0 or 1); mean: [3] or [H, W, 3], on the scale
 * 0..255; std: [3] -> y: float32 [N, 3, crop, crop] = (pixel - mean) / std. The caller owns y.
 * @throws ShapeError; a crop that leaves its picture fails on the device
 */
export function augment<N extends number, const Crop extends number>(
  images: Tensor<'uint8', readonly [N, number, number, number]>,
  options: {
    readonly crops: Tensor<'int32'>;
    readonly mean: Tensor<'float32'>;
    readonly std: Tensor<'float32'>;
    /** Side of the crop, in pixels. */
    readonly crop: Crop;
    readonly label?: string;
  },
): Tensor<'float32', readonly [N, 3, Crop, Crop]> {
  const { crops, mean, std, crop, label } = options;
  if (!Number.isInteger(crop) || crop < 1) {
    throw new ShapeError(`${label ?? 'augment'}: crop must be a positive integer, got ${crop}.`);
  }
  return run1('augment', {
    inputs: { images, crops, mean, std },
    result: { dtype: 'float32', shape: [images.shape[0], 3, crop, crop] },
    label,
  }) as Tensor<'float32', readonly [N, 3, Crop, Crop]>;
}
