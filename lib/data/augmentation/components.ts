// Principal components of a dataset's colours, for noise along the directions in which they vary.
// Invariant: sums are exact, so the result does not depend on the order of reading.

import { setImmediate } from 'node:timers/promises';
import { DataError } from '../../errors.js';
import { ColourSums, type ColourStatistics, type Triple } from '../colour.js';
import { MEAN_BATCH, sampleEvenly, type MeanOptions } from '../mean.js';
import type { ImageDataset } from '../types.js';

/** Directions of colours and the standard deviations along them, on the scale 0..255. */
export interface ColourComponents {
  /** Of length 1, (R, G, B), the one with the largest deviation first. */
  readonly vectors: readonly [Triple, Triple, Triple];
  readonly deviations: Triple;
}

/**
 * Mean, covariance and principal components of a dataset's pixels. Pictures that cannot be read are left out.
 * @throws DataError if no picture can be read; ArgumentError; AbortedError
 */
export async function computeColourStatistics(
  dataset: ImageDataset,
  options: MeanOptions = {},
): Promise<ColourStatistics> {
  const indices = sampleEvenly(dataset.length, options.maxPictures ?? dataset.length);
  const bytes = dataset.side * dataset.side * 3;
  const buffer = new Uint8Array(Math.min(MEAN_BATCH, indices.length) * bytes);
  const sums = new ColourSums();
  for (let done = 0; done < indices.length;) {
    const part = indices.slice(done, done + MEAN_BATCH);
    const readable = await dataset.read(part, buffer.subarray(0, part.length * bytes), options.signal);
    for (const position of part.keys()) {
      if (readable[position]) sums.add(buffer.subarray(position * bytes, (position + 1) * bytes));
    }
    done += part.length;
    await setImmediate();
    options.onProgress?.({ done, total: indices.length });
  }
  const { statistics } = sums;
  if (!statistics) throw new DataError(`none of ${indices.length} pictures can be read`);
  return statistics;
}
