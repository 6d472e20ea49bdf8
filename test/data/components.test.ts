// Principal components of colours: of known matrices, and of pictures that were made from known components.
// Invariant: every expected value is derived by hand or by construction.

import assert from 'node:assert/strict';
import { computeColourStatistics, principalComponents } from '../../lib/data/augmentation.js';
import { InMemoryDataset } from '../../lib/data/in-memory-dataset.js';
import { DataError } from '../../lib/errors.js';
import { assertClose } from '../helpers/compare.js';
import { hashNdArray } from '../helpers/reference.js';

const tight = (what: string) => ({ rtol: 1e-12, atol: 1e-12, what });

describe('principalComponents', () => {
  it('of independent colours are the axes, the largest deviation first', () => {
    const { vectors, deviations } = principalComponents({
      mean: [],
      covariance: [4, 0, 0, 0, 25, 0, 0, 0, 9],
    });
    assert.deepEqual(deviations, [5, 3, 2]);
    assert.deepEqual(vectors, [
      [0, 1, 0],
      [0, 0, 1],
      [1, 0, 0],
    ]);
  });

  it('of greys are one direction', () => {
    const { vectors, deviations } = principalComponents({ mean: [], covariance: Array<number>(9).fill(12) });
    assertClose(deviations, [6, 0, 0], { rtol: 1e-12, atol: 1e-6, what: 'deviations' });
    assertClose(vectors[0], Array<number>(3).fill(Math.sqrt(1 / 3)), tight('the first vector'));
  });

  it('make up the covariance again, and are orthonormal', () => {
    const root = hashNdArray({ shape: [3, 3], seed: 5, low: -40, high: 60 }).data;
    const entry = (i: number, j: number): number =>
      [0, 1, 2].reduce((sum, k) => sum + root[i * 3 + k]! * root[j * 3 + k]!, 0);
    const covariance = Array.from({ length: 9 }, (_, at) => entry(Math.floor(at / 3), at % 3));
    const { vectors, deviations } = principalComponents({ mean: [], covariance });
    const sums = (weight: (i: number) => number): number[] =>
      Array.from({ length: 9 }, (_, at) =>
        vectors.reduce((sum, v, i) => sum + weight(i) * v[Math.floor(at / 3)]! * v[at % 3]!, 0),
      );
    assertClose(
      sums((i) => deviations[i]! ** 2),
      covariance,
      { rtol: 1e-11, atol: 1e-9, what: 'covariance' },
    );
    assertClose(
      sums(() => 1),
      [1, 0, 0, 0, 1, 0, 0, 0, 1],
      tight('sum of v v^T'),
    );
    assert.ok(deviations[0] >= deviations[1] && deviations[1] >= deviations[2]);
  });

  it('refuse what is no covariance', () => {
    for (const covariance of [
      [],
      [1, 2, 3, 4, 5, 6, 7, 8, 9],
      [NaN, 0, 0, 0, 1, 0, 0, 0, 1],
      [-1, 0, 0, 0, 1, 0, 0, 0, 1],
    ]) {
      assert.throws(() => principalComponents({ mean: [], covariance }), DataError);
    }
  });
});

describe('computeColourStatistics', () => {
  function dataset(images: readonly number[], side: number): InMemoryDataset {
    const labels = new Int32Array(images.length / (side * side * 3));
    return new InMemoryDataset({ images: Uint8Array.from(images), labels, classNames: ['a'], side });
  }

  it('are mean and covariance over all pixels', async () => {
    const { mean, covariance } = await computeColourStatistics(dataset([0, 10, 200, 4, 30, 100], 1));
    assert.deepEqual(mean, [2, 20, 150]);
    assert.deepEqual(covariance, [4, 20, -100, 20, 100, -500, -100, -500, 2500]);
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
    assert.deepEqual([mean, covariance], [[4, 30, 100], Array<number>(9).fill(0)]);
    const none = Object.assign(Object.create(read) as InMemoryDataset, {
      read: async (indices: readonly number[]) => indices.map(() => false),
    });
    await assert.rejects(computeColourStatistics(none), DataError);
  });
});
