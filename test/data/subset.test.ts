// Parts of datasets: chosen indices, a number of each class, and the hold-out.
// Invariant: picture i of the whole has the value i in all pixels and the name 'p<i>'.

import assert from 'node:assert/strict';
import { InMemoryDataset } from '../../lib/data/in-memory-dataset.js';
import { splitDataset, type LabelledFiles } from '../../lib/data/labelled-files.js';
import { limitPerClass, subsetDataset } from '../../lib/data/subset.js';
import type { ImageDataset } from '../../lib/data/types.js';
import { ArgumentError, DataError, DisposedError } from '../../lib/errors.js';

const LABELS = [0, 1, 0, 2, 0, 1, 0, 0, 0, 1];

function whole(): InMemoryDataset {
  return new InMemoryDataset({
    images: Uint8Array.from({ length: LABELS.length * 12 }, (_, i) => Math.floor(i / 12)),
    labels: LABELS,
    classNames: ['a', 'b', 'c'],
    side: 2,
    names: LABELS.map((_, i) => `p${i}`),
  });
}

/** The pictures of a dataset by their values; labels and names must agree with them. */
async function valuesOf(dataset: ImageDataset): Promise<number[]> {
  const out = new Uint8Array(dataset.length * 12);
  const all = [...Array(dataset.length).keys()];
  assert.deepEqual(
    await dataset.read(all, out),
    all.map(() => true),
  );
  const values = all.map((i) => out[i * 12]!);
  assert.deepEqual(
    [...dataset.labels],
    values.map((value) => LABELS[value]),
  );
  assert.deepEqual(
    all.map((i) => dataset.nameOf(i)),
    values.map((value) => `p${value}`),
  );
  return values;
}

describe('subsetDataset', () => {
  it('has the chosen pictures, in the given order, also repeated', async () => {
    const part = subsetDataset(whole(), [7, 3, 3, 0]);
    assert.deepEqual([part.length, part.side, part.classNames], [4, 2, ['a', 'b', 'c']]);
    assert.deepEqual(await valuesOf(part), [7, 3, 3, 0]);
    assert.deepEqual(await valuesOf(subsetDataset(part, [3, 0])), [0, 7]);
  });

  it('reports the failures that are its own, and passes on what cannot be read', async () => {
    const failing: ImageDataset = Object.assign(Object.create(whole()) as ImageDataset, {
      read: async (indices: readonly number[]) => indices.map((index) => index % 2 === 0),
    });
    Object.defineProperties(failing, {
      length: { value: LABELS.length },
      labels: { value: Int32Array.from(LABELS) },
      nameOf: { value: (i: number) => `p${i}` },
      failures: { value: [1, 3, 5].map((i) => ({ path: `p${i}`, reason: 'damaged' })) },
    });
    const part = subsetDataset(failing, [3, 4, 5]);
    assert.deepEqual(await part.read([0, 1, 2], new Uint8Array(36)), [false, true, false]);
    assert.deepEqual(
      part.failures.map(({ path }) => path),
      ['p3', 'p5'],
    );
  });

  it('refuses indices that are no pictures, none at all, and reading when closed; the whole stays open', async () => {
    const dataset = whole();
    assert.throws(
      () => subsetDataset(dataset, [1, 10]),
      /indices\[1\] is 10, expected an integer from 0 to 9/,
    );
    assert.throws(() => subsetDataset(dataset, [0.5]), ArgumentError);
    assert.throws(() => subsetDataset(dataset, []), DataError);
    const part = subsetDataset(dataset, [1]);
    await assert.rejects(part.read([1], new Uint8Array(12)), ArgumentError);
    await part.close();
    await assert.rejects(part.read([0], new Uint8Array(12)), DisposedError);
    assert.deepEqual(await dataset.read([1], new Uint8Array(12)), [true]);
  });
});

describe('limitPerClass', () => {
  it('keeps the first of each class, in their order', async () => {
    assert.deepEqual(await valuesOf(limitPerClass(whole(), { perClass: 2 })), [0, 1, 2, 3, 5]);
  });

  it('draws by the seed, and keeps the order', async () => {
    const drawn = await Promise.all(
      [1, 2, 3, 4].map((seed) => valuesOf(limitPerClass(whole(), { perClass: 2, seed }))),
    );
    for (const values of drawn) {
      assert.deepEqual(values.map((value) => LABELS[value]).toSorted(), [0, 0, 1, 1, 2]);
      assert.deepEqual(
        values.toSorted((a, b) => a - b),
        values,
      );
    }
    assert.ok(new Set(drawn.map(String)).size > 1);
    assert.deepEqual(await valuesOf(limitPerClass(whole(), { perClass: 2, seed: 1 })), drawn[0]);
  });

  it('limits a list of files, too', () => {
    const files: LabelledFiles = {
      classNames: ['a', 'b', 'c'],
      labels: Int32Array.from(LABELS),
      paths: LABELS.map((_, i) => `p${i}`),
    };
    const { paths, labels } = limitPerClass(files, { perClass: 1 });
    assert.deepEqual(
      [[...paths], [...labels]],
      [
        ['p0', 'p1', 'p3'],
        [0, 1, 2],
      ],
    );
  });

  it('refuses a number that is not positive', () => {
    assert.throws(
      () => limitPerClass(whole(), { perClass: 0 }),
      /perClass is 0, expected a positive integer/,
    );
  });
});

describe('splitDataset of a dataset', () => {
  it('holds out the pictures that it would hold out of a list of files', async () => {
    const { train, validation } = splitDataset(whole(), { seed: 5, holdOut: 0.4 });
    const held = await valuesOf(validation);
    const kept = await valuesOf(train);
    assert.deepEqual(held.map((value) => LABELS[value]).toSorted(), [0, 0, 1]);
    assert.deepEqual(
      [...held, ...kept].toSorted((a, b) => a - b),
      [...LABELS.keys()],
    );
    const files: LabelledFiles = {
      classNames: ['a', 'b', 'c'],
      labels: Int32Array.from(LABELS),
      paths: LABELS.map((_, i) => `p${i}`),
    };
    const list = splitDataset(files, { seed: 5, holdOut: 0.4 });
    assert.deepEqual(
      [...list.validation.paths],
      held.map((value) => `p${value}`),
    );
  });
});
