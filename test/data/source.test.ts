// What is recognised at a path, and opened.
// Invariant: where only names decide, the files are empty.

import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InMemoryDataset } from '../../lib/data/in-memory-dataset.js';
import { resizeToSquare } from '../../lib/data/resize.js';
import { scaleDataset } from '../../lib/data/scaled-dataset.js';
import { openSource, recogniseSource } from '../../lib/data/source.js';
import { prepareStore } from '../../lib/data/store/prepare.js';
import { ImageStore } from '../../lib/data/store/image-store.js';
import { ArgumentError, DataError } from '../../lib/errors.js';
import { gradient, png } from './pictures.js';
import { tempFiles, tempFolder } from './temp-folder.js';

const CLASSES = { 'train/n01/a.png': '', 'train/n02/b.png': '' };

/** An IDX file of unsigned bytes. */
function idx(sizes: readonly number[], fill: number): Buffer {
  const header = Buffer.from(Uint32Array.of(0x0800 + sizes.length, ...sizes).buffer).swap32();
  return Buffer.concat([
    header,
    Buffer.alloc(
      sizes.reduce((a, b) => a * b),
      fill,
    ),
  ]);
}

function mnist(): string {
  const dir = tempFolder();
  for (const [name, count] of [
    ['train', 3],
    ['t10k', 2],
  ] as const) {
    writeFileSync(join(dir, `${name}-images-idx3-ubyte`), idx([count, 4, 4], 7));
    writeFileSync(join(dir, `${name}-labels-idx1-ubyte`), idx([count], 1));
  }
  return dir;
}

describe('openSource', () => {
  for (const [what, files, format, inside = ''] of [
    ['a folder of classes', { 'a/1.png': '', 'b/1.png': '' }, 'folder'],
    ['a folder with train and val', { ...CLASSES, 'val/n01/a.png': '', 'val/n02/b.png': '' }, 'folder'],
    ["ImageNet's validation list", { ...CLASSES, 'val/a.png': '', 'val.txt': 'a.png n01' }, 'imagenet'],
    ['a CSV list', { 'labels.csv': 'a.png,cat\n', 'a.png': '' }, 'list', 'labels.csv'],
    ['CIFAR-10', { 'data_batch_1.bin': '' }, 'cifar10'],
    ['MNIST, gzipped', { 'train-images-idx3-ubyte.gz': '' }, 'idx'],
    ['a store, unfinished too', { 'store.json': '{}' }, 'store'],
  ] as const) {
    it(`recognises ${what}`, async () => {
      assert.equal(await recogniseSource(join(tempFiles(files), inside)), format);
    });
  }

  it('says so where there is nothing', async () => {
    await assert.rejects(recogniseSource('/no/such/place'), (error: Error) => {
      assert.ok(error instanceof DataError);
      assert.match(error.message, /^\/no\/such\/place: there is no such folder or file/);
      return true;
    });
  });

  it('opens a list with a folder of its own for the pictures, and ImageNet with a list from elsewhere', async () => {
    const pictures = tempFiles({ 'a.png': '', 'b.png': '' });
    const list = join(tempFiles({ 'l.json': '{"a.png": "cat", "b.png": "dog"}' }), 'l.json');
    const found = await openSource(list, { pictures });
    assert.ok('train' in found && 'paths' in found.train);
    assert.deepEqual([...found.train.paths], [join(pictures, 'a.png'), join(pictures, 'b.png')]);
    const dir = tempFiles({ ...CLASSES, 'val/x.png': '' });
    const validationLabels = join(tempFiles({ 'ground.txt': 'n02\n' }), 'ground.txt');
    const imagenet = await openSource(dir, { validationLabels });
    assert.ok(imagenet.format === 'imagenet');
    assert.deepEqual([...imagenet.validation!.labels], [1]);
  });

  it('opens pictures that need no decoding', async () => {
    const found = await openSource(mnist());
    assert.ok(found.format === 'idx');
    assert.deepEqual([found.train.length, found.test.length], [3, 2]);
    assert.deepEqual(found.train.classNames, found.test.classNames);
  });

  it('makes stores of lists', async () => {
    const picture = png(gradient(9, 9));
    const dir = tempFiles({ 'p/1.png': picture, 'p/2.png': picture, 'list.csv': '' });
    mkdirSync(join(dir, 'lists'));
    const list = join(dir, 'lists', 'a.csv');
    writeFileSync(list, 'file,class\np/1.png,cat\np/2.png,dog\n');
    const source = await openSource(list, { pictures: dir });
    assert.ok(source.format === 'list');
    const out = join(tempFolder(), 'store');
    await prepareStore(source, { out, side: 8, workers: 1 });
    const store = await ImageStore.open(out);
    assert.deepEqual(store.classNames, ['cat', 'dog']);
    assert.equal(store.dataset('train').nameOf(1), 'p/2.png');
    await store.close();
    assert.deepEqual(readdirSync(join(dir, 'lists')), ['a.csv']);
  });
});

describe('scaleDataset', () => {
  it('scales pictures as they are read', async () => {
    const images = Uint8Array.from({ length: 20 * 4 * 4 * 3 }, (_, i) => (i * 37) % 256);
    const labels = new Int32Array(20);
    const small = new InMemoryDataset({ images, labels, classNames: ['a'], side: 4 });
    const large = scaleDataset(small, { side: 7 });
    assert.equal(scaleDataset(small, { side: 4 }), small);
    assert.throws(() => scaleDataset(small, { side: 0.5 }), ArgumentError);
    const indices = [...Array(20).keys()].toReversed();
    const out = new Uint8Array(20 * 7 * 7 * 3);
    assert.deepEqual(await large.read(indices, out), new Array(20).fill(true));
    for (const [position, index] of indices.entries()) {
      const data = images.subarray(index * 48, (index + 1) * 48);
      const expected = resizeToSquare({ width: 4, height: 4, data }, 7);
      assert.deepEqual(out.subarray(position * 147, (position + 1) * 147), expected);
    }
    await large.close();
    await assert.rejects(large.read([20], new Uint8Array(147)), ArgumentError);
  });
});
