// Small pictures of a dataset, for a page.
// Invariant: one at a time: encoding takes milliseconds, in which nothing else can happen.
import { resizeToSquare, type ImageDataset } from '../data/index.js';
import { dataUri, encodePicture } from './encode.js';
import type { NamedPicture } from './state.js';

/** Side in pixels. */
const THUMBNAIL = 96;

/** @returns them by their indices; those that cannot be read are missing */
export async function thumbnailsOf(
  dataset: ImageDataset,
  indices: Iterable<number>,
): Promise<Map<number, NamedPicture>> {
  const { side, sizes, classNames, labels } = dataset;
  const thumbnails = new Map<number, NamedPicture>();
  for (const index of indices) {
    const [height, width] = [sizes?.heights[index] ?? side, sizes?.widths[index] ?? side];
    const data = new Uint8Array(height * width * 3);
    const [read] = await dataset.read([index], data);
    if (!read) continue;
    const small = Math.min(THUMBNAIL, side);
    const square = resizeToSquare({ width, height, data }, small);
    const jpeg = await encodePicture({ width: small, height: small, data: square }, { type: 'image/jpeg' });
    thumbnails.set(index, {
      src: dataUri(jpeg, 'image/jpeg'),
      width: small,
      height: small,
      name: dataset.nameOf(index),
      className: classNames[labels[index] as number] as string,
    });
    await new Promise((resolve) => setImmediate(resolve));
  }
  return thumbnails;
}
