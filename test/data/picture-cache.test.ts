// Decoded pictures on the disk: for which files they are taken, and when they are not kept.
// Invariant: whether a picture was decoded again is told by changing its file behind the cache's back.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ImageFolderDataset, type ImageFolderDatasetOptions } from '../../lib/data/image-folder-dataset.js';
import { scanImageFolder } from '../../lib/data/image-folder.js';
import { PictureCache, pictureCacheFolder } from '../../lib/data/picture-cache.js';
import { dataFile } from '../../lib/data/store/layout.js';
import { ArgumentError, FileWriteError } from '../../lib/errors.js';
import { RandomStream, randomWords } from '../../lib/random.js';
import { bmp, gradient } from './pictures.js';
import { tempFiles, tempFolder } from './temp-folder.js';

const SIDE = 8;
const COUNT = 4;
const YESTERDAY = new Date(Date.now() - 24 * 3600 * 1000);

/** Of one size each, so that another picture has the same size as a file. */
function pictures(shade: number): Record<string, Buffer> {
  const names = ['a/0.bmp', 'a/1.bmp', 'b/0.bmp', 'b/1.bmp'];
  return Object.fromEntries(
    names.map((name, i) => [name, bmp({ ...gradient(9, 9), paint: () => [shade + i, shade, shade] })]),
  );
}

function folder(): string {
  const dir = tempFiles(pictures(10));
  for (const name of Object.keys(pictures(10))) utimesSync(join(dir, name), YESTERDAY, YESTERDAY);
  return dir;
}

/** Other pictures, with the sizes and times of those before. */
function replaceSecretly(dir: string): void {
  for (const [name, bytes] of Object.entries(pictures(100))) {
    const before = statSync(join(dir, name));
    writeFileSync(join(dir, name), bytes);
    assert.equal(statSync(join(dir, name)).size, before.size);
    utimesSync(join(dir, name), YESTERDAY, YESTERDAY);
  }
}

/** The red of each picture's first pixel, read by a dataset of its own. */
async function reds(
  dir: string,
  cache: PictureCache | undefined,
  options: ImageFolderDatasetOptions = {},
): Promise<number[]> {
  const { train } = await scanImageFolder(dir);
  const dataset = new ImageFolderDataset(train, { side: SIDE, workers: 1, cache, ...options });
  const out = new Uint8Array(COUNT * dataset.side ** 2 * 3);
  await dataset.read([...Array(COUNT).keys()], out);
  const { side } = dataset;
  await dataset.close();
  return Array.from({ length: COUNT }, (_, i) => out[i * side ** 2 * 3]!);
}

/** The folders that the cache's pictures are in. */
function segmentsIn(place: string): string[] {
  return readdirSync(place)
    .filter((name) => name.startsWith('segment_'))
    .map((name) => join(place, name));
}

const FRESH = [10, 11, 12, 13];
const CHANGED = [100, 101, 102, 103];

