// Reading a store: its splits, what is damaged, and the memory it takes.
// Invariant: damage is done to the files of a store that was whole.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scanImageFolder } from '../../../lib/data/image-folder.js';
import { splitDataset } from '../../../lib/data/labelled-files.js';
import { randomCrop } from '../../../lib/data/augmentation.js';
import { loadBatches } from '../../../lib/data/loader.js';
import { ImageStore, isStore } from '../../../lib/data/store/image-store.js';
import { dataFile, describeFile, writeDescription } from '../../../lib/data/store/layout.js';
import type { Manifest } from '../../../lib/data/store/manifest.js';
import { ManifestFiles } from '../../../lib/data/store/manifest-files.js';
import { prepareStore } from '../../../lib/data/store/prepare.js';
import { sealTree } from '../../../lib/data/store/tree-pages.js';
import { StoreWriter } from '../../../lib/data/store/writer.js';
import { RandomStream, randomWords } from '../../../lib/random.js';
import {
  AbortedError,
  ArgumentError,
  DataError,
  DisposedError,
  FileFormatError,
} from '../../../lib/errors.js';
import { gradient, png } from '../pictures.js';
import { tempFiles, tempFolder } from '../temp-folder.js';
import { SIDE, splitPictures } from './contents.js';

const BYTES = SIDE * SIDE * 3;

async function newStore(
  files = splitPictures(4),
  { side = SIDE } = {},
): Promise<{ dir: string; out: string }> {
  const dir = tempFiles(files);
  const out = join(tempFolder(), 'store');
  await prepareStore(dir, { out, side, workers: 1 });
  return { dir, out };
}

async function refuses(path: string, message: RegExp): Promise<void> {
  await assert.rejects(ImageStore.open(path), (error: Error) => {
    assert.ok(error instanceof FileFormatError, String(error));
    assert.match(error.message, message);
    return true;
  });
}

