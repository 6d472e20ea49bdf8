// Pictures for predictions: from paths, bytes or decoded RGB to a batch of squares.
// Invariant: the same scaling and cropping as in training, at the centre, never mirrored.
import {
  centreCrop,
  decodeFile,
  decodeImage,
  planAugmentation,
  RECORD_LENGTH,
  resizeToSquare,
  type ImageBatch,
  type RgbImage,
} from '../data/index.js';
import type { PreprocessingOptions } from './preprocessing.js';

/** A picture: the path of a file, a file's bytes, or decoded RGB. */
export type PictureInput = string | Uint8Array | RgbImage;

/** -> images [N, side, side, 3] and the records of their centre crops */
export async function decodePictures(
  inputs: readonly PictureInput[],
  options: Pick<PreprocessingOptions, 'side' | 'crop'>,
): Promise<Pick<ImageBatch, 'size' | 'side' | 'images' | 'records' | 'views'>> {
  const { side, crop } = options;
  const images = new Uint8Array(inputs.length * side * side * 3);
  const records = new Float32Array(inputs.length * RECORD_LENGTH);
  const centre = planAugmentation([centreCrop({ size: crop })], {
    seed: 0,
    epoch: 0,
    index: 0,
    height: side,
    width: side,
  });
  for (const [i, input] of inputs.entries()) {
    images.set(resizeToSquare(await decode(input), side), i * side * side * 3);
    records.set(centre, i * RECORD_LENGTH);
  }
  return { size: inputs.length, side, images, records, views: 1 };
}

async function decode(input: PictureInput): Promise<RgbImage> {
  if (typeof input === 'string') return decodeFile(input);
  return input instanceof Uint8Array ? decodeImage(input) : input;
}
