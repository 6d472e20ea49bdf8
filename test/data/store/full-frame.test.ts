// Stores of pictures that are scaled, but not cut to squares; and the batches that come out of them.
// Invariant: whatever is in the centre is what a store of squares has.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import {
  centreCrop,
  computeColourStatistics,
  pictureTransform,
  randomCrop,
  RECORD_LENGTH,
} from '../../../lib/data/augmentation.js';
import { loadBatches } from '../../../lib/data/loader.js';
import { computeMean } from '../../../lib/data/mean.js';
import { bytesOf, centralSquare, sizeOf } from '../../../lib/data/picture-size.js';
import { ImageStore, type StoreDataset } from '../../../lib/data/store/image-store.js';
import { prepareStore } from '../../../lib/data/store/prepare.js';
import { subsetDataset } from '../../../lib/data/subset.js';
import { AbortedError, ArgumentError } from '../../../lib/errors.js';
import { gradient, png } from '../pictures.js';
import { tempFiles, tempFolder } from '../temp-folder.js';
import { contentsOf, SIDE } from './contents.js';

/** Landscape, portrait, square, and a panorama that is cut. */
const SIZES = [
  [24, 12],
  [10, 17],
  [9, 9],
  [200, 10],
] as const;
const SCALED = [
  { height: 8, width: 16 },
  { height: 14, width: 8 },
  { height: 8, width: 8 },
  { height: 8, width: 32 },
];

function pictures(): Record<string, Buffer> {
  const files: Record<string, Buffer> = { 'a/broken.png': Buffer.from('no picture') };
  for (const [i, [width, height]] of SIZES.entries()) {
    for (const name of ['a', 'b']) files[`${name}/${i}.png`] = png(gradient(width, height));
  }
  return files;
}

const BASE = { side: SIDE, workers: 2, batchSize: 2, framing: 'full' } as const;

describe('a store of full frames', () => {
  const dir = tempFiles(pictures());
  const [out, squaresOut] = [join(tempFolder(), 'full'), join(tempFolder(), 'squares')];
  let store: ImageStore;
  let squares: ImageStore;
  let dataset: StoreDataset;

  before(async () => {
    await prepareStore(dir, { ...BASE, out });
    await prepareStore(dir, { ...BASE, out: squaresOut, framing: 'centre' });
    [store, squares] = [await ImageStore.open(out), await ImageStore.open(squaresOut)];
    dataset = store.dataset('train');
  });
  after(() => Promise.all([store.close(), squares.close()]));

  it('keeps proportions up to 4 to 1', () => {
    assert.equal(store.framing, 'full');
    assert.equal(squares.dataset('train').sizes, undefined);
    const sizes = [...dataset.labels].map((_, i) => sizeOf(dataset, i));
    assert.deepEqual(sizes, [...SCALED, ...SCALED]);
    assert.deepEqual(sizeOf(subsetDataset(dataset, [6, 1]), 1), SCALED[1]);
  });

  it('has the squares, their mean and their colours in the middle', async () => {
    for (const index of dataset.labels.keys()) {
      const [frame, square] = [new Uint8Array(bytesOf(dataset, [index])), new Uint8Array(SIDE * SIDE * 3)];
      await dataset.read([index], frame);
      await squares.dataset('train').read([index], square);
      assert.deepEqual(centralSquare(frame, sizeOf(dataset, index), SIDE), square);
    }
    assert.deepEqual(store.mean, squares.mean);
    assert.deepEqual(store.colours, squares.colours);
    assert.deepEqual(await computeMean(dataset), store.mean);
    assert.deepEqual(await computeColourStatistics(dataset), store.colours);
    await store.verify();
  });

  it('is the same after it was stopped and went on', async () => {
    const again = join(tempFolder(), 'again');
    const stop = new AbortController();
    const onProgress = ({ done }: { done: number }) => done === 4 && stop.abort();
    await assert.rejects(
      prepareStore(dir, { ...BASE, out: again, onProgress, signal: stop.signal }),
      AbortedError,
    );
    await prepareStore(dir, { ...BASE, batchSize: 3, out: again });
    assert.deepEqual(await contentsOf(again), await contentsOf(out));
  });

  it('is not gone on with as a store of squares', async () => {
    await assert.rejects(
      prepareStore(dir, { ...BASE, out, framing: 'centre' }),
      /begun with framing full, not centre\. Give the same again/,
    );
    await assert.rejects(prepareStore(dir, { ...BASE, out, framing: 'half' as 'full' }), ArgumentError);
  });

  it('gives batches that say where each picture lies', async () => {
    const indices = [3, 1, 4];
    const part = subsetDataset(dataset, indices);
    const options = { batchSize: 3, seed: 1, epoch: 0, augmentation: [centreCrop({ size: 4 })] };
    for await (const batch of loadBatches(part, options)) {
      const [panorama, portrait, landscape] = [SCALED[3]!, SCALED[1]!, SCALED[0]!];
      const bytes = [8 * 32 * 3, 14 * 8 * 3, 8 * 16 * 3];
      assert.deepEqual(
        [...batch.frames!],
        [
          ...[0, panorama.height, panorama.width],
          ...[bytes[0], portrait.height, portrait.width],
          ...[bytes[0]! + bytes[1]!, landscape.height, landscape.width],
        ],
      );
      const expected = new Uint8Array(bytesOf(dataset, indices));
      await dataset.read(indices, expected);
      assert.deepEqual(batch.images, expected);
      const sources = indices.map((_, i) => [
        ...batch.records.subarray(i * RECORD_LENGTH, i * RECORD_LENGTH + 4),
      ]);
      assert.deepEqual(sources, [
        [2, 14, 4, 4],
        [5, 2, 4, 4],
        [2, 6, 4, 4],
      ]);
    }
  });

  it('is cropped to its ends, and transformed in its own shape', async () => {
    const seen = new Set<string>();
    const augmentation = [
      randomCrop({ size: 8 }),
      pictureTransform((image) => {
        seen.add(`${image.width}x${image.height}`);
        assert.equal(image.data.length, image.width * image.height * 3);
        return { ...image, data: new Uint8Array(image.data.length).fill(image.width) };
      }),
    ];
    const lefts: number[] = [];
    for (let epoch = 0; epoch < 200; epoch++) {
      const options = { batchSize: 1, seed: 1, epoch, augmentation };
      for await (const batch of loadBatches(subsetDataset(dataset, [0]), options)) {
        lefts.push(batch.records[1]!);
        assert.ok(batch.images.every((value) => value === 16));
      }
    }
    assert.deepEqual([Math.min(...lefts), Math.max(...lefts)], [0, 8]);
    assert.deepEqual([...seen], ['16x8']);
  });
});
