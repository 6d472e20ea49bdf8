// A dataset whose pictures are all in memory.
// Invariant: the pictures are never copied or changed; labels are valid for the class names.

import { ArgumentError, DataError, DisposedError } from '../errors.js';
import { throwIfAborted } from './abort.js';
import { checkReadRequest } from './read-request.js';
import type { ImageDataset } from './types.js';

export interface InMemoryDatasetOptions {
  /** [n, side, side, 3], R G B, 0..255. Kept, not copied. */
  readonly images: Uint8Array;
  /** [n], indices into classNames. */
  readonly labels: ArrayLike<number>;
  readonly classNames: readonly string[];
  /** Side of the pictures, in pixels. */
  readonly side: number;
  /** [n], what a person would call the pictures. Default '#0', '#1', ... */
  readonly names?: readonly string[];
}

/** Pictures that are already squares of pixels: generated ones, CIFAR-10, a cache of one's own. */
export class InMemoryDataset implements ImageDataset {
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
  readonly side: number;
  /** Always empty: there is nothing to decode. */
  readonly failures: readonly never[] = [];
  readonly #names: readonly string[] | undefined;
  #images: Uint8Array | undefined;

  /** @throws DataError if sizes, labels or names do not agree with each other */
  constructor({ images, labels, classNames, side, names }: InMemoryDatasetOptions) {
    if (!Number.isInteger(side) || side < 1) {
      throw new ArgumentError(`side is ${side}, expected a positive integer`);
    }
    const expectedBytes = labels.length * side * side * 3;
    if (images.length !== expectedBytes) {
      throw new DataError(
        `images has ${images.length} bytes, expected ${expectedBytes} for ${labels.length} labels ` +
          `([${labels.length}, ${side}, ${side}, 3])`,
      );
    }
    if (labels.length === 0) throw new DataError('there are no pictures; give at least one');
    if (names && names.length !== labels.length) {
      throw new DataError(`names has ${names.length} entries, expected ${labels.length}, one a picture`);
    }
    this.classNames = [...classNames];
    this.labels = checkedLabels(labels, classNames.length);
    this.side = side;
    this.#names = names;
    this.#images = images;
  }

  get length(): number {
    return this.labels.length;
  }

  nameOf(index: number): string {
    return this.#names?.[index] ?? `#${index}`;
  }

  async read(indices: readonly number[], out: Uint8Array, signal?: AbortSignal): Promise<boolean[]> {
    if (!this.#images) throw new DisposedError('the dataset is closed');
    throwIfAborted(signal, 'reading pictures');
    checkReadRequest(this, indices, out);
    const bytes = this.side * this.side * 3;
    for (const [position, index] of indices.entries()) {
      out.set(this.#images.subarray(index * bytes, (index + 1) * bytes), position * bytes);
    }
    return indices.map(() => true);
  }

  async close(): Promise<void> {
    this.#images = undefined;
  }
}

function checkedLabels(labels: ArrayLike<number>, classes: number): Int32Array {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new DataError(
        `label ${i} is ${label}, expected an integer from 0 to ${classes - 1} (${classes} class names)`,
      );
    }
  }
  return Int32Array.from(labels);
}
