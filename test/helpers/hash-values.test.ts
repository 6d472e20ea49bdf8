// The hash values of TypeScript against those that numpy made for the golden files.
// Invariant: equal bit for bit, or every golden file is about other inputs than the tests use.
import assert from 'node:assert/strict';
import { loadGolden } from './golden.js';
import { hashLabels, hashTensor, hashUniform } from './hash-values.js';

describe('hash values', () => {
  for (const { seed, n, low, high, values } of loadGolden('ops').hash) {
    it(`are numpy's, bit for bit: seed ${seed}, ${low} to ${high}`, () => {
      assert.deepEqual(Array.from(hashUniform(seed, n, low, high)), values);
    });
  }

  it('are spread evenly and without pattern between neighbours', () => {
    const n = 1 << 16;
    const values = hashUniform(3, n, -1, 1);
    const mean = values.reduce((a, b) => a + b) / n;
    const square = values.reduce((sum, value) => sum + value * value, 0) / n;
    const neighbours = values.reduce((sum, value, i) => sum + value * (values[i + 1] ?? 0), 0) / n;
    // Three standard deviations: sqrt(1/3 / n), sqrt(4/45 / n), sqrt(1/9 / n).
    assert.ok(Math.abs(mean) < 3 * Math.sqrt(1 / 3 / n), `mean ${mean}`);
    assert.ok(Math.abs(square - 1 / 3) < 3 * Math.sqrt(4 / 45 / n), `mean square ${square}`);
    assert.ok(Math.abs(neighbours) < 3 * Math.sqrt(1 / 9 / n), `neighbours ${neighbours}`);
  });

  it('repeat one value over each block of a picture', () => {
    const spec = { shape: [2, 3, 4], seed: 5, low: 0, high: 1 };
    const [coarse, picture] = [hashUniform(5, 2 * 2 * 2, 0, 1), hashTensor({ ...spec, block: 2 })];
    const columns = [0, 0, 1, 1];
    const rows = [0, 0, 1];
    const expected = [0, 1].flatMap((plane) =>
      rows.flatMap((row) => columns.map((column) => coarse[plane * 4 + row * 2 + column])),
    );
    assert.deepEqual(Array.from(picture), expected);
    assert.deepEqual(hashTensor(spec), hashUniform(5, 24, 0, 1));
  });

  it('make the labels of the golden files', () => {
    assert.deepEqual(Array.from(hashLabels(1091, 4, 10)), loadGolden('alexnet-step').labels);
  });
});
