// Lists of picture files with their classes, and the seeded hold-out that turns one list into two.
// Invariant: files stay in the order of the list they came from; every file keeps its label.

import { ArgumentError, DataError } from '../errors.js';
import { RandomStream } from '../random.js';
import { indicesByClass, inRandomOrder } from './by-class.js';
import type { Paths } from './path-list.js';
import { take } from './subset.js';
import type { ImageDataset } from './types.js';

/** Picture files and their classes. */
export interface LabelledFiles {
  /** Class names; a label is an index into them. */
  readonly classNames: readonly string[];
  /** An array does; what is scanned is packed, for folders of any size: `paths.at(0)`, `[...paths]`. */
  readonly paths: Paths;
  /** [paths.length], indices into classNames. */
  readonly labels: Int32Array;
}

export interface SplitOptions {
  /** Fraction of every class to hold out, between 0 and 1, both excluded. Default 0.1. */
  readonly holdOut?: number;
  /** The same seed holds out the same files. */
  readonly seed: number;
}

/**
 * Holds out a part of every class at random, for validation. Of n files of a class round(n * holdOut) are held out, but
 * at least one and never all; a class with a single file keeps it for training. A list of files gives two lists, a
 * dataset two parts of it (see `subsetDataset`), which stay usable until the dataset itself is closed.
 * @throws ArgumentError if `holdOut` is not between 0 and 1
 * @throws DataError if no class has two files
 */
export function splitDataset(
  files: LabelledFiles,
  options: SplitOptions,
): { train: LabelledFiles; validation: LabelledFiles };
export function splitDataset(
  dataset: ImageDataset,
  options: SplitOptions,
): { train: ImageDataset; validation: ImageDataset };
export function splitDataset(
  whole: LabelledFiles | ImageDataset,
  options: SplitOptions,
): { train: LabelledFiles | ImageDataset; validation: LabelledFiles | ImageDataset } {
  const heldOut = chooseHeldOut(whole, options);
  const indices = Int32Array.from(heldOut.keys());
  return {
    train: take(
      whole,
      indices.filter((index) => heldOut[index] === 0),
    ),
    validation: take(
      whole,
      indices.filter((index) => heldOut[index] === 1),
    ),
  };
}

/**
 * Which pictures {@link splitDataset} holds out.
 * @returns [labels.length], 1 for those
 */
export function chooseHeldOut(
  whole: Pick<LabelledFiles, 'classNames' | 'labels'>,
  { holdOut = 0.1, seed }: SplitOptions,
): Uint8Array {
  if (!(holdOut > 0 && holdOut < 1)) {
    throw new ArgumentError(`holdOut is ${holdOut}, expected a fraction between 0 and 1, e.g. 0.1`);
  }
  const heldOut = new Uint8Array(whole.labels.length);
  for (const members of indicesByClass(whole)) {
    const wanted = Math.max(1, Math.round(members.length * holdOut));
    const count = Math.max(0, Math.min(wanted, members.length - 1));
    const order = inRandomOrder(members, { seed, stream: RandomStream.holdOut });
    for (const index of order.subarray(0, count)) heldOut[index] = 1;
  }
  if (!heldOut.includes(1)) {
    throw new DataError(
      'no pictures can be held out for validation: every class has a single one; add pictures, or give a val folder',
    );
  }
  return heldOut;
}
