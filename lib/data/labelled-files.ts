// Lists of picture files with their classes, and the seeded hold-out that turns one list into two.
// Invariant: files stay in the order of the list they came from; every file keeps its label.

import { ArgumentError, DataError } from '../errors.js';
import { RandomStream, randomWords } from '../random.js';

/** Picture files and their classes. */
export interface LabelledFiles {
  /** Class names; a label is an index into them. */
  readonly classNames: readonly string[];
  readonly paths: readonly string[];
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
 * at least one and never all; a class with a single file keeps it for training.
 * @throws ArgumentError if `holdOut` is not between 0 and 1
 * @throws DataError if no class has two files
 */
export function splitDataset(
  files: LabelledFiles,
  options: SplitOptions,
): { train: LabelledFiles; validation: LabelledFiles } {
  const heldOut = chooseHeldOut(files, options);
  return {
    train: select(files, (index) => heldOut[index] === 0),
    validation: select(files, (index) => heldOut[index] === 1),
  };
}

/**
 * Which files {@link splitDataset} holds out.
 * @returns [labels.length], 1 for those
 */
export function chooseHeldOut(
  files: Pick<LabelledFiles, 'classNames' | 'labels'>,
  { holdOut = 0.1, seed }: SplitOptions,
): Uint8Array {
  if (!(holdOut > 0 && holdOut < 1)) {
    throw new ArgumentError(`holdOut is ${holdOut}, expected a fraction between 0 and 1, e.g. 0.1`);
  }
  const heldOut = new Uint8Array(files.labels.length);
  for (const members of indicesByClass(files)) {
    const wanted = Math.max(1, Math.round(members.length * holdOut));
    const count = Math.min(wanted, members.length - 1);
    for (const index of inRandomOrder(members, seed).slice(0, Math.max(0, count))) heldOut[index] = 1;
  }
  if (!heldOut.includes(1)) {
    throw new DataError(
      'no pictures can be held out for validation: every class has a single one; add pictures, or give a val folder',
    );
  }
  return heldOut;
}

/** Indices of the files of each class, ascending. */
function indicesByClass({ classNames, labels }: Pick<LabelledFiles, 'classNames' | 'labels'>): number[][] {
  const members: number[][] = classNames.map(() => []);
  labels.forEach((label, index) => members[label]!.push(index));
  return members;
}

function inRandomOrder(indices: readonly number[], seed: number): number[] {
  const ranked = indices.map((index) => {
    const [rank] = randomWords({ seed, index, stream: RandomStream.holdOut });
    return { index, rank };
  });
  return ranked.sort((a, b) => a.rank - b.rank || a.index - b.index).map(({ index }) => index);
}

function select(files: LabelledFiles, keep: (index: number) => boolean): LabelledFiles {
  return {
    classNames: files.classNames,
    paths: files.paths.filter((_, index) => keep(index)),
    labels: files.labels.filter((_, index) => keep(index)),
  };
}
