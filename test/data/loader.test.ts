// Batches: what is in them, when they are read, and how reading ends.
// Invariant: picture i of the dataset used here has the value i in all pixels and the label i modulo 3.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  centreCrop,
  pictureTransform,
  planAugmentation,
  randomCrop,
  randomMirror,
  tenCrop,
} from '../../lib/data/augmentation.js';
import { batchesPerEpoch, loadBatches, type LoaderOptions } from '../../lib/data/loader.js';
import type { ImageBatch, ImageDataset } from '../../lib/data/types.js';
import { AbortedError, ArgumentError } from '../../lib/errors.js';

const SIDE = 4;
const BYTES = SIDE * SIDE * 3;

class NumberedDataset implements ImageDataset {
  readonly classNames = ['a', 'b', 'c'];
  readonly side = SIDE;
  readonly failures = [];
  readonly labels: Int32Array;
  /** Reads begun, and those not yet settled. */
  begun = 0;
  open = 0;
  /** Whether the signal of each read was aborted in the end. */
  readonly signals: AbortSignal[] = [];

  constructor(
    readonly length: number,
    readonly options: {
      readonly unreadable?: readonly number[];
      /** Milliseconds that the n-th read takes. */
      readonly delayMs?: (n: number) => number;
      /** Reads that begin from the n-th on reject. */
      readonly rejectFrom?: number;
    } = {},
  ) {
    this.labels = Int32Array.from({ length }, (_, i) => i % 3);
  }

  nameOf(index: number): string {
    return `#${index}`;
  }

  async read(indices: readonly number[], out: Uint8Array, signal?: AbortSignal): Promise<boolean[]> {
    const { unreadable = [], delayMs, rejectFrom = Infinity } = this.options;
    const n = this.begun++;
    this.open++;
    if (signal) this.signals.push(signal);
    try {
      await sleep(delayMs?.(n) ?? 0, undefined, { signal });
      if (n >= rejectFrom) throw new Error(`read ${n} failed`);
    } finally {
      this.open--;
    }
    return indices.map((index, position) => {
      if (unreadable.includes(index)) return false;
      out.fill(index, position * BYTES, (position + 1) * BYTES);
      return true;
    });
  }

  async close(): Promise<void> {}
}

const OPTIONS: LoaderOptions = {
  batchSize: 4,
  seed: 1,
  epoch: 0,
  augmentation: [randomCrop({ size: 3 }), randomMirror()],
};

async function collect(dataset: ImageDataset, options: Partial<LoaderOptions> = {}): Promise<ImageBatch[]> {
  const batches: ImageBatch[] = [];
  for await (const batch of loadBatches(dataset, { ...OPTIONS, ...options })) batches.push(batch);
  return batches;
}

const indicesOf = (batches: readonly ImageBatch[]): number[][] => batches.map(({ indices }) => [...indices]);

function assertConsistent(batches: readonly ImageBatch[]): void {
  for (const { size, side, images, labels, records, views, indices } of batches) {
    assert.deepEqual(
      [side, images.length, labels.length, records.length, views, indices.length],
      [SIDE, size * BYTES, size, size * 22, 1, size],
    );
    indices.forEach((index, position) => {
      const pixels = images.subarray(position * BYTES, (position + 1) * BYTES);
      assert.ok(
        pixels.every((value) => value === index),
        `picture ${index} is in its place`,
      );
      assert.equal(labels[position], index % 3);
    });
  }
}