describe('ImageStore', () => {
  it('is told from an image folder', async () => {
    const { dir, out } = await newStore();
    assert.deepEqual(await Promise.all([dir, out, join(dir, 'nothing')].map(isStore)), [false, true, false]);
  });

  it('gives a dataset of each split, and no other', async () => {
    const { out } = await newStore();
    const store = await ImageStore.open(out);
    assert.deepEqual(store.classNames, ['a', 'b']);
    assert.deepEqual(store.splits, ['train', 'validation']);
    assert.deepEqual(
      [store.count('train'), store.count('validation'), store.count('test')],
      [7, 7, undefined],
    );
    assert.throws(() => store.dataset('test'), DataError);
    assert.equal(store.dataset('train').nameOf(1), 'train/a/2.png');
    await store.close();
  });

  it('holds out the pictures that the image folder holds out, also where some are broken', async () => {
    const files: Record<string, Buffer> = {};
    for (let i = 0; i < 30; i++) files[`${i % 2 ? 'a' : 'b'}/${i}.png`] = png(gradient(9, 9 + i));
    for (const i of [3, 8, 20]) files[`${i % 2 ? 'a' : 'b'}/${i}.png`] = Buffer.from('broken');
    const { dir, out } = await newStore(files);
    const store = await ImageStore.open(out);
    const broken = new Set(store.failures.map(({ path }) => join(dir, path)));
    assert.equal(broken.size, 3);
    const options = { holdOut: 0.3, seed: 7 };
    const expected = splitDataset((await scanImageFolder(dir)).train, options);
    const found = store.holdOut(options);
    for (const part of ['train', 'validation'] as const) {
      const names = [...found[part].labels].map((_, i) => join(dir, found[part].nameOf(i)));
      assert.deepEqual(
        names,
        [...expected[part].paths].filter((path) => !broken.has(path)),
      );
      assert.equal(found[part].mean, undefined);
    }
    await store.close();
  });

  it('reads batches in any order, stops at the signal, and refuses after close', async () => {
    const { out } = await newStore();
    const store = await ImageStore.open(out);
    const dataset = store.dataset('train');
    const read = async (indices: number[], signal?: AbortSignal): Promise<Uint8Array> => {
      const pictures = new Uint8Array(indices.length * BYTES);
      await dataset.read(indices, pictures, signal);
      return pictures;
    };
    const [one, both] = [await read([5]), await read([2, 5])];
    assert.deepEqual(both.subarray(BYTES), one);
    assert.notDeepEqual(both.subarray(0, BYTES), one);
    await assert.rejects(read([7]), ArgumentError);
    await assert.rejects(read([0], AbortSignal.abort()), AbortedError);
    const pending = assert.rejects(read([1]), AbortedError);
    await Promise.all([store.close(), store.close(), pending]);
    await assert.rejects(read([1]), DisposedError);
    assert.throws(() => store.dataset('train'), DisposedError);
    await dataset.close();
    await assert.rejects(read([1]), /the dataset is closed/);
  });

  it('says what is wrong with places that hold no whole store', async () => {
    await refuses(tempFolder(), /there is no picture store here; make one: alexnet prepare DIR --out/);
    const { out } = await newStore();
    const path = describeFile(out);
    const text = readFileSync(path, 'utf8');
    const cases: [text: string, message: RegExp][] = [
      ['{', /store\.json: it is damaged/],
      ['{}', /it is not of a picture store of this package/],
      [text.replace('"version": 2', '"version": 1'), /the store has version 1, this package reads 2/],
      [text.replace('"complete"', '"unfinished"'), /unfinished.*run the same alexnet prepare command again/],
      [text.replace(/"digest": \d+/, '"digest": 1'), /not of the same store/],
      [text.replace(/"bytes": \d+/, '"bytes": 0.5'), /it is damaged/],
    ];
    for (const [wrong, message] of cases) {
      assert.notEqual(wrong, text);
      writeFileSync(path, wrong);
      await refuses(out, message);
    }
    rmSync(path);
    await refuses(out, /store\.json is missing/);
  });

  it('refuses a data file that is truncated, replaced or gone', async () => {
    const { out } = await newStore();
    const path = dataFile(out);
    const data = readFileSync(path);
    truncateSync(path, data.length - 1);
    await refuses(
      out,
      /data\.mdb: it has [\d,]+ bytes, expected [\d,]+: the store is truncated\. Copy it again/,
    );
    writeFileSync(path, Buffer.alloc(data.length, 'no database '));
    await refuses(out, /data\.mdb: it is damaged, or not of a store/);
    rmSync(path);
    await refuses(out, /data\.mdb: it is missing, expected/);
  });

  it('refuses a tree with a flipped bit, wherever it is, before LMDB sees it', async () => {
    const { out } = await newStore();
    const path = dataFile(out);
    const data = readFileSync(path);
    const pages = readFileSync(join(out, 'data.pages'));
    const numbers = Array.from({ length: (pages.length - 4) / 8 }, (_, i) => pages.readUInt32LE(8 * i));
    assert.ok(numbers.length > 5 && new Set(numbers).size === numbers.length, numbers.join());
    for (let flip = 0; flip < 100; flip++) {
      const [which, byte, bit] = randomWords({ seed: 3, index: flip, stream: RandomStream.shuffle });
      const at = numbers[which % numbers.length]! * 4096 + (byte % 4096);
      data[at]! ^= 1 << (bit % 8);
      writeFileSync(path, data);
      await refuses(out, /the store is damaged: page \d+, of its index|it is damaged, or not of a store/);
      data[at]! ^= 1 << (bit % 8);
    }
    pages[9]! ^= 1;
    writeFileSync(path, data);
    await (await ImageStore.open(out)).close();
    writeFileSync(join(out, 'data.pages'), pages);
    await refuses(out, /data\.pages: it does not match its checksum/);
    rmSync(join(out, 'data.pages'));
    await refuses(out, /data\.pages: it cannot be read/);
  });

  it('hands out no picture that is damaged, and names it', async () => {
    const side = 48; // too large for a page of the tree
    const { out } = await newStore(undefined, { side });
    const whole = await ImageStore.open(out);
    const picture = new Uint8Array(side * side * 3);
    await whole.dataset('train').read([4], picture);
    await whole.close();
    const path = dataFile(out);
    const data = readFileSync(path);
    const at = data.indexOf(picture);
    assert.ok(at > 0);
    // Every copy: pages that are no longer in use keep their contents.
    for (let from = at; from >= 0; from = data.indexOf(picture, from + 1)) data[from + 100]! ^= 1;
    writeFileSync(path, data);
    const store = await ImageStore.open(out);
    const dataset = store.dataset('train');
    await assert.rejects(dataset.read([4], picture), (error: Error) => {
      assert.ok(error instanceof FileFormatError);
      assert.match(error.message, /damaged: train\/b\/1\.png does not match its checksum.*--overwrite/);
      return true;
    });
    await dataset.read([3], picture);
    await assert.rejects(store.verify(), /train\/b\/1\.png does not match its checksum/);
    await store.close();
  });

  it('reads 20,000 pictures in little memory', async () => {
    const out = await largeStore({ files: 20_000, side: 32 });
    const store = await ImageStore.open(out);
    const dataset = store.dataset('train');
    const before = privateBytes();
    let most = 0;
    let pictures = 0;
    for await (const { size } of loadBatches(dataset, {
      batchSize: 128,
      seed: 1,
      epoch: 0,
      shuffle: true,
      augmentation: [randomCrop({ size: 27 })],
    })) {
      pictures += size;
      most = Math.max(most, privateBytes() - before);
    }
    await store.close();
    assert.equal(pictures, 20_000);
    // The pictures are 61 MB. What is not collected yet of the batches is a part of that.
    assert.ok(most < 40 * 2 ** 20, `${most} bytes were taken`);
  });
});

/** Memory that only this process has: not the files that the system keeps in memory. */
function privateBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** A store of made-up pictures. */
async function largeStore({ files, side }: { files: number; side: number }): Promise<string> {
  const folder = join(tempFolder(), 'store');
  mkdirSync(folder);
  const manifest: Manifest = {
    head: {
      ...{ side, framing: 'centre', maxPixels: 1, files, digest: 'made up', classNames: ['a', 'b'] },
      splits: [{ name: 'train', start: 0, end: files }],
    },
    files: ManifestFiles.from(
      Array.from({ length: files }, (_, i) => ({
        ...{ path: `a/${i}.png`, label: i % 2, bytes: 1, modifiedMs: 1 },
      })),
    ),
  };
  const writer = await StoreWriter.open({ folder, manifest, token: 'a', ownTokens: ['a'], overwrite: false });
  for (let at = 0; at < files; at += 1000) {
    const bytes = Array.from({ length: 1000 }, (_, i) => new Uint8Array(side * side * 3).fill(at + i));
    writer.commit(bytes.map((data) => ({ width: side, height: side, data })));
  }
  const { digest } = writer.finish();
  await writer.close();
  await sealTree(folder);
  const { length } = readFileSync(dataFile(folder));
  const description = {
    side,
    framing: 'centre',
    classes: 2,
    files,
    bytes: length,
    failures: 0,
    digest,
  } as const;
  await writeDescription(folder, { state: 'complete', ...description });
  return folder;
}
