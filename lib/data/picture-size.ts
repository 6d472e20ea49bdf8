// Sizes of a dataset's pictures, and where they lie when they are read one after the other.
// Invariant: without sizes every picture is the square of the dataset's side.

import { ArgumentError } from '../errors.js';
import type { ImageDataset } from './types.js';

/** In pixels. */
export interface PictureSize {
  readonly height: number;
  readonly width: number;
}

type Sized = Pick<ImageDataset, 'side' | 'sizes'>;

export function sizeOf({ side, sizes }: Sized, index: number): PictureSize {
  if (!sizes) return { height: side, width: side };
  return { height: sizes.heights[index]!, width: sizes.widths[index]! };
}

/** Bytes that `read` writes for these pictures. */
export function bytesOf(dataset: Sized, indices: ArrayLike<number>): number {
  const { side, sizes } = dataset;
  if (!sizes) return indices.length * side * side * 3;
  let bytes = 0;
  for (let i = 0; i < indices.length; i++) bytes += pictureBytes(sizeOf(dataset, indices[i]!));
  return bytes;
}

export function pictureBytes({ height, width }: PictureSize): number {
  return height * width * 3;
}

/** Bytes up to which a batch can say where its pictures lie. */
const MOST_BATCH_BYTES = 2 ** 31;

/**
 * Where pictures lie that are read one after the other: [indices.length, 3], offset, height and width.
 * @throws ArgumentError if they are 2 GiB or more
 */
export function framesOf(dataset: Sized, indices: ArrayLike<number>): Int32Array {
  const frames = new Int32Array(indices.length * 3);
  let offset = 0;
  for (let i = 0; i < indices.length; i++) {
    const size = sizeOf(dataset, indices[i]!);
    frames.set([offset, size.height, size.width], i * 3);
    offset += pictureBytes(size);
    if (offset >= MOST_BATCH_BYTES) {
      throw new ArgumentError(
        `a batch of ${indices.length} pictures takes 2 GiB or more; take a smaller batch`,
      );
    }
  }
  return frames;
}

/** The central square of a picture, [side, side, 3]; the picture itself if it is that. */
export function centralSquare(picture: Uint8Array, { height, width }: PictureSize, side: number): Uint8Array {
  if (height === side && width === side) return picture;
  const square = new Uint8Array(side * side * 3);
  const [top, left] = [Math.floor((height - side) / 2), Math.floor((width - side) / 2)];
  for (let y = 0; y < side; y++) {
    const from = ((top + y) * width + left) * 3;
    square.set(picture.subarray(from, from + side * 3), y * side * 3);
  }
  return square;
}
