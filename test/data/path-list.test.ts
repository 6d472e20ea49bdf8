// Packed lists of paths: the same as an array of strings, in a fraction of its memory.
// Invariant: paths are made up from a seed; nothing is read from the disk.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { NumberList } from '../../lib/data/number-list.js';
import { PathIndex } from '../../lib/data/path-index.js';
import { PathList } from '../../lib/data/path-list.js';

/** As ImageNet's. */
function imageNetPath(index: number): string {
  return `/data/imagenet/train/n0${1440764 + Math.floor(index / 1300)}/n0${1440764 + Math.floor(index / 1300)}_${index}.JPEG`;
}

const COUNT = 10_000;
const paths = Array.from({ length: COUNT }, (_, i) => imageNetPath(i));

describe('PathList', () => {
  it('gives what was added, in order, one by one and in parts', () => {
    const list = PathList.from(paths);
    assert.equal(PathList.from(list), list);
    assert.equal(list.length, COUNT);
    assert.equal(list.characters, paths.join('').length);
    assert.deepEqual([...list], paths);
    for (const index of [0, 1, 15, 16, 4095, 4096, 8191, 9999, 10_000, -1, -10_000, -10_001, 0.5, NaN]) {
      assert.equal(list.at(index), paths.at(index), `${index}`);
    }
    for (const [start, end] of [
      [4090, 4100],
      [9990, 10_010],
      [0, 0],
    ] as const) {
      assert.deepEqual(list.slice(start, end), paths.slice(start, end));
    }
  });

  it('holds any text: long paths, names in all scripts, paths without anything in common', () => {
    const text = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.string().map((part) => part.repeat(50)),
    );
    const property = fc.property(fc.array(text, { minLength: 1, maxLength: 40 }), (some) => {
      const many = Array.from({ length: 4100 }, (_, i) => some[i % some.length]!);
      const list = PathList.from(many);
      assert.deepEqual([list.at(17), list.at(4095), list.at(4099)], [many[17], many[4095], many[4099]]);
      assert.deepEqual([...list], many);
    });
    fc.assert(property, { seed: 1, numRuns: 50 });
  });

  it('takes fewer than 24 bytes for a path of ImageNet, and shares them with a thread', () => {
    const { chunks, tail, characters } = PathList.from(paths).shared;
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.bytes.byteLength + chunk.starts.byteLength, 0);
    const packed = COUNT - tail.length;
    assert.ok(packed >= 8192 && bytes < 24 * packed, `${bytes} bytes for ${packed} paths`);
    const { chunks: cloned } = structuredClone({ chunks });
    assert.ok(chunks.every(({ bytes: own }, i) => own.buffer instanceof SharedArrayBuffer && cloned[i]));
    assert.deepEqual([...PathList.fromShared({ chunks: cloned, tail, characters })], paths);
  });
});

describe('PathIndex', () => {
  it('finds every path and no other, also those that are added later', () => {
    const index = new PathIndex(PathList.from(paths.slice(0, 5000)));
    for (const [i, path] of paths.entries()) assert.equal(index.find(path), i < 5000 ? i : -1);
    for (const path of paths) index.add(path);
    for (const [i, path] of paths.entries()) assert.equal(index.find(path), i);
    assert.equal(index.find('/data'), -1);
    assert.deepEqual([...index.paths], paths);
  });

  it('says where a path that is added again was first', () => {
    const index = new PathIndex(PathList.from(['a', 'b', 'a']));
    assert.deepEqual([index.add('c'), index.add('b'), index.add('a'), index.add('c')], [-1, 1, 0, 3]);
    assert.equal(index.paths.length, 4);
  });
});

describe('NumberList', () => {
  it('gives what was added', () => {
    const list = new NumberList();
    for (let i = 0; i < 3000; i++) list.push(-i);
    list.push(7, { times: 5000 });
    assert.deepEqual([list.length, list.at(2999), list.at(7999)], [8000, -2999, 7]);
    assert.deepEqual([...list.values.subarray(2998, 3002)], [-2998, -2999, 7, 7]);
    assert.equal(list.values.length, 8000);
  });
});
