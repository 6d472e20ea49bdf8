// Parts of a dataset or of a list of files: chosen pictures, or a number of each class.
// Invariant: a part holds no pictures itself; it reads those of the whole, under indices of its own.

import { ArgumentError, DataError, DisposedError } from '../errors.js';
import { RandomStream } from '../random.js';
import { indicesByClass, inRandomOrder, type Labelled } from './by-class.js';
import type { LabelledFiles } from './labelled-files.js';
import { PathList } from './path-list.js';
import { checkReadRequest } from './read-request.js';
import type { ImageDataset, PictureSizes } from './types.js';

/**
 * The pictures `indices` of a dataset, in that order; an index may come more than once. Class names stay as they are.
 * Closing the part leaves the whole open: close that when no part of it is needed any more.
 * @throws ArgumentError if an index is no picture of the dataset
 * @throws DataError if there are no indices
 */
export function subsetDataset(dataset: ImageDataset, indices: ArrayLike<number>): ImageDataset {
  return new DatasetPart(dataset, checkedIndices(indices, dataset.length));
}

export interface LimitOptions {
  /** Pictures to keep of every class; of a class with fewer, all. */
  readonly perClass: number;
  /** Chosen at random by this seed. Default: the first of each class. */
  readonly seed?: number;
}

/**
 * At most `perClass` pictures of every class, in their order; for quick trials. A list of files gives a list of files,
 * a dataset a part of it, see {@link subsetDataset}.
 * @throws ArgumentError if `perClass` is not a positive integer, or `seed` is out of range
 */
export function limitPerClass(files: LabelledFiles, options: LimitOptions): LabelledFiles;
export function limitPerClass(dataset: ImageDataset, options: LimitOptions): ImageDataset;
export function limitPerClass(
  whole: LabelledFiles | ImageDataset,
  { perClass, seed }: LimitOptions,
): LabelledFiles | ImageDataset {
  if (!Number.isInteger(perClass) || perClass < 1) {
    throw new ArgumentError(`perClass is ${perClass}, expected a positive integer`);
  }
  const isKept = new Uint8Array(whole.labels.length);
  for (const members of indicesByClass(whole)) {
    const order = seed === undefined ? members : inRandomOrder(members, { seed, stream: RandomStream.limit });
    for (const index of order.subarray(0, perClass)) isKept[index] = 1;
  }
  return take(
    whole,
    Int32Array.from(isKept.keys()).filter((index) => isKept[index] === 1),
  );
}

/** The pictures `indices` of a list of files or of a dataset. */
export function take<Whole extends LabelledFiles | ImageDataset>(
  whole: Whole,
  indices: Int32Array,
): Whole extends LabelledFiles ? LabelledFiles : ImageDataset;
export function take(whole: LabelledFiles | ImageDataset, indices: Int32Array): LabelledFiles | ImageDataset {
  if (!('paths' in whole)) return subsetDataset(whole, indices);
  const paths = new PathList();
  for (const index of indices) paths.push(whole.paths.at(index)!);
  return { classNames: whole.classNames, paths, labels: labelsOf(whole, indices) };
}

function labelsOf({ labels }: Labelled, indices: ArrayLike<number>): Int32Array {
  return Int32Array.from(indices, (index) => labels[index]!);
}

function checkedIndices(indices: ArrayLike<number>, length: number): Int32Array {
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i]!;
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new ArgumentError(`indices[${i}] is ${index}, expected an integer from 0 to ${length - 1}`);
    }
  }
  if (indices.length === 0) throw new DataError('the part has no pictures; give at least one index');
  return Int32Array.from(indices);
}

class DatasetPart implements ImageDataset {
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
  readonly side: number;
  readonly sizes: PictureSizes | undefined;
  readonly #whole: ImageDataset;
  readonly #indices: Int32Array;
  #closed = false;

  constructor(whole: ImageDataset, indices: Int32Array) {
    this.classNames = whole.classNames;
    this.labels = labelsOf(whole, indices);
    this.side = whole.side;
    this.sizes = whole.sizes && {
      heights: Int32Array.from(indices, (index) => whole.sizes!.heights[index]!),
      widths: Int32Array.from(indices, (index) => whole.sizes!.widths[index]!),
    };
    this.#whole = whole;
    this.#indices = indices;
  }

  get length(): number {
    return this.#indices.length;
  }

  /** Those of the whole that are in this part. */
  get failures(): readonly { readonly path: string; readonly reason: string }[] {
    const failures = this.#whole.failures;
    if (failures.length === 0) return failures;
    const failed = new Set(failures.map(({ path }) => path));
    const inPart = new Set<string>();
    for (const index of this.#indices) {
      const name = this.#whole.nameOf(index);
      if (failed.has(name)) inPart.add(name);
    }
    return failures.filter(({ path }) => inPart.has(path));
  }

  nameOf(index: number): string {
    return this.#whole.nameOf(this.#indices[index] ?? index);
  }

  async read(indices: readonly number[], out: Uint8Array, signal?: AbortSignal): Promise<boolean[]> {
    if (this.#closed) throw new DisposedError('the part of the dataset is closed');
    checkReadRequest(this, indices, out);
    return this.#whole.read(
      indices.map((index) => this.#indices[index]!),
      out,
      signal,
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
  }
}