describe('PictureCache', () => {
  let place: string;
  beforeEach(() => (place = join(tempFolder(), 'cache')));

  it('spares decoding, in the same run and the next', async () => {
    const dir = folder();
    const cache = await PictureCache.open({ folder: place });
    assert.deepEqual(await reds(dir, cache), FRESH);
    await cache.close();
    replaceSecretly(dir);
    const again = await PictureCache.open({ folder: place });
    assert.deepEqual(await reds(dir, again), FRESH);
    assert.deepEqual(await reds(dir, again), FRESH);
    assert.equal(again.stopped, undefined);
    await again.close();
    assert.deepEqual(await reds(dir, undefined), CHANGED);
  });

  it('is not asked about files that have changed, nor for pictures of another side', async () => {
    const dir = folder();
    const cache = await PictureCache.open({ folder: place });
    await reds(dir, cache);
    await cache.close();
    replaceSecretly(dir);
    const again = await PictureCache.open({ folder: place });
    assert.deepEqual(await reds(dir, again, { side: 2 * SIDE }), CHANGED);
    const now = new Date();
    utimesSync(join(dir, 'a/1.bmp'), now, now);
    assert.deepEqual(await reds(dir, again), [10, 101, 12, 13]);
    await again.close();
  });

  it('keeps no more than it may', async () => {
    const dir = folder();
    const cache = await PictureCache.open({ folder: place, maxBytes: 0 });
    assert.deepEqual(await reds(dir, cache), FRESH);
    await cache.close();
    assert.match(cache.stopped ?? '', /as large as it may be/);
    replaceSecretly(dir);
    const again = await PictureCache.open({ folder: place });
    assert.deepEqual(await reds(dir, again), CHANGED);
    await again.close();
  });

  for (const [what, damage] of [
    ['is truncated', (file: string) => truncateSync(file, 5000)],
    ['is something else', (file: string) => writeFileSync(file, 'text that is no database'.repeat(1000))],
    [
      'has damaged pictures',
      (file: string) => {
        const bytes = readFileSync(file);
        for (let at = 0; (at = bytes.indexOf(Buffer.from([10, 10, 11]), at)) >= 0; at++) bytes[at] = 0;
        writeFileSync(file, bytes);
      },
    ],
  ] as const) {
    it(`decodes again where it ${what}`, async () => {
      const dir = folder();
      const cache = await PictureCache.open({ folder: place });
      await reds(dir, cache);
      await cache.close();
      damage(dataFile(segmentsIn(place)[0]!));
      for (let run = 0; run < 2; run++) {
        const again = await PictureCache.open({ folder: place });
        assert.deepEqual(await reds(dir, again), FRESH);
        await again.close();
      }
    });
  }

  it('is not brought down by a flipped bit, wherever in the tree it is, and has no such part any more', async () => {
    const keys = Array.from({ length: 300 }, (_, i) => Buffer.alloc(16, `key ${i}`));
    const pictures = keys.map((_, i) => new Uint8Array(i % 2 === 0 ? 100 : 5000).fill(i));
    const cache = await PictureCache.open({ folder: place });
    for (const [i, key] of keys.entries()) await cache.add(key, pictures[i]!);
    await cache.close();
    const [segment] = segmentsIn(place);
    const files = ['data.mdb', 'data.pages'].map(
      (name) => [name, readFileSync(join(segment!, name))] as const,
    );
    const [[, data], [, pages]] = files as [(typeof files)[number], (typeof files)[number]];
    const numbers = Array.from({ length: (pages.length - 4) / 8 }, (_, i) => pages.readUInt32LE(8 * i));
    assert.ok(numbers.length > 10, numbers.join());
    for (let flip = 0; flip < 200; flip++) {
      const [which, byte, bit] = randomWords({ seed: 3, index: flip, stream: RandomStream.shuffle });
      const at = numbers[which % numbers.length]! * 4096 + (byte % 4096);
      data[at]! ^= 1 << (bit % 8);
      mkdirSync(segment!, { recursive: true });
      for (const [name, bytes] of files) writeFileSync(join(segment!, name), bytes);
      data[at]! ^= 1 << (bit % 8);
      const damaged = await PictureCache.open({ folder: place });
      assert.ok(!existsSync(segment!));
      assert.ok(keys.every((key) => damaged.get(key) === undefined));
      await damaged.close();
    }
    mkdirSync(segment!);
    for (const [name, bytes] of files) writeFileSync(join(segment!, name), bytes);
    const whole = await PictureCache.open({ folder: place });
    for (const [i, key] of keys.entries()) assert.deepEqual(new Uint8Array(whole.get(key)!), pictures[i]);
    await whole.close();
  });

  it('throws away what a process left that was killed, and leaves alone what another is writing', async () => {
    const dir = folder();
    const cache = await PictureCache.open({ folder: place });
    await reds(dir, cache);
    const other = spawn(process.execPath, ['--eval', 'setTimeout(() => {}, 60_000)']);
    const token = '0a1b';
    const segments = [`segment_${token}_${other.pid}_`, `segment_${token}_${process.pid}_`];
    const [living, dead] = segments.map((name) => join(place, name)) as [string, string];
    for (const segment of [living, dead]) mkdirSync(segment);
    const second = await PictureCache.open({ folder: place });
    assert.deepEqual([existsSync(living), existsSync(dead)], [true, false]);
    other.kill('SIGKILL');
    await new Promise((resolve) => other.on('close', resolve));
    await Promise.all([cache.close(), second.close()]);
    replaceSecretly(dir);
    const third = await PictureCache.open({ folder: place });
    assert.equal(existsSync(living), false);
    assert.deepEqual(await reds(dir, third), FRESH);
    await third.close();
  });

  it('keeps what is given to it in parts, and gives it from any of them', async () => {
    const cache = await PictureCache.open({ folder: place });
    const keys = Array.from({ length: 20 }, (_, i) => Buffer.alloc(16, i));
    const picture = (i: number): Uint8Array => new Uint8Array(2 ** 22).fill(i);
    for (const [i, key] of keys.entries()) await cache.add(key, picture(i));
    await cache.close();
    assert.equal(cache.stopped, undefined);
    assert.equal(segmentsIn(place).length, 2);
    const again = await PictureCache.open({ folder: place });
    await again.prefetch(keys);
    for (const [i, key] of keys.entries()) {
      const found = again.get(key);
      assert.ok(found && Buffer.compare(found, picture(i)) === 0, `picture ${i}`);
    }
    await again.close();
  });

  it('keeps what it has, once nothing is added any more, though the process is killed then', async () => {
    const cache = await PictureCache.open({ folder: place });
    const key = Buffer.alloc(16, 1);
    await cache.add(key, new Uint8Array(100).fill(7));
    await cache.add(Buffer.alloc(16, 2), new Uint8Array(2 ** 23));
    while (segmentsIn(place).length === 0 || !existsSync(join(segmentsIn(place)[0]!, 'data.pages'))) {
      cache.get(key);
      await setImmediate();
    }
    while (cache.get(key) === undefined) await setImmediate();
    // As from another process: the first does not write to it any more.
    const other = await PictureCache.open({ folder: place });
    assert.deepEqual([...other.get(key)!], new Array(100).fill(7));
    await Promise.all([cache.close(), other.close()]);
  });

  it('refuses folders with something else in them, and places where there is none', async () => {
    const dir = tempFiles({ 'a.txt': 'mine' });
    await assert.rejects(PictureCache.open({ folder: dir }), ArgumentError);
    await assert.rejects(PictureCache.open({ folder: join(dir, 'a.txt', 'b') }), FileWriteError);
    await assert.rejects(PictureCache.open({ folder: place, maxBytes: -1 }), ArgumentError);
  });

  it('has a folder for each folder of pictures; those not used for 30 days go', async () => {
    const parent = tempFolder();
    const [one, two] = [await pictureCacheFolder('/x', parent), await pictureCacheFolder('/y', parent)];
    assert.notEqual(one, two);
    assert.equal(await pictureCacheFolder('/x/', parent), one);
    for (const cache of [one, two]) await (await PictureCache.open({ folder: cache })).close();
    mkdirSync(join(parent, 'not-ours'));
    const long = new Date(Date.now() - 31 * 24 * 3600 * 1000);
    utimesSync(join(two, 'picture-cache.json'), long, long);
    await pictureCacheFolder('/x', parent);
    assert.deepEqual(
      [one, two, join(parent, 'not-ours')].map((path) => existsSync(path)),
      [true, false, true],
    );
  });
});
