// Softmax, cross-entropy, ranks and top-k against the float64 reference, also where exponentials would overflow.
// Invariant: a label that is no class fails on the device and says where; it is never read past the row.
import assert from 'node:assert/strict';
import {
  crossEntropy,
  crossEntropyBackward,
  labelRank,
  softmax,
  softmaxBackward,
  topK,
} from '../../lib/ops/index.js';
import { assertClose } from '../helpers/compare.js';
import { numericGradient } from '../helpers/numeric-gradient.js';
import { forEachDevice, type TestDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashLabels } from '../helpers/hash-values.js';
import { hashNdArray, ndArray, type NdArray } from '../helpers/reference.js';

type Rows = readonly [number, number];

/** What a device reads: float32. */
function rounded(x: NdArray): NdArray {
  return { shape: x.shape, data: x.data.map(Math.fround) };
}

/** Logits as a net gives them, and as one gives them that blows up. */
const LOGITS: Readonly<Record<string, NdArray>> = {
  'moderate logits': hashNdArray({ shape: [5, 10], seed: 91, low: -3, high: 3 }),
  'two classes, one row': hashNdArray({ shape: [1, 2], seed: 92, low: -1, high: 1 }),
  '1000 classes': hashNdArray({ shape: [40, 1000], seed: 93, low: -5, high: 5 }),
  'logits up to 10,000': hashNdArray({ shape: [6, 7], seed: 94, low: -1e4, high: 1e4 }),
  'equal logits': ndArray([2, 4], [5, 5, 5, 5, -1e4, -1e4, -1e4, -1e4]),
};

forEachDevice('softmax', (on) => {
  for (const [what, x] of Object.entries(LOGITS)) {
    it(`of ${what}, and its gradient, are the reference's`, async () => {
      const dy = hashNdArray({ shape: x.shape, seed: 95, low: -1, high: 1 });
      const { y, dx } = await on.compute(() => {
        const output = softmax(on.tensor(x));
        return { y: output, dx: softmaxBackward(on.tensor(dy), output) };
      });
      on.expect('softmaxForward', y, reference.softmax(x), 'y');
      on.expect('softmaxBackward', dx, reference.softmaxBackward(rounded(reference.softmax(x)), dy), 'dx');
    });
  }

  for (const shape of [[7], [2, 3, 5], [2, 2, 3, 4]]) {
    it(`works on the last dimension of [${shape.join(', ')}]`, async () => {
      const x = hashNdArray({ shape, seed: 96, low: -3, high: 3 });
      const { y } = await on.compute(() => ({ y: softmax(on.tensor(x)) }));
      on.expect('softmaxForward', y, reference.softmax(x));
    });
  }

  it('keeps a NaN to its own row', async () => {
    const { y } = await on.compute(() => ({ y: softmax(on.tensor(ndArray([2, 3], [1, NaN, 2, 0, 0, 0]))) }));
    on.expect('softmaxForward', y, ndArray([2, 3], [NaN, NaN, NaN, 1 / 3, 1 / 3, 1 / 3]));
  });
});

forEachDevice('cross-entropy', (on) => {
  for (const [what, logits] of Object.entries(LOGITS)) {
    it(`of ${what}: loss, probabilities and gradient are the reference's`, async () => {
      const [n, classes] = reference.dims2(logits.shape);
      const labels = hashLabels(97, n, classes);
      const { loss, probabilities, dlogits } = await on.compute(() => {
        const result = crossEntropy(on.tensor<Rows>(logits), on.labels(labels));
        return { ...result, dlogits: crossEntropyBackward(result.probabilities, on.labels(labels)) };
      });
      on.expect(
        'crossEntropyForward',
        loss,
        ndArray([], [reference.crossEntropy(logits, labels).loss]),
        'loss',
      );
      on.expect('softmaxForward', probabilities, reference.softmax(logits), 'probabilities');
      on.expect('crossEntropyBackward', dlogits, reference.crossEntropyBackward(logits, labels), 'dlogits');
    });
  }

  it("with smoothed labels is the reference's, and its gradient that of differences", async () => {
    const logits = hashNdArray({ shape: [5, 4], seed: 90, low: -3, high: 3 });
    const labels = [3, 0, 1, 1, 2];
    for (const smoothing of [0.1, 0.9]) {
      const { loss, dlogits } = await on.compute(() => {
        const result = crossEntropy(on.tensor<Rows>(logits), on.labels(labels), { smoothing });
        return {
          ...result,
          dlogits: crossEntropyBackward(result.probabilities, on.labels(labels), { smoothing }),
        };
      });
      const expected = reference.crossEntropy(logits, labels, { smoothing });
      on.expect('crossEntropyForward', loss, ndArray([], [expected.loss]), `loss, ${smoothing}`);
      const gradient = reference.crossEntropyBackward(logits, labels, { smoothing });
      on.expect('crossEntropyBackward', dlogits, gradient, `dlogits, ${smoothing}`);
      const numeric = numericGradient(
        (z) => reference.crossEntropy(z, labels, { smoothing }).loss,
        logits,
        1e-5,
      );
      assertClose(gradient.data, numeric, { rtol: 1e-6, atol: 1e-9, what: 'reference gradient' });
    }
  });

  it('refuses to smooth labels by less than nothing or by all', () => {
    for (const smoothing of [-0.1, 1, NaN]) {
      const call = () =>
        on.device.scope(() =>
          crossEntropy(on.tensor<Rows>(LOGITS['equal logits']!), on.labels([0, 1]), { smoothing }),
        );
      assert.throws(call, /smoothing must be at least 0 and below 1/);
    }
  });

  it('of a NaN is NaN', async () => {
    const { loss } = await on.compute(() =>
      crossEntropy(on.tensor<Rows>(ndArray([2, 2], [0, 0, 1, NaN])), on.labels([0, 0])),
    );
    assert.deepEqual(Array.from(loss.data), [NaN]);
  });

  for (const label of [3, -1, 2 ** 31 - 1]) {
    it(`refuses the label ${label} among 3 classes, and says where it stands`, async () => {
      const failure = {
        code: 'ERR_NATIVE',
        op: 'crossEntropyForward',
        label: 'loss',
        message: new RegExp(`label ${label} at position 1 is not one of the 3 classes`),
      };
      await assert.rejects(loss(on, [0, label]), failure);
    });
  }
});

