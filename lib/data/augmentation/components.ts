// Principal components of a dataset's colours, for noise along the directions in which they vary.
// Invariant: sums are exact, so the result does not depend on the order of reading.

import { DataError } from '../../errors.js';
import { ColourSums, type ColourStatistics, type Triple } from '../colour.js';
import { forEachSquare, type MeanOptions } from '../mean.js';
import type { ImageDataset } from '../types.js';

/** Directions of colours and the standard deviations along them, on the scale 0..255. */
export interface ColourComponents {
  /** Of length 1, (R, G, B), the one with the largest deviation first. */
  readonly vectors: readonly [Triple, Triple, Triple];
  readonly deviations: Triple;
}

/**
 * Mean, covariance and principal components of a dataset's pixels; of pictures that are no squares, of their central squares.
 * Pictures that cannot be read are left out.
 * @throws DataError if no picture can be read; ArgumentError; AbortedError
 */
export async function computeColourStatistics(
  dataset: ImageDataset,
  options: MeanOptions = {},
): Promise<ColourStatistics> {
  const sums = new ColourSums();
  await forEachSquare(dataset, options, (square) => sums.add(square));
  const { statistics } = sums;
  if (!statistics) throw new DataError(`none of ${dataset.length} pictures can be read`);
  return statistics;
}
