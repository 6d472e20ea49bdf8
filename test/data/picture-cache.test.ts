// Decoded pictures on the disk: for which files they are taken, and when they are not kept.
// Invariant: whether a picture was decoded again is told by changing its file behind the cache's back.

import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { ImageFolderDataset, type ImageFolderDatasetOptions } from '../../lib/data/image-folder-dataset.js';
import { scanImageFolder } from '../../lib/data/image-folder.js';
import { PictureCache, pictureCacheFolder } from '../../lib/data/picture-cache.js';
import { dataFile } from '../../lib/data/store/layout.js';
import { ArgumentError, FileWriteError } from '../../lib/errors.js';
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
      damage(dataFile(place));
      for (let run = 0; run < 2; run++) {
        const again = await PictureCache.open({ folder: place });
        assert.deepEqual(await reds(dir, again), FRESH);
        await again.close();
      }
    });
  }

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