describe('loadBatches', () => {
  it('gives the pictures in the order of the dataset, with their labels', async () => {
    const batches = await collect(new NumberedDataset(10));
    assert.deepEqual(indicesOf(batches), [
      [0, 1, 2, 3],
      [4, 5, 6, 7],
      [8, 9],
    ]);
    assertConsistent(batches);
  });

  it('shuffles by seed and epoch; every picture comes once', async () => {
    const order = async (options: Partial<LoaderOptions>): Promise<number[]> =>
      indicesOf(await collect(new NumberedDataset(50), { shuffle: true, ...options })).flat();
    const first = await order({});
    assert.deepEqual(
      first.toSorted((a, b) => a - b),
      [...Array(50).keys()],
    );
    assert.deepEqual(await order({ batchSize: 7 }), first);
    assert.notDeepEqual(await order({ epoch: 1 }), first);
    assert.notDeepEqual(await order({ seed: 2 }), first);
    assertConsistent(await collect(new NumberedDataset(50), { shuffle: true }));
  });

  it('leaves the last, smaller batch out if told so', async () => {
    for (const dropLast of [true, false]) {
      for (const length of [1, 4, 10, 12]) {
        const batches = await collect(new NumberedDataset(length), { dropLast });
        assert.equal(
          batches.length,
          batchesPerEpoch(length, { batchSize: 4, dropLast }),
          `${length}, ${dropLast}`,
        );
      }
    }
  });

  it('fills batches up from the following pictures where some cannot be read', async () => {
    const unreadable = [1, 2, 7, 10];
    const batches = await collect(new NumberedDataset(13, { unreadable }));
    assert.deepEqual(indicesOf(batches), [[0, 3, 4, 5], [6, 8, 9, 11], [12]]);
    assertConsistent(batches);
    const dropped = await collect(new NumberedDataset(13, { unreadable }), { dropLast: true });
    assert.deepEqual(indicesOf(dropped), [
      [0, 3, 4, 5],
      [6, 8, 9, 11],
    ]);
    assert.deepEqual(await collect(new NumberedDataset(5, { unreadable: [0, 1, 2, 3, 4] })), []);
  });

  it('gives the same batches whatever the timing and the reading ahead', async () => {
    const unreadable = [3, 8, 9];
    const run = (delayMs: (n: number) => number, prefetch: number): Promise<ImageBatch[]> =>
      collect(new NumberedDataset(40, { unreadable, delayMs }), { shuffle: true, prefetch });
    const expected = await run(() => 0, 0);
    assertConsistent(expected);
    assert.deepEqual(await run((n) => (n % 3 === 0 ? 12 : 1), 4), expected);
    assert.deepEqual(await run((n) => 10 - n, 9), expected);
  });

  it('draws what is done to a picture from seed, epoch and its index alone', async () => {
    const recordsOf = async (options: Partial<LoaderOptions>): Promise<Map<number, string>> => {
      const records = new Map<number, string>();
      for (const batch of await collect(new NumberedDataset(60, { unreadable: [4] }), options)) {
        batch.indices.forEach((index, i) =>
          records.set(index, batch.records.slice(i * 22, i * 22 + 22).join()),
        );
      }
      return new Map([...records].sort(([a], [b]) => a - b));
    };
    const expected = await recordsOf({});
    assert.equal(new Set(expected.values()).size, 8); // 2 x 2 positions, mirrored or not
    assert.deepEqual(await recordsOf({ batchSize: 7, shuffle: true }), expected);
    assert.notDeepEqual(await recordsOf({ epoch: 1 }), expected);
    const centred = await recordsOf({ augmentation: [centreCrop({ size: 2 })] });
    const centre = planAugmentation([centreCrop({ size: 2 })], {
      seed: 0,
      epoch: 0,
      index: 0,
      height: SIDE,
      width: SIDE,
    });
    assert.deepEqual([...new Set(centred.values())], [centre.join()]);
  });

  it('gives ten records a picture, picture after picture', async () => {
    const augmentation = [tenCrop({ size: 2 })];
    const [batch] = await collect(new NumberedDataset(3), { augmentation });
    assert.deepEqual([batch?.views, batch?.records.length], [10, 3 * 10 * 22]);
    const one = planAugmentation(augmentation, { seed: 1, epoch: 0, index: 2, height: SIDE, width: SIDE });
    assert.deepEqual(batch?.records.slice(2 * one.length), one);
  });

  describe('with a function of the user', () => {
    const noisy = pictureTransform((image, random) => ({
      ...image,
      data: image.data.map(() => Math.floor(random() * 256)),
    }));

    async function pixelsOf(options: Partial<LoaderOptions>): Promise<string[]> {
      const pixels: string[] = [];
      const augmentation = [noisy, centreCrop({ size: 2 })];
      const dataset = new NumberedDataset(9, { unreadable: [4] });
      for (const { images, indices } of await collect(dataset, { augmentation, ...options })) {
        indices.forEach((index, i) => (pixels[index] = images.slice(i * BYTES, (i + 1) * BYTES).join()));
      }
      return pixels;
    }

    it('changes each picture by seed, epoch and its index alone', async () => {
      const expected = await pixelsOf({});
      assert.equal(new Set(expected).size, 9); // eight pictures, and the hole of the unreadable one
      assert.deepEqual(await pixelsOf({ batchSize: 3, shuffle: true, prefetch: 0 }), expected);
      assert.notDeepEqual(await pixelsOf({ epoch: 1 }), expected);
      assert.notDeepEqual(await pixelsOf({ seed: 2 }), expected);
    });

    it('draws other numbers at another place of the list', async () => {
      const moved = [centreCrop({ size: 2 }), noisy];
      assert.notDeepEqual(await pixelsOf({ augmentation: moved }), await pixelsOf({}));
    });

    it('may change the picture in place', async () => {
      const invert = pictureTransform((image) => {
        image.data.forEach((value, i) => (image.data[i] = 255 - value));
        return image;
      });
      const [batch] = await collect(new NumberedDataset(2), {
        augmentation: [invert, centreCrop({ size: 2 })],
      });
      assert.deepEqual([batch?.images[0], batch?.images[BYTES]], [255, 254]);
    });

    it('names the picture whose size it changed, and passes its errors on', async () => {
      const [crop, image] = [centreCrop({ size: 2 }), { width: 2, height: 2, data: new Uint8Array(12) }];
      const shrink = pictureTransform(() => image);
      await assert.rejects(
        collect(new NumberedDataset(2), { augmentation: [crop, shrink] }),
        (error: Error) => {
          assert.ok(error instanceof ArgumentError);
          assert.match(
            error.message,
            /^pictureTransform of #0 returned 2x2 with 12 bytes, expected .* 4x4 with 48 bytes/,
          );
          return true;
        },
      );
      const nothing = pictureTransform((() => undefined) as never);
      await assert.rejects(
        collect(new NumberedDataset(2), { augmentation: [crop, nothing] }),
        /of #0 returned no picture/,
      );
      const broken = pictureTransform(() => {
        throw new RangeError('not today');
      });
      await assert.rejects(collect(new NumberedDataset(2), { augmentation: [crop, broken] }), /not today/);
    });
  });

  it('gives every batch memory of its own', async () => {
    const batches = await collect(new NumberedDataset(12));
    assert.equal(new Set(batches.map(({ images }) => images.buffer)).size, 3);
  });

  describe('reads ahead', () => {
    for (const prefetch of [0, 1, 3]) {
      it(`of ${prefetch} batches, not of more`, async () => {
        const dataset = new NumberedDataset(100);
        const loading = loadBatches(dataset, { ...OPTIONS, prefetch });
        assert.equal(dataset.begun, 0);
        for (let taken = 1; taken <= 3; taken++) {
          await loading.next();
          await sleep(5);
          assert.equal(dataset.begun, taken + prefetch);
        }
        await loading.return?.();
      });
    }
  });

  describe('ends', () => {
    it('when the consumer leaves the loop: what was being read is aborted and waited for', async () => {
      const dataset = new NumberedDataset(100, { delayMs: (n) => (n === 0 ? 0 : 60_000) });
      for await (const batch of loadBatches(dataset, OPTIONS)) {
        assert.equal(batch.size, 4);
        break;
      }
      assert.equal(dataset.begun, 3);
      assert.equal(dataset.open, 0);
      assert.ok(dataset.signals.every((signal) => signal.aborted));
    });

    it('when it was never begun', async () => {
      const dataset = new NumberedDataset(100);
      const loading = loadBatches(dataset, OPTIONS);
      await loading.return?.();
      assert.deepEqual(await loading.next(), { done: true, value: undefined });
      assert.equal(dataset.begun, 0);
    });

    it('with AbortedError at the signal, in the middle of a read', async () => {
      const controller = new AbortController();
      const dataset = new NumberedDataset(100, { delayMs: (n) => (n < 1 ? 0 : 60_000) });
      const loading = loadBatches(dataset, { ...OPTIONS, signal: controller.signal });
      await loading.next();
      const pending = loading.next();
      setImmediate(() => controller.abort(new Error('enough')));
      await assert.rejects(pending, (error) => {
        assert.ok(error instanceof AbortedError, String(error));
        assert.equal((error.cause as Error).message, 'enough');
        return true;
      });
      assert.equal(dataset.open, 0);
      assert.equal((await loading.next()).done, true);
    });

    it('with AbortedError at the signal, between two batches and before the first', async () => {
      const controller = new AbortController();
      const loading = loadBatches(new NumberedDataset(100), { ...OPTIONS, signal: controller.signal });
      await loading.next();
      controller.abort();
      await assert.rejects(loading.next(), AbortedError);
      const dataset = new NumberedDataset(100);
      await assert.rejects(collect(dataset, { signal: controller.signal }), AbortedError);
      assert.equal(dataset.begun, 0);
    });

    it('with the error of a read, after the batches before it', async () => {
      const dataset = new NumberedDataset(100, { rejectFrom: 2 });
      const seen: number[] = [];
      await assert.rejects(async () => {
        for await (const { indices } of loadBatches(dataset, OPTIONS)) seen.push(indices[0]!);
      }, /read 2 failed/);
      assert.deepEqual(seen, [0, 4]);
      assert.equal(dataset.open, 0);
    });
  });

  it('refuses options out of range, at the call', () => {
    const bad: Partial<LoaderOptions>[] = [
      { batchSize: 0 },
      { batchSize: 1.5 },
      { epoch: -1 },
      { seed: -1 },
      { prefetch: -1 },
      { augmentation: [randomCrop({ size: 5 })] },
      { augmentation: [randomMirror()] },
    ];
    for (const change of bad) {
      assert.throws(() => loadBatches(new NumberedDataset(4), { ...OPTIONS, ...change }), ArgumentError);
    }
  });
});
