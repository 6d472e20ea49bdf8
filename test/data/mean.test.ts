// Mean picture and mean colour.
// Invariant: expected values are computed by hand or in float64 from the same bytes.

import assert from 'node:assert/strict';
import { InMemoryDataset } from '../../lib/data/in-memory-dataset.js';
import { computeMean } from '../../lib/data/mean.js';
import type { ImageDataset } from '../../lib/data/types.js';
import { AbortedError, ArgumentError, DataError } from '../../lib/errors.js';

const SIDE = 2;
const VALUES = SIDE * SIDE * 3;

/** Pictures whose values are a function of picture and position. */
function dataset(pictures: number, value: (picture: number, position: number) => number): InMemoryDataset {
  const images = Uint8Array.from({ length: pictures * VALUES }, (_, i) =>
    value(Math.floor(i / VALUES), i % VALUES),
  );
  return new InMemoryDataset({ images, labels: new Int32Array(pictures), classNames: ['a'], side: SIDE });
}

/** The same dataset, of which some pictures cannot be read. */
function without(base: ImageDataset, unreadable: readonly number[]): ImageDataset {
  return {
    classNames: base.classNames,
    length: base.length,
    labels: base.labels,
    side: base.side,
    failures: [{ path: 'first.png', reason: 'broken' }],
    nameOf: (index) => base.nameOf(index),
    close: () => base.close(),
    read: async (indices, out, signal) => {
      await base.read(indices, out, signal);
      return indices.map((index) => !unreadable.includes(index));
    },
  };
}

describe('computeMean', () => {
  it('averages every pixel, and every channel over all pixels', async () => {
    const { image, colour, pictures } = await computeMean(
      dataset(3, (picture, position) => picture * 20 + position),
    );
    assert.equal(pictures, 3);
    assert.deepEqual(
      [...image],
      [...Array(VALUES).keys()].map((position) => 20 + position),
    );
    assert.deepEqual([...colour], [24.5, 25.5, 26.5]);
  });

  it('is exact to float32 over more pictures than one read takes', async () => {
    const value = (picture: number, position: number): number => (picture * 7 + position * 31) % 256;
    const { image, pictures } = await computeMean(dataset(1000, value));
    assert.equal(pictures, 1000);
    image.forEach((mean, position) => {
      let sum = 0;
      for (let picture = 0; picture < 1000; picture++) sum += value(picture, position);
      assert.equal(mean, Math.fround(sum / 1000));
    });
  });

  it('leaves out what cannot be read', async () => {
    const partial = without(
      dataset(4, (picture) => picture * 10),
      [0, 3],
    );
    const { image, pictures } = await computeMean(partial);
    assert.equal(pictures, 2);
    assert.ok(image.every((mean) => mean === 15));
  });

  it('takes maxPictures evenly over the dataset', async () => {
    const { image, pictures } = await computeMean(
      dataset(200, (picture) => picture),
      { maxPictures: 4 },
    );
    assert.equal(pictures, 4);
    assert.equal(image[0], (0 + 50 + 100 + 150) / 4);
    assert.equal(
      (
        await computeMean(
          dataset(3, () => 1),
          { maxPictures: 10 },
        )
      ).pictures,
      3,
    );
  });

  it('tells its progress', async () => {
    const progress: unknown[] = [];
    await computeMean(
      dataset(200, () => 0),
      { onProgress: (p) => progress.push(p) },
    );
    assert.deepEqual(progress, [
      ...[32, 64, 96, 128, 160, 192].map((done) => ({ done, total: 200 })),
      { done: 200, total: 200 },
    ]);
  });

  it('refuses datasets of which nothing can be read, bad options and aborted signals', async () => {
    const nothing = without(
      dataset(2, () => 0),
      [0, 1],
    );
    await assert.rejects(computeMean(nothing), (error) => {
      assert.ok(error instanceof DataError);
      assert.match(error.message, /none of 2 pictures can be read; the first: first\.png: broken/);
      return true;
    });
    await assert.rejects(
      computeMean(
        dataset(2, () => 0),
        { maxPictures: 0 },
      ),
      ArgumentError,
    );
    await assert.rejects(
      computeMean(
        dataset(2, () => 0),
        { signal: AbortSignal.abort() },
      ),
      AbortedError,
    );
  });
});
