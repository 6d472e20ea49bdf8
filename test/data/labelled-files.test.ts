// The stratified hold-out.
// Invariant: train and validation together are the original list, file by file.

import assert from 'node:assert/strict';
import { splitDataset, type LabelledFiles } from '../../lib/data/labelled-files.js';
import { ArgumentError, DataError } from '../../lib/errors.js';

function filesOf(counts: Readonly<Record<string, number>>): LabelledFiles {
  const classNames = Object.keys(counts);
  const labels = classNames.flatMap((name, label) => new Array<number>(counts[name]!).fill(label));
  return {
    classNames,
    labels: Int32Array.from(labels),
    paths: labels.map((label, i) => `${classNames[label]}/${i}.png`),
  };
}

function countsOf({ classNames, labels }: LabelledFiles): Record<string, number> {
  return Object.fromEntries(
    classNames.map((name, label) => [name, labels.filter((l) => l === label).length]),
  );
}

describe('splitDataset', () => {
  const files = filesOf({ many: 100, some: 14, two: 2, single: 1 });

  it('holds out a tenth of every class, at least one, never all', () => {
    const { train, validation } = splitDataset(files, { seed: 1 });
    assert.deepEqual(countsOf(validation), { many: 10, some: 1, two: 1, single: 0 });
    assert.deepEqual(countsOf(train), { many: 90, some: 13, two: 1, single: 1 });
    assert.deepEqual(countsOf(splitDataset(files, { seed: 1, holdOut: 0.99 }).train), {
      many: 1,
      some: 1,
      two: 1,
      single: 1,
    });
  });

  it('loses and doubles no file, and keeps order and labels', () => {
    const { train, validation } = splitDataset(files, { seed: 1, holdOut: 0.3 });
    const paths = [...files.paths];
    assert.deepEqual([...train.paths, ...validation.paths].sort(), [...files.paths].sort());
    for (const part of [train, validation]) {
      assert.deepEqual(part.classNames, files.classNames);
      const positions = [...part.paths].map((path) => paths.indexOf(path));
      assert.deepEqual(
        positions,
        [...positions].sort((a, b) => a - b),
      );
      assert.deepEqual(
        [...part.labels],
        positions.map((i) => files.labels[i]),
      );
    }
  });

  it('depends on the seed only', () => {
    const paths = (seed: number): readonly string[] => [...splitDataset(files, { seed }).validation.paths];
    assert.deepEqual(paths(1), paths(1));
    assert.notDeepEqual(paths(1), paths(2));
  });

  it('holds every file out about as often as the others', () => {
    const counts = new Array<number>(20).fill(0);
    const twenty = filesOf({ a: 20 });
    const paths = [...twenty.paths];
    for (let seed = 0; seed < 1000; seed++) {
      for (const path of splitDataset(twenty, { seed, holdOut: 0.25 }).validation.paths) {
        counts[paths.indexOf(path)]!++;
      }
    }
    // Each is held out 250 times of 1000, with a standard deviation of 13.7.
    assert.ok(Math.max(...counts.map((count) => Math.abs(count - 250))) < 60, counts.join());
  });

  it('refuses fractions that are none, and lists with nothing to hold out', () => {
    for (const holdOut of [0, 1, -0.1, NaN]) {
      assert.throws(() => splitDataset(files, { seed: 1, holdOut }), ArgumentError);
    }
    assert.throws(() => splitDataset(filesOf({ a: 1, b: 1 }), { seed: 1 }), DataError);
  });
});
