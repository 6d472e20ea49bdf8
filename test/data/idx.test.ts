// IDX files: right ones, plain and gzipped, and every way in which a pair can be wrong.
// Invariant: value of pixel p in picture i is i * 10 + p; its label is i modulo 4.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readIdx, readMnist } from '../../lib/data/idx.js';
import { DataError } from '../../lib/errors.js';
import { tempFiles } from './temp-folder.js';

const SIDE = 3;

function idx(type: number, sizes: readonly number[], data: Uint8Array): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, type, sizes.length]);
  sizes.forEach((size, i) => header.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([header, data]);
}

function images(count: number, { rows = SIDE, columns = SIDE, type = 8 } = {}): Buffer {
  const pixels = rows * columns;
  const data = Uint8Array.from(
    { length: count * pixels },
    (_, i) => Math.floor(i / pixels) * 10 + (i % pixels),
  );
  return idx(type, [count, rows, columns], data);
}

function labels(count: number): Buffer {
  return idx(
    8,
    [count],
    Uint8Array.from({ length: count }, (_, i) => i % 4),
  );
}

async function read(imageFile: Uint8Array, labelFile: Uint8Array, classNames?: string[]) {
  const dir = tempFiles({ images: imageFile, labels: labelFile });
  const files = { images: join(dir, 'images'), labels: join(dir, 'labels') };
  return readIdx({ ...files, ...(classNames ? { classNames } : {}) });
}

describe('readIdx', () => {
  for (const [name, pack] of [
    ['plain', (file: Buffer) => file],
    ['gzipped', (file: Buffer) => gzipSync(file)],
  ] as const) {
    it(`reads ${name} files: grey becomes RGB`, async () => {
      const dataset = await read(pack(images(6)), pack(labels(6)));
      assert.deepEqual([dataset.length, dataset.side], [6, SIDE]);
      assert.deepEqual([...dataset.labels], [0, 1, 2, 3, 0, 1]);
      assert.deepEqual(dataset.classNames, ['0', '1', '2', '3']);
      const out = new Uint8Array(27);
      await dataset.read([4], out);
      assert.deepEqual(
        out,
        Uint8Array.from({ length: 27 }, (_, i) => 40 + Math.floor(i / 3)),
      );
    });
  }

  it('takes class names', async () => {
    const names = ['shirt', 'shoe', 'bag', 'coat', 'hat'];
    assert.deepEqual((await read(images(4), labels(4), names)).classNames, names);
  });

  const damagedGzip = gzipSync(images(4)).subarray(0, 20);
  const cases: [name: string, images: Uint8Array, labels: Uint8Array, message: RegExp][] = [
    [
      'labels given as images',
      labels(4),
      labels(4),
      /images: its magic number is 0x00000801, expected 0x00000803/,
    ],
    [
      'images given as labels',
      images(4),
      images(4),
      /labels: its magic number is 0x00000803, expected 0x00000801/,
    ],
    ['another type of number', images(4, { type: 0x0d }), labels(4), /magic number is 0x00000d03/],
    ['an empty file', Buffer.alloc(0), labels(4), /magic number is missing/],
    ['a file that ends in its header', images(4).subarray(0, 9), labels(4), /ends within its header/],
    [
      'a truncated file',
      images(4).subarray(0, -1),
      labels(4),
      /35 bytes follow the header, expected 36 \(\[4, 3, 3\]\)/,
    ],
    ['bytes behind the end', Buffer.concat([images(4), labels(1)]), labels(4), /expected 36/],
    ['different counts', images(4), labels(5), /there are 5 labels for the 4 pictures/],
    ['no pictures', images(0), labels(0), /there are no pictures/],
    ['pictures that are not square', images(4, { rows: 2 }), labels(4), /of 3 x 2 pixels, expected squares/],
    ['a damaged archive', damagedGzip, labels(4), /cannot be unpacked/],
  ];
  for (const [name, imageFile, labelFile, message] of cases) {
    it(`refuses ${name}`, () =>
      assert.rejects(read(imageFile, labelFile), (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(error.message, message);
        return true;
      }));
  }

  it('refuses labels without a class name', () =>
    assert.rejects(read(images(4), labels(4), ['a', 'b']), /label 3 is 3, but there are 2 class names/));

  it('says that a file is missing', () =>
    assert.rejects(
      readIdx({ images: '/nowhere/a', labels: '/nowhere/b' }),
      /\/nowhere\/.: the file cannot be read/,
    ));
});

describe('readMnist', () => {
  it('finds the files of a split, gzipped or not, however they are spelt', async () => {
    const dir = tempFiles({
      'train-images-idx3-ubyte.gz': gzipSync(images(5)),
      'train-labels.idx1-ubyte': labels(5),
      't10k-images-idx3-ubyte': images(2),
      't10k-labels-idx1-ubyte.gz': gzipSync(labels(2)),
    });
    assert.equal((await readMnist(dir, { split: 'train' })).length, 5);
    assert.equal((await readMnist(dir, { split: 'test' })).length, 2);
  });

  it('names the file that is missing', async () => {
    const dir = tempFiles({ 'train-images-idx3-ubyte': images(5) });
    await assert.rejects(
      readMnist(dir, { split: 'train' }),
      /there is no train-labels-idx1-ubyte, with or without \.gz/,
    );
    await assert.rejects(readMnist(join(dir, 'none'), { split: 'test' }), /the folder cannot be read/);
    await assert.rejects(readMnist(dir, { split: 'val' as never }), /split is 'val', expected train or test/);
  });
});
