// Epochs that begin in the middle: the same batches as a whole epoch ends with, for any sampler and number of workers.
// Invariant: picture i has pixels of its own; `reads` holds the indices that were asked for.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ImageFolderDataset } from '../../lib/data/image-folder-dataset.js';
import type { LabelledFiles } from '../../lib/data/labelled-files.js';
import { randomCrop, randomMirror, RECORD_LENGTH } from '../../lib/data/augmentation.js';
import { loadBatches, type LoadedBatch, type LoaderOptions } from '../../lib/data/loader.js';
import type { ImageDataset } from '../../lib/data/types.js';
import { ArgumentError } from '../../lib/errors.js';
import { png } from './pictures.js';
import { tempFiles } from './temp-folder.js';

const SIDE = 4;
const BYTES = SIDE * SIDE * 3;
const OPTIONS: LoaderOptions = {
  batchSize: 4,
  seed: 3,
  epoch: 2,
  augmentation: [randomCrop({ size: 2 }), randomMirror()],
};
const SAMPLERS = ['sequential', 'shuffle', 'balanced'] as const;

/** 23 pictures: 17 of class a, 5 of class b, one of class c. */
function numbered(unreadable: readonly number[] = []): ImageDataset & { readonly reads: number[] } {
  const labels = Int32Array.from({ length: 23 }, (_, i) => (i < 17 ? 0 : i < 22 ? 1 : 2));
  const reads: number[] = [];
  return {
    classNames: ['a', 'b', 'c'],
    labels,
    length: labels.length,
    side: SIDE,
    failures: [],
    reads,
    nameOf: String,
    async read(indices, out) {
      reads.push(...indices);
      return indices.map((index, i) => {
        if (unreadable.includes(index)) return false;
        for (let k = 0; k < BYTES; k++) out[i * BYTES + k] = index * 7 + k;
        return true;
      });
    },
    async close() {},
  };
}

async function collect(dataset: ImageDataset, options: Partial<LoaderOptions> = {}): Promise<LoadedBatch[]> {
  const batches: LoadedBatch[] = [];
  for await (const batch of loadBatches(dataset, { ...OPTIONS, ...options })) batches.push(batch);
  return batches;
}

describe('loadBatches, begun at any batch', () => {
  for (const sampler of SAMPLERS) {
    it(`gives the remaining batches bit for bit, without reading the others: ${sampler}`, async () => {
      const whole = await collect(numbered(), { sampler });
      assert.equal(whole.length, 6);
      for (let startBatch = 0; startBatch <= 6; startBatch++) {
        const dataset = numbered();
        const rest = await collect(dataset, { sampler, startBatch });
        assert.deepEqual(rest, whole.slice(startBatch));
        assert.deepEqual(
          dataset.reads,
          rest.flatMap(({ indices }) => [...indices]),
        );
      }
    });

    it(`is exact by position also where pictures cannot be read: ${sampler}`, async () => {
      const unreadable = [2, 3, 9, 18];
      for (const dropLast of [false, true]) {
        const whole = await collect(numbered(unreadable), { sampler, dropLast });
        assert.ok(whole.length >= 3);
        for (const [n, { nextPosition }] of whole.entries()) {
          const rest = await collect(numbered(unreadable), {
            sampler,
            dropLast,
            startPosition: nextPosition,
          });
          assert.deepEqual(rest, whole.slice(n + 1));
        }
      }
    });
  }

  it('refuses a start outside of the epoch, two starts, and unknown or doubled samplers', () => {
    const bad: Partial<LoaderOptions>[] = [
      { startBatch: 7 },
      { startBatch: 6, dropLast: true },
      { startBatch: -1 },
      { startBatch: 0.5 },
      { startPosition: 24 },
      { startBatch: 1, startPosition: 4 },
      { sampler: 'sorted' as never },
      { sampler: 'shuffle', shuffle: true },
    ];
    for (const change of bad) {
      assert.throws(
        () => loadBatches(numbered(), { ...OPTIONS, ...change }),
        ArgumentError,
        JSON.stringify(change),
      );
    }
  });

  it('takes shuffle: true for the sampler of that name', async () => {
    assert.deepEqual(
      await collect(numbered(), { shuffle: true }),
      await collect(numbered(), { sampler: 'shuffle' }),
    );
  });

  it('crops a picture that is repeated in a balanced epoch anew each time', async () => {
    const batches = await collect(numbered(), { sampler: 'balanced' });
    const crops = batches.flatMap(({ indices, records }) =>
      [...indices].flatMap((index, i) =>
        index === 22 ? [records.subarray(i * RECORD_LENGTH, (i + 1) * RECORD_LENGTH).join()] : [],
      ),
    );
    assert.ok(crops.length >= 7, `${crops.length}`);
    assert.ok(new Set(crops).size >= 4, crops.join(' ')); // of 18 possible ones
  });
});

describe('loadBatches from files', () => {
  const COUNT = 14;

  function folder(): LabelledFiles {
    const names = Array.from({ length: COUNT }, (_, i) => `${i}.png`);
    const dir = tempFiles(
      Object.fromEntries(
        names.map((name, i) => [
          name,
          i === 5 ? 'no picture' : png({ width: 9, height: 7, paint: (x, y) => [i * 17, x * 20, y * 30] }),
        ]),
      ),
    );
    return {
      classNames: ['a', 'b'],
      labels: Int32Array.from(names, (_, i) => Number(i >= 10)),
      paths: names.map((name) => join(dir, name)),
    };
  }

  for (const sampler of SAMPLERS) {
    it(`gives the same batches for 1, 2 and 4 workers: ${sampler}`, async () => {
      const files = folder();
      const load = async (workers: number, options: Partial<LoaderOptions>): Promise<LoadedBatch[]> => {
        const dataset = new ImageFolderDataset(files, { side: 8, workers });
        try {
          return await collect(dataset, { augmentation: [randomCrop({ size: 5 })], sampler, ...options });
        } finally {
          await dataset.close();
        }
      };
      const expected = await load(1, {});
      assert.ok(expected.length >= 3);
      const startPosition = expected[0]!.nextPosition;
      for (const workers of [2, 4]) {
        assert.deepEqual(await load(workers, {}), expected);
        assert.deepEqual(await load(workers, { startPosition }), expected.slice(1));
      }
    }).timeout(20_000);
  }
});