function loss(on: TestDevice, labels: readonly number[]) {
  const logits = hashNdArray({ shape: [2, 3], seed: 98, low: -1, high: 1 });
  return on.compute(() => crossEntropy(on.tensor<Rows>(logits), on.labels(labels), { label: 'loss' }));
}

forEachDevice('labelRank', (on) => {
  async function ranks(logits: NdArray, labels: ArrayLike<number>): Promise<ArrayLike<number>> {
    const { rank } = await on.compute(() => ({
      rank: labelRank(on.tensor<Rows>(logits), on.labels(labels)),
    }));
    assert.equal(rank.dtype, 'int32');
    const expected = reference.labelRank(rounded(logits), labels);
    on.expect('labelRank', rank, ndArray([labels.length], expected));
    return rank.data;
  }

  it('counts the classes that score higher', async () => {
    for (const logits of Object.values(LOGITS)) {
      const [n, classes] = reference.dims2(logits.shape);
      await ranks(logits, hashLabels(99, n, classes));
    }
  });

  it('puts the lower class first among equal scores', async () => {
    const logits = ndArray([4, 3], [1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 2]);
    assert.deepEqual(Array.from(await ranks(logits, [0, 1, 2, 2])), [0, 1, 2, 1]);
  });

  it('ranks a label last in a row with a NaN, wherever it is', async () => {
    const logits = ndArray([4, 3], [NaN, 1, 2, 0, NaN, 2, 3, 2, 1, NaN, NaN, NaN]);
    assert.deepEqual(Array.from(await ranks(logits, [2, 1, 0, 0])), [3, 3, 0, 3]);
  });

  it('takes infinities as scores', async () => {
    const logits = ndArray([3, 3], [Infinity, 0, -Infinity, Infinity, 0, -Infinity, -Infinity, -Infinity, 0]);
    assert.deepEqual(Array.from(await ranks(logits, [0, 2, 1])), [0, 2, 2]);
  });
});

/** Largest first; of equal ones the lower index first; NaN as the smallest. */
function sortedIndices(row: readonly number[]): number[] {
  const key = (i: number) => (Number.isNaN(row[i]) ? -Infinity : row[i]!);
  return row.map((_, i) => i).sort((a, b) => (key(a) === key(b) ? a - b : key(b) - key(a)));
}

forEachDevice('topK', (on) => {
  async function check(x: NdArray, k: number): Promise<void> {
    const [n, classes] = reference.dims2(x.shape);
    const { values, indices } = await on.compute(() => topK(on.tensor<Rows>(x), { k }));
    const rows = Array.from({ length: n }, (_, i) =>
      Array.from(x.data.slice(i * classes, (i + 1) * classes), Math.fround),
    );
    const best = rows.map((row) => sortedIndices(row).slice(0, k));
    assert.equal(indices.dtype, 'int32');
    on.expect('topK', indices, ndArray([n, k], best.flat()), 'indices');
    on.expect(
      'topK',
      values,
      ndArray(
        [n, k],
        best.flatMap((row, i) => row.map((j) => rows[i]![j]!)),
      ),
      'values',
    );
  }

  for (const k of [1, 3, 10]) {
    it(`gives the ${k} largest of 10, largest first`, () => check(LOGITS['moderate logits']!, k));
  }

  it('gives 5 of 1000', () => check(LOGITS['1000 classes']!, 5));

  it('gives the lower index first among equal values', async () => {
    await check(ndArray([3, 5], [1, 1, 1, 1, 1, 0, 2, 1, 2, 1, 3, 0, 0, 3, 0]), 4);
  });

  it('puts NaN last', async () => {
    await check(ndArray([2, 4], [NaN, 1, 2, NaN, 0, NaN, -1, 5]), 4);
  });
});
