// Iterables of pictures become datasets: arrays, generators, async ones; and what is wrong with a picture is said.
// Invariant: picture i is of one colour, [i, 2 i, 3 i].

import assert from 'node:assert/strict';
import { collectDataset, type LabelledImage } from '../../lib/data/collect.js';
import { AbortedError, ArgumentError, DataError } from '../../lib/errors.js';

function flat(i: number, { width = 6, height = 4 } = {}): LabelledImage['image'] {
  return {
    width,
    height,
    data: Uint8Array.from({ length: width * height * 3 }, (_, k) => i * ((k % 3) + 1)),
  };
}

const CLASSES = ['dog', 'cat', 'dog', 'bird'];
const PICTURES: LabelledImage[] = CLASSES.map((label, i) => ({ image: flat(i), label }));

async function* later(count: number): AsyncGenerator<LabelledImage> {
  for (let i = 0; i < count; i++) {
    await Promise.resolve();
    yield { image: flat(i % 80), label: i % 3, name: `row ${i}` };
  }
}

describe('collectDataset', () => {
  it('scales the pictures of an array, and makes classes of their labels', async () => {
    const dataset = await collectDataset(PICTURES, { side: 5 });
    assert.deepEqual([dataset.length, dataset.side], [4, 5]);
    assert.deepEqual(dataset.classNames, ['bird', 'cat', 'dog']);
    assert.deepEqual([...dataset.labels], [2, 1, 2, 0]);
    assert.equal(dataset.nameOf(3), '#3');
    const out = new Uint8Array(75);
    await dataset.read([2], out);
    assert.deepEqual(
      out,
      Uint8Array.from({ length: 75 }, (_, k) => 2 * ((k % 3) + 1)),
    );
  });

  it('goes through an async generator, and lets timers run meanwhile', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const dataset = await collectDataset(later(200), { side: 64 });
    clearInterval(timer);
    assert.ok(turns >= 2, `${turns}`);
    assert.deepEqual([dataset.length, dataset.classNames], [200, ['0', '1', '2']]);
    assert.deepEqual([dataset.labels[100], dataset.nameOf(100)], [1, 'row 100']);
  });

  it('takes class names, and at most so many pictures of an endless iterable', async () => {
    let ended = false;
    function* endless(): Generator<LabelledImage> {
      try {
        for (;;) yield { image: flat(1), label: 'b' };
      } finally {
        ended = true;
      }
    }
    const dataset = await collectDataset(endless(), { side: 2, classNames: ['a', 'b'], maxPictures: 3 });
    assert.deepEqual([...dataset.labels], [1, 1, 1]);
    assert.deepEqual(dataset.classNames, ['a', 'b']);
    assert.ok(ended, 'the generator was left');
  });

  const bad: [name: string, pictures: LabelledImage[], message: RegExp][] = [
    ['no pictures', [], /there are no pictures/],
    [
      'a size that is not that of the bytes',
      [{ image: { ...flat(1), width: 7 }, label: 0, name: 'x.png' }],
      /x\.png: the picture of 7 x 4 pixels has 72 bytes, expected 84/,
    ],
    [
      'labels of two kinds',
      [...PICTURES, { image: flat(1), label: 1 }],
      /#4: its label is a number, that of #0 a string/,
    ],
    ['a label that is no integer', [{ image: flat(1), label: 0.5 }], /#0: its label is 0\.5, which is none/],
    [
      'a negative label',
      [
        { image: flat(1), label: 0 },
        { image: flat(1), label: -1 },
      ],
      /#1: its label is -1, which is none of the 1 classes/,
    ],
    ['a number far too large', [{ image: flat(1), label: 1e12 }], /its label is 1000000000000/],
  ];
  for (const [name, pictures, message] of bad) {
    it(`refuses ${name}`, () =>
      assert.rejects(collectDataset(pictures, { side: 2 }), (error) => {
        assert.ok(error instanceof DataError, String(error));
        assert.match(error.message, message);
        return true;
      }));
  }

  it('refuses options out of range and class names that lack a label, and stops at the signal', async () => {
    await assert.rejects(collectDataset(PICTURES, { side: 0 }), ArgumentError);
    await assert.rejects(collectDataset(PICTURES, { maxPictures: 0 }), ArgumentError);
    await assert.rejects(
      collectDataset(PICTURES, { classNames: ['dog'], side: 2 }),
      /#1: its label is "cat"/,
    );
    const signal = AbortSignal.abort();
    await assert.rejects(collectDataset(later(5), { side: 2, signal }), AbortedError);
  });
});
