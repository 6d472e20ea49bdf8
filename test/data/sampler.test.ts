// The orders of an epoch: what comes how often, and that nothing but seed and epoch decides.
// Invariant: the labels used here are very uneven: 60, 9, 4 and 1 pictures of four classes, and a fifth class without any.

import assert from 'node:assert/strict';
import { epochOrder, type Sampler } from '../../lib/data/sampler.js';

const COUNTS = [60, 9, 4, 1, 0];
const LABELS = Int32Array.from(COUNTS.flatMap((count, label) => new Array<number>(count).fill(label)));
const DATASET = { classNames: ['a', 'b', 'c', 'd', 'e'], labels: LABELS };

function order(sampler: Sampler, { seed = 1, epoch = 0 } = {}): number[] {
  return [...epochOrder(DATASET, { sampler, seed, epoch }).indices];
}

function tally(values: Iterable<number>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

describe('epochOrder', () => {
  it('goes through the dataset once, in its order or shuffled', () => {
    const all = [...LABELS.keys()];
    assert.deepEqual(order('sequential'), all);
    assert.notDeepEqual(order('shuffle'), all);
    assert.deepEqual(
      order('shuffle').toSorted((a, b) => a - b),
      all,
    );
  });

  it('balanced: every class that has pictures comes equally often, within one, in each epoch', () => {
    for (let epoch = 0; epoch < 20; epoch++) {
      const indices = order('balanced', { epoch });
      assert.equal(indices.length, LABELS.length);
      const counts = [...tally(indices.map((index) => LABELS[index]!)).values()];
      assert.equal(counts.length, 4);
      assert.ok(Math.min(...counts) === 18 && Math.max(...counts) === 19, counts.join());
    }
  });

  it('balanced: the pictures of a class come equally often, within one', () => {
    const counts = tally(order('balanced'));
    for (const label of [1, 2, 3]) {
      const ofClass = [...LABELS.keys()]
        .filter((index) => LABELS[index] === label)
        .map((index) => counts.get(index) ?? 0);
      assert.ok(Math.max(...ofClass) - Math.min(...ofClass) <= 1, `${label}: ${ofClass.join()}`);
    }
  });

  it('balanced: over the epochs, all pictures of a large class come about equally often', () => {
    const epochs = 400;
    const large = Array.from({ length: epochs }, (_, epoch) => order('balanced', { epoch }))
      .flat()
      .filter((index) => LABELS[index] === 0);
    const counts = [...tally(large).values()];
    const expected = (epochs * 18.5) / 60; // 123, standard deviation about 9
    assert.equal(counts.length, 60);
    assert.ok(Math.min(...counts) > expected - 45 && Math.max(...counts) < expected + 45, counts.join());
  });

  it('balanced: counts the repetitions of a picture from 0 on', () => {
    const { indices, repeats } = epochOrder(DATASET, { sampler: 'balanced', seed: 1, epoch: 0 });
    for (const [index, count] of tally(indices)) {
      const found = [...repeats!].filter((_, i) => indices[i] === index).sort((a, b) => a - b);
      assert.deepEqual(found, [...Array(count).keys()]);
    }
  });

  it('depends on seed and epoch alone', () => {
    for (const sampler of ['shuffle', 'balanced'] as const) {
      assert.deepEqual(order(sampler), order(sampler));
      assert.notDeepEqual(order(sampler, { epoch: 1 }), order(sampler));
      assert.notDeepEqual(order(sampler, { seed: 2 }), order(sampler));
    }
  });
});
