// The check that every dataset makes of what read() is asked for.
// Invariant: after it, every index is a picture and the output has room for all.

import { ArgumentError } from '../errors.js';
import type { ImageDataset } from './types.js';

/** @throws ArgumentError if an index is no picture of the dataset, or `out` has not [indices.length, side, side, 3] bytes */
export function checkReadRequest(dataset: ImageDataset, indices: readonly number[], out: Uint8Array): void {
  const { length, side } = dataset;
  for (const index of indices) {
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new ArgumentError(`picture ${index} was asked for, expected an integer from 0 to ${length - 1}`);
    }
  }
  const bytes = indices.length * side * side * 3;
  if (out.length !== bytes) {
    throw new ArgumentError(
      `out has ${out.length} bytes, expected ${bytes} ([${indices.length}, ${side}, ${side}, 3])`,
    );
  }
}
