// Indices grouped by class, and put in a seeded order: what splits, limits and samplers are made of.
// Invariant: pure functions; groups are in the order of the classes, their members ascending.

import { randomWords } from '../random.js';

/** What has classes: a dataset, or a list of files. */
export interface Labelled {
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
}

/** Indices of the pictures of each class, ascending. */
export function indicesByClass({ classNames, labels }: Labelled): Int32Array[] {
  const counts = new Int32Array(classNames.length);
  for (const label of labels) counts[label]!++;
  const members = Array.from(counts, (count) => new Int32Array(count));
  counts.fill(0);
  labels.forEach((label, index) => (members[label]![counts[label]!++] = index));
  return members;
}

/** Ascending indices in random order, which for any two of them does not depend on the others. */
export function inRandomOrder(
  indices: Int32Array,
  draw: { readonly seed: number; readonly epoch?: number; readonly stream: number },
): Int32Array {
  const ranks = Uint32Array.from(indices, (index) => randomWords({ ...draw, index })[0]);
  const order = Int32Array.from(indices.keys()).sort((a, b) => ranks[a]! - ranks[b]! || a - b);
  return order.map((position) => indices[position]!);
}
