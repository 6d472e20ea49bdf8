// Statistics of the colours of a dataset, of pictures that can be read and of others.
// Invariant: every expected value is derived by hand or by construction.

import assert from 'node:assert/strict';
import { computeColourStatistics } from '../../lib/data/augmentation.js';
import { InMemoryDataset } from '../../lib/data/in-memory-dataset.js';
import { DataError } from '../../lib/errors.js';

describe('computeColourStatistics', () => {
  function dataset(images: readonly number[], side: number): InMemoryDataset {
    const labels = new Int32Array(images.length / (side * side * 3));
    return new InMemoryDataset({ images: Uint8Array.from(images), labels, classNames: ['a'], side });
  }

  it('are mean and covariance over all pixels', async () => {
    const { mean, covariance } = await computeColourStatistics(dataset([0, 10, 200, 4, 30, 100], 1));
    assert.deepEqual(mean, [2, 20, 150]);
    assert.deepEqual(covariance, [
      [4, 20, -100],
      [20, 100, -500],
      [-100, -500, 2500],
    ]);
  });

  it('leaves out pictures that cannot be read, and fails if none can', async () => {
    const read = dataset([0, 10, 200, 4, 30, 100], 1);
    const half = Object.assign(Object.create(read) as InMemoryDataset, {
      read: async (indices: readonly number[], out: Uint8Array) => {
        await read.read(indices, out);
        return indices.map((index) => index === 1);
      },
    });
    const { mean, covariance } = await computeColourStatistics(half);
    assert.deepEqual(mean, [4, 30, 100]);
    assert.deepEqual(covariance.flat(), Array<number>(9).fill(0));
    const none = Object.assign(Object.create(read) as InMemoryDataset, {
      read: async (indices: readonly number[]) => indices.map(() => false),
    });
    await assert.rejects(computeColourStatistics(none), DataError);
  });
});
