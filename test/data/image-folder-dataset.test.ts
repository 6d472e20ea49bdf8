// The dataset over picture files: what it reads, keeps, and reports.
// Invariant: what is read is compared with decoding and resizing by hand.

import assert from 'node:assert/strict';
import { randomCrop, randomMirror } from '../../lib/data/augmentation.js';
import { join } from 'node:path';
import { DecodePool } from '../../lib/data/decode-pool.js';
import { decodeImage } from '../../lib/data/decode.js';
import { ImageFolderDataset, type ImageFolderDatasetOptions } from '../../lib/data/image-folder-dataset.js';
import { scanImageFolder } from '../../lib/data/image-folder.js';
import { loadBatches } from '../../lib/data/loader.js';
import { PictureCache } from '../../lib/data/picture-cache.js';
import { resizeToSquare } from '../../lib/data/resize.js';
import type { ImageBatch } from '../../lib/data/types.js';
import { AbortedError, ArgumentError, DataError, DecodeError, DisposedError } from '../../lib/errors.js';
import { gradient, png } from './pictures.js';
import { tempFiles, tempFolder } from './temp-folder.js';

const SIDE = 8;
const BYTES = SIDE * SIDE * 3;

/** Pictures of different sizes in two classes; a/2.png is text. */
function pictures(): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  for (const [c, name] of ['a', 'b'].entries()) {
    for (let i = 0; i < 5; i++) files[`${name}/${i}.png`] = png(gradient(10 + i + 5 * c, 12 + 3 * c));
  }
  return { ...files, 'a/2.png': Buffer.from('no picture') };
}

async function withDataset<T>(
  options: ImageFolderDatasetOptions,
  use: (dataset: ImageFolderDataset, dir: string) => Promise<T>,
): Promise<T> {
  const dir = tempFiles(pictures());
  const dataset = new ImageFolderDataset((await scanImageFolder(dir)).train, {
    side: SIDE,
    workers: 2,
    ...options,
  });
  try {
    return await use(dataset, dir);
  } finally {
    await dataset.close();
  }
}

async function read(
  dataset: ImageFolderDataset,
  indices: number[],
): Promise<{ out: Uint8Array; ok: boolean[] }> {
  const out = new Uint8Array(indices.length * BYTES).fill(99);
  return { ok: await dataset.read(indices, out), out };
}

describe('ImageFolderDataset', () => {
  it('reads the pictures that are asked for, in that order, repeats included', () =>
    withDataset({}, async (dataset, dir) => {
      const { ok, out } = await read(dataset, [6, 0, 6]);
      assert.deepEqual(ok, [true, true, true]);
      const expected = async (name: string): Promise<Uint8Array> =>
        resizeToSquare(await decodeImage(pictures()[name]!), SIDE);
      assert.deepEqual(out.subarray(0, BYTES), await expected('b/1.png'));
      assert.deepEqual(out.subarray(BYTES, 2 * BYTES), await expected('a/0.png'));
      assert.deepEqual(out.subarray(2 * BYTES), await expected('b/1.png'));
      assert.equal(dataset.length, 10);
      assert.equal(dataset.side, SIDE);
      assert.deepEqual(dataset.classNames, ['a', 'b']);
      assert.deepEqual([...dataset.labels], [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]);
      assert.equal(dataset.nameOf(6), join(dir, 'b', '1.png'));
    }));

  it('reports a picture that cannot be decoded, once, and leaves its place untouched', () =>
    withDataset({}, async (dataset, dir) => {
      assert.equal(dataset.failures.length, 0);
      for (let times = 0; times < 2; times++) {
        const { ok, out } = await read(dataset, [1, 2, 3]);
        assert.deepEqual(ok, [true, false, true]);
        assert.ok(out.subarray(BYTES, 2 * BYTES).every((value) => value === 99));
      }
      assert.equal(dataset.failures.length, 1);
      assert.equal(dataset.failures[0]!.path, join(dir, 'a', '2.png'));
      assert.match(dataset.failures[0]!.reason, /^it is not a picture/);
    }));

  it('rejects instead when strict', () =>
    withDataset({ strict: true }, async (dataset, dir) => {
      for (let times = 0; times < 2; times++) {
        await assert.rejects(read(dataset, [1, 2, 3]), (error) => {
          assert.ok(error instanceof DecodeError);
          assert.equal(error.path, join(dir, 'a', '2.png'));
          return true;
        });
      }
      assert.deepEqual((await read(dataset, [1, 3])).ok, [true, true]);
    }));

  it('gives the same batches for 1, 2 and 4 threads, with and without a cache', async () => {
    const digest = async (options: ImageFolderDatasetOptions): Promise<unknown[]> =>
      withDataset(options, async (dataset) => {
        const batches: ImageBatch[] = [];
        const augmentation = [randomCrop({ size: 6 }), randomMirror()];
        for (const epoch of [0, 1]) {
          const loading = loadBatches(dataset, { batchSize: 3, seed: 3, epoch, shuffle: true, augmentation });
          for await (const batch of loading) batches.push(batch);
        }
        return batches.map(({ images, labels, records, indices }) =>
          [images, labels, records, indices].map((a) => a.join()),
        );
      });
    const expected = await digest({ workers: 1 });
    assert.equal(expected.length, 6); // 9 readable pictures an epoch
    for (const workers of [2, 4]) assert.deepEqual(await digest({ workers }), expected);
    const cache = await PictureCache.open({ folder: join(tempFolder(), 'cache') });
    for (let run = 0; run < 2; run++) assert.deepEqual(await digest({ workers: 2, cache }), expected);
    await cache.close();
  });

  it('shares a pool, which stays open', async () => {
    const pool = new DecodePool({ workers: 1, side: SIDE });
    const { train } = await scanImageFolder(tempFiles(pictures()));
    const dataset = new ImageFolderDataset(train, { pool });
    assert.equal(dataset.side, SIDE);
    await read(dataset, [0]);
    await dataset.close();
    assert.equal((await pool.decode([train.paths.at(0)!])).length, 1);
    await pool.close();
    assert.throws(
      () => new ImageFolderDataset(train, { pool, side: 4 }),
      /side cannot be set: the pool has its own/,
    );
  });

  it('stops at the signal, and when closed', () =>
    withDataset({}, async (dataset) => {
      const out = new Uint8Array(BYTES);
      await assert.rejects(dataset.read([0], out, AbortSignal.abort()), AbortedError);
      const pending = assert.rejects(dataset.read([0], out), AbortedError);
      await Promise.all([dataset.close(), dataset.close(), pending]);
      await assert.rejects(dataset.read([0], out), DisposedError);
    }));

  it('refuses what makes no sense', () =>
    withDataset({}, async (dataset) => {
      await assert.rejects(read(dataset, [10]), /picture 10 was asked for, expected an integer from 0 to 9/);
      await assert.rejects(dataset.read([0], new Uint8Array(BYTES - 1)), /out has 191 bytes, expected 192/);
      const none = { classNames: ['a', 'b'], paths: [], labels: new Int32Array(0) };
      assert.throws(() => new ImageFolderDataset(none), DataError);
      const one = { ...none, paths: ['a/1.png'], labels: new Int32Array(1) };
      assert.throws(() => new ImageFolderDataset(one, { side: 0 }), ArgumentError);
    }));
});
