// Philox against the known answers of its authors, and what is built on it against probability theory.
// Invariant: all draws are seeded, so a statistical check that passes once passes always.

import assert from 'node:assert/strict';
import { ArgumentError } from '../lib/errors.js';
import {
  permutation,
  philox4x32,
  randomWords,
  RandomStream,
  seedKey,
  uniformBelow,
  type Words2,
  type Words4,
} from '../lib/random.js';

const ALL_ONES = 0xffffffff;

describe('philox4x32', () => {
  // Random123, tests/kat_vectors, philox4x32 with 10 rounds.
  const knownAnswers: { counter: Words4; key: Words2; expected: Words4 }[] = [
    { counter: [0, 0, 0, 0], key: [0, 0], expected: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
    {
      counter: [ALL_ONES, ALL_ONES, ALL_ONES, ALL_ONES],
      key: [ALL_ONES, ALL_ONES],
      expected: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    },
    {
      counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      key: [0xa4093822, 0x299f31d0],
      expected: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    },
  ];
  for (const { counter, key, expected } of knownAnswers) {
    it(`gives the known answer for counter ${counter[0].toString(16)}...`, () => {
      assert.deepEqual(philox4x32(counter, key), expected);
    });
  }
});

describe('randomWords', () => {
  it('differs in seed, epoch, index and stream, the upper half of the seed included', () => {
    const base = { seed: 1, epoch: 1, index: 1, stream: RandomStream.holdOut };
    const draws = [
      base,
      { ...base, seed: 2 },
      { ...base, seed: 1 + 2 ** 32 },
      { ...base, epoch: 2 },
      { ...base, index: 2 },
      { ...base, stream: RandomStream.shuffle },
    ];
    assert.equal(new Set(draws.map((draw) => randomWords(draw).join())).size, draws.length);
    assert.deepEqual(randomWords(base), randomWords({ ...base }));
  });

  it('takes every safe integer as a seed and nothing else', () => {
    assert.deepEqual(seedKey(Number.MAX_SAFE_INTEGER), [ALL_ONES, 2 ** 21 - 1]);
    for (const seed of [-1, 0.5, NaN, 2 ** 53]) assert.throws(() => seedKey(seed), ArgumentError);
    const draw = { seed: 0, epoch: 0, index: 0, stream: RandomStream.holdOut };
    assert.throws(() => randomWords({ ...draw, epoch: -1 }), /epoch is -1/);
    assert.throws(() => randomWords({ ...draw, index: 2 ** 32 }), /index is 4294967296/);
  });
});

describe('uniformBelow', () => {
  it('maps the smallest and largest words to 0 and n - 1', () => {
    for (const n of [1, 2, 3, 30, 1_281_167, 2 ** 31 - 1, 2 ** 32]) {
      assert.equal(uniformBelow(n, [0, 0]), 0);
      assert.equal(uniformBelow(n, [ALL_ONES, ALL_ONES]), n - 1);
      assert.equal(uniformBelow(n, [ALL_ONES]), n - 1);
    }
  });

  it('gives each of 30 results about as often as the others', () => {
    const draws = 30_000;
    const counts = new Array<number>(30).fill(0);
    for (let index = 0; index < draws; index++) {
      const [word] = randomWords({ seed: 7, index, stream: RandomStream.holdOut });
      counts[uniformBelow(30, [word])]!++;
    }
    // Chi-square with 29 degrees of freedom exceeds 58.3 once in a thousand.
    assert.ok(chiSquare(counts, draws / 30) < 58.3);
  });
});

describe('permutation', () => {
  it('holds every number once', () => {
    const order = permutation(1000, { seed: 5 });
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      [...Array(1000).keys()],
    );
    assert.equal(permutation(0, { seed: 5 }).length, 0);
  });

  it('depends on seed and epoch only', () => {
    assert.deepEqual(permutation(100, { seed: 5, epoch: 3 }), permutation(100, { seed: 5, epoch: 3 }));
    assert.notDeepEqual(permutation(100, { seed: 5, epoch: 3 }), permutation(100, { seed: 5, epoch: 4 }));
    assert.notDeepEqual(permutation(100, { seed: 5, epoch: 3 }), permutation(100, { seed: 6, epoch: 3 }));
  });

  it('gives each of the 24 orders of four things about as often as the others', () => {
    const counts = new Map<string, number>();
    const draws = 4800;
    for (let epoch = 0; epoch < draws; epoch++) {
      const order = permutation(4, { seed: 11, epoch }).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    assert.equal(counts.size, 24);
    // Chi-square with 23 degrees of freedom exceeds 49.7 once in a thousand.
    assert.ok(chiSquare([...counts.values()], draws / 24) < 49.7);
  });

  it('refuses lengths that are none', () => {
    for (const n of [-1, 1.5, 2 ** 31]) assert.throws(() => permutation(n, { seed: 0 }), ArgumentError);
  });
});

function chiSquare(counts: readonly number[], expected: number): number {
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}
