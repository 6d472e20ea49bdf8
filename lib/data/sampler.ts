// The order in which an epoch goes through a dataset.
// Invariant: a pure function of the labels, the sampler, seed and epoch.

import { ArgumentError } from '../errors.js';
import { permutation, RandomStream } from '../random.js';
import { indicesByClass, inRandomOrder, type Labelled } from './by-class.js';

/**
 * How an epoch goes through a dataset; in each, an epoch has as many pictures as the dataset.
 * - 'sequential': in the order of the dataset.
 * - 'shuffle': in random order, each picture once.
 * - 'balanced': in random order, each class equally often (within one). Pictures of small classes are repeated, all of
 *   a class equally often (within one); of large classes, each epoch draws a part of its own.
 */
export type Sampler = 'sequential' | 'shuffle' | 'balanced';

const SAMPLERS: readonly Sampler[] = ['sequential', 'shuffle', 'balanced'];

/** The pictures of an epoch. */
export interface EpochOrder {
  /** Indices into the dataset. */
  readonly indices: Int32Array;
  /** For each, how often the picture was in the epoch before, by the sampler's count. Absent: never. */
  readonly repeats?: Int32Array;
}

/** @throws ArgumentError if there is no such sampler */
export function checkSampler(sampler: Sampler): void {
  if (!SAMPLERS.includes(sampler)) {
    throw new ArgumentError(`sampler is '${String(sampler)}', expected one of ${SAMPLERS.join(', ')}`);
  }
}

export function epochOrder(
  dataset: Labelled,
  { sampler, ...draw }: { readonly sampler: Sampler; readonly seed: number; readonly epoch: number },
): EpochOrder {
  const { length } = dataset.labels;
  if (sampler === 'sequential') return { indices: Int32Array.from({ length }, (_, i) => i) };
  const order = permutation(length, draw);
  return sampler === 'shuffle' ? { indices: order } : balancedOrder(dataset, { ...draw, order });
}

function balancedOrder(
  dataset: Labelled,
  { order, ...draw }: { readonly order: Int32Array; readonly seed: number; readonly epoch: number },
): EpochOrder {
  const { length } = order;
  const stream = RandomStream.balance;
  const classes = indicesByClass(dataset).filter((members) => members.length > 0);
  const share = Math.floor(length / classes.length);
  // Which classes get one more: drawn with the numbers that follow those of the pictures.
  const ranked = inRandomOrder(
    Int32Array.from(classes, (_, i) => length + i),
    { ...draw, stream },
  );
  const larger = new Set(ranked.subarray(0, length - share * classes.length).map((i) => i - length));
  const indices = new Int32Array(length);
  const repeats = new Int32Array(length);
  let at = 0;
  const add = (pictures: Int32Array, repeat: number): void => {
    indices.set(pictures, at);
    repeats.fill(repeat, at, (at += pictures.length));
  };
  for (const [i, members] of classes.entries()) {
    const count = share + (larger.has(i) ? 1 : 0);
    const rounds = Math.floor(count / members.length);
    for (let repeat = 0; repeat < rounds; repeat++) add(members, repeat);
    const rest = count - rounds * members.length;
    if (rest > 0) add(inRandomOrder(members, { ...draw, stream }).subarray(0, rest), rounds);
  }
  return { indices: order.map((i) => indices[i]!), repeats: order.map((i) => repeats[i]!) };
}
