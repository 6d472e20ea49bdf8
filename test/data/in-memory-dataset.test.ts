// The dataset over typed arrays.
// Invariant: the arrays given are never copied or changed.

import assert from 'node:assert/strict';
import { InMemoryDataset, type InMemoryDatasetOptions } from '../../lib/data/in-memory-dataset.js';
import { AbortedError, ArgumentError, DataError, DisposedError } from '../../lib/errors.js';

const options = (): InMemoryDatasetOptions => ({
  images: Uint8Array.from({ length: 3 * 2 * 2 * 3 }, (_, i) => i),
  labels: [1, 0, 1],
  classNames: ['cat', 'dog'],
  side: 2,
});

describe('InMemoryDataset', () => {
  it('reads pictures in the order asked for', async () => {
    const dataset = new InMemoryDataset(options());
    const out = new Uint8Array(24);
    assert.deepEqual(await dataset.read([2, 0], out), [true, true]);
    assert.deepEqual([...out], [...Array(12).keys()].map((i) => i + 24).concat([...Array(12).keys()]));
    assert.deepEqual([dataset.length, dataset.side, [...dataset.labels]], [3, 2, [1, 0, 1]]);
    assert.deepEqual(dataset.failures, []);
  });

  it('names pictures by number, or as it is told', () => {
    assert.equal(new InMemoryDataset(options()).nameOf(2), '#2');
    assert.equal(new InMemoryDataset({ ...options(), names: ['x', 'y', 'z'] }).nameOf(2), 'z');
  });

  it('refuses arrays that do not agree', () => {
    const bad: [Partial<InMemoryDatasetOptions>, RegExp][] = [
      [{ images: new Uint8Array(35) }, /images has 35 bytes, expected 36 for 3 labels \(\[3, 2, 2, 3\]\)/],
      [{ labels: [0, 1, 2] }, /label 2 is 2, expected an integer from 0 to 1/],
      [{ labels: [0, -1, 0] }, /label 1 is -1/],
      [{ labels: [0, 0.5, 0] }, /label 1 is 0.5/],
      [{ labels: [], images: new Uint8Array(0) }, /there are no pictures/],
      [{ names: ['x'] }, /names has 1 entries, expected 3/],
    ];
    for (const [change, message] of bad) {
      assert.throws(
        () => new InMemoryDataset({ ...options(), ...change }),
        (error) => error instanceof DataError && message.test(error.message),
      );
    }
    assert.throws(() => new InMemoryDataset({ ...options(), side: 0 }), ArgumentError);
  });

  it('refuses reads that make no sense, are aborted, or come after close()', async () => {
    const dataset = new InMemoryDataset(options());
    await assert.rejects(dataset.read([3], new Uint8Array(12)), ArgumentError);
    await assert.rejects(dataset.read([0], new Uint8Array(13)), ArgumentError);
    await assert.rejects(dataset.read([0], new Uint8Array(12), AbortSignal.abort()), AbortedError);
    await dataset.close();
    await dataset.close();
    await assert.rejects(dataset.read([0], new Uint8Array(12)), DisposedError);
  });
});
