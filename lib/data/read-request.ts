// The check that every dataset makes of what read() is asked for.
// Invariant: after it, every index is a picture and the output has room for all.

import { ArgumentError } from '../errors.js';
import { bytesOf } from './picture-size.js';
import type { ImageDataset } from './types.js';

/** @throws ArgumentError if an index is no picture of the dataset, or `out` has not the bytes of all the pictures */
export function checkReadRequest(dataset: ImageDataset, indices: readonly number[], out: Uint8Array): void {
  const { length, side, sizes } = dataset;
  for (const index of indices) {
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new ArgumentError(`picture ${index} was asked for, expected an integer from 0 to ${length - 1}`);
    }
  }
  const bytes = bytesOf(dataset, indices);
  if (out.length === bytes) return;
  const shape = sizes ? `${indices.length} pictures` : `[${indices.length}, ${side}, ${side}, 3]`;
  throw new ArgumentError(`out has ${out.length} bytes, expected ${bytes} (${shape})`);
}
