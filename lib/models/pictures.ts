// Pictures for predictions: from paths, bytes or decoded RGB to a batch of squares.
// Invariant: the same scaling and cropping as in training, at the centre, never mirrored.
import {
  cropOf,
  decodeFile,
  decodeImage,
  resizeToSquare,
  type ImageBatch,
  type RgbImage,
} from '../data/index.js';
import type { PreprocessingOptions } from './preprocessing.js';

/** A picture: the path of a file, a file's bytes, or decoded RGB. */
export type PictureInput = string | Uint8Array | RgbImage;

/** -> images [N, side, side, 3] and their centre crops */
export async function decodePictures(
  inputs: readonly PictureInput[],
  options: Pick<PreprocessingOptions, 'side' | 'crop'>,
): Promise<Pick<ImageBatch, 'size' | 'side' | 'images' | 'crops'>> {
  const { side, crop } = options;
  const images = new Uint8Array(inputs.length * side * side * 3);
  const crops = new Int32Array(inputs.length * 3);
  const centre = cropOf({ seed: 0, epoch: 0, index: 0 }, { crop, mode: 'centre', side });
  for (const [i, input] of inputs.entries()) {
    images.set(resizeToSquare(await decode(input), side), i * side * side * 3);
    crops.set([centre.top, centre.left, 0], i * 3);
  }
  return { size: inputs.length, side, images, crops };
}

async function decode(input: PictureInput): Promise<RgbImage> {
  if (typeof input === 'string') return decodeFile(input);
  return input instanceof Uint8Array ? decodeImage(input) : input;
}
