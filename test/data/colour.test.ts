// Colour statistics: covariance and principal components.
// Invariant: expected values are worked out by hand, or follow from the definition of an eigenvector.

import assert from 'node:assert/strict';
import { ColourSums, symmetricEigen3, type Triple } from '../../lib/data/colour.js';
import { RandomStream, randomWords } from '../../lib/random.js';

type Matrix = readonly [Triple, Triple, Triple];

function near(found: number, expected: number, scale = 1): void {
  assert.ok(Math.abs(found - expected) <= 1e-12 * scale, `${found}, expected ${expected}`);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i]!, 0);
}

/** Symmetric, with entries of all sizes and signs. */
function matrix(index: number): Matrix {
  const [a, b, c, d] = randomWords({ seed: 1, index, stream: RandomStream.shuffle }).map(
    (word) => (word / 2 ** 32 - 0.5) * 2000,
  ) as [number, number, number, number];
  return [
    [a, b, c],
    [b, d, a / 1000],
    [c, a / 1000, b * c],
  ];
}

describe('symmetricEigen3', () => {
  it('finds what A v = lambda v says, with orthonormal vectors, largest value first', () => {
    for (let index = 0; index < 50; index++) {
      const a = matrix(index);
      const scale = Math.max(...a.flat().map(Math.abs));
      const { values, vectors } = symmetricEigen3(a);
      assert.ok(values[0] >= values[1] && values[1] >= values[2]);
      for (const [k, vector] of vectors.entries()) {
        for (const [i, row] of a.entries()) near(dot(row, vector), values[k]! * vector[i]!, scale);
        for (const [l, other] of vectors.entries()) near(dot(vector, other), k === l ? 1 : 0);
        assert.ok(Math.max(...vector) >= -Math.min(...vector), `the largest of ${vector.join()} is negative`);
      }
    }
  });

  it('solves a matrix of known values', () => {
    // 2 I and the plane (1, 1, 0): eigenvalues 3, 2, 1.
    const { values, vectors } = symmetricEigen3([
      [2, 1, 0],
      [1, 2, 0],
      [0, 0, 2],
    ]);
    [3, 2, 1].forEach((value, i) => near(values[i]!, value));
    const half = Math.SQRT1_2;
    [half, half, 0].forEach((x, i) => near(vectors[0][i]!, x));
    [0, 0, 1].forEach((x, i) => near(vectors[1][i]!, x));
  });

  it('takes matrices that are diagonal, equal in all directions, or zero', () => {
    const diagonal = symmetricEigen3([
      [1, 0, 0],
      [0, 9, 0],
      [0, 0, 4],
    ]);
    assert.deepEqual(diagonal.values, [9, 4, 1]);
    assert.deepEqual(diagonal.vectors[0], [0, 1, 0]);
    const zero = symmetricEigen3([
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ]);
    assert.deepEqual(zero.values, [0, 0, 0]);
  });
});

describe('colour statistics', () => {
  it('are mean and covariance over all pixels', () => {
    const sums = new ColourSums();
    sums.add(Uint8Array.of(10, 0, 5, 20, 0, 5));
    sums.add(Uint8Array.of(30, 4, 5, 40, 4, 5));
    const { mean, covariance, standardDeviations } = sums.statistics!;
    assert.deepEqual(mean, [25, 2, 5]);
    assert.deepEqual(covariance, [
      [125, 20, 0],
      [20, 4, 0],
      [0, 0, 0],
    ]);
    // The eigenvalues of [[125, 20], [20, 4]], from its trace and determinant.
    near(standardDeviations[0], Math.sqrt((129 + Math.sqrt(129 ** 2 - 4 * 100)) / 2), 100);
    near(standardDeviations[2], 0, 100);
  });

  it('lose nothing to rounding where colours hardly vary', () => {
    const sums = new ColourSums();
    const picture = new Uint8Array(3 * 100_000).fill(255);
    picture[0] = 254;
    for (let i = 0; i < 10; i++) sums.add(picture);
    // One pixel in 100,000 is 1 less: p (1 - p).
    near(sums.statistics!.covariance[0][0], 1e-5 * (1 - 1e-5), 1e-5);
  });

  it('continue from a saved state, and are nothing without pictures', () => {
    const [whole, first] = [new ColourSums(), new ColourSums()];
    assert.equal(first.statistics, undefined);
    for (const sums of [whole, first]) sums.add(Uint8Array.of(1, 2, 3, 200, 100, 50));
    const second = ColourSums.from(JSON.parse(JSON.stringify(first.state)) as typeof first.state);
    for (const sums of [whole, second]) sums.add(Uint8Array.of(7, 8, 9));
    assert.deepEqual(second.statistics, whole.statistics);
  });
});
