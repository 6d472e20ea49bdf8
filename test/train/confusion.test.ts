// The confusion matrix against counts and ratios made by hand.
// Invariant: the example's numbers can be checked by eye; large ones are there for memory and order alone.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { ConfusionMatrix } from '../../lib/train/index.js';

/** Labels are rows: 3 cats of which 2 are right, 2 dogs both taken for cats, 1 owl right, no newt. */
const ROWS = [
  [2, 1, 0, 0],
  [2, 0, 0, 0],
  [0, 0, 1, 0],
  [0, 0, 0, 0],
];

function example(): ConfusionMatrix {
  const matrix = new ConfusionMatrix(['cat', 'dog', 'owl', 'newt']);
  for (const [label, row] of ROWS.entries()) {
    for (const [predicted, count] of row.entries()) {
      for (let i = 0; i < count; i++) matrix.add(label, predicted);
    }
  }
  return matrix;
}

describe('ConfusionMatrix', () => {
  it('counts every picture once, by its label and the class it was taken for', () => {
    const matrix = example();
    assert.deepEqual(matrix.rows(), ROWS);
    assert.deepEqual([matrix.total, matrix.count(1, 0), matrix.count(0, 3)], [6, 2, 0]);
  });

  it('gives precision, recall and F1 of each class, and NaN where there is nothing to divide by', () => {
    const [cat, dog, owl, newt] = example().classes;
    assert.deepEqual(cat, {
      ...{ className: 'cat', images: 3, predicted: 4, correct: 2 },
      ...{ precision: 2 / 4, recall: 2 / 3, f1: 4 / 7 },
    });
    assert.deepEqual([dog?.precision, dog?.recall, dog?.f1], [0, 0, 0]);
    assert.deepEqual([owl?.precision, owl?.recall, owl?.f1], [1, 1, 1]);
    assert.deepEqual([newt?.precision, newt?.recall, newt?.f1], [NaN, NaN, NaN]);
  });

  it('weighs every class that has pictures the same in its means', () => {
    const { precision, recall, f1 } = example().macro;
    assert.deepEqual([precision, recall, f1], [1.5 / 3, (2 / 3 + 0 + 1) / 3, (4 / 7 + 0 + 1) / 3]);
  });

  it('counts the precision of a class that nothing was taken for as 0 in its mean', () => {
    const matrix = new ConfusionMatrix(['a', 'b']);
    matrix.add(0, 0);
    matrix.add(1, 0);
    assert.equal(matrix.macro.precision, (0.5 + 0) / 2);
  });

  it('lists the most confused classes first, and no class that is right', () => {
    assert.deepEqual(example().confusedPairs(), [
      { className: 'dog', takenFor: 'cat', images: 2, share: 1 },
      { className: 'cat', takenFor: 'dog', images: 1, share: 1 / 3 },
    ]);
    assert.equal(example().confusedPairs(1).length, 1);
  });

  it('writes CSV that keeps names with commas, quotes and line ends apart', () => {
    const matrix = new ConfusionMatrix(['a,b', 'say "x"']);
    matrix.add(0, 1);
    assert.equal(matrix.toCsv(), 'class,"a,b","say ""x"""\n"a,b",0,1\n"say ""x""",0,0\n');
  });

  it('is plain data as JSON: names, and the pairs that occurred', () => {
    assert.deepEqual(JSON.parse(JSON.stringify(example())), {
      classNames: ['cat', 'dog', 'owl', 'newt'],
      entries: [
        [0, 0, 2],
        [0, 1, 1],
        [1, 0, 2],
        [2, 2, 1],
      ],
    });
  });

  it('holds a hundred thousand classes, of which few are confused', () => {
    const matrix = new ConfusionMatrix(Array.from({ length: 100_000 }, (_, i) => `class ${i}`));
    matrix.add(99_999, 99_998);
    matrix.add(0, 99_999);
    assert.deepEqual(matrix.entries(), [
      [0, 99_999, 1],
      [99_999, 99_998, 1],
    ]);
  });

  it('refuses what is no class', () => {
    const matrix = example();
    for (const [label, predicted] of [
      [4, 0],
      [0, -1],
      [0.5, 0],
    ] as const) {
      assert.throws(() => matrix.add(label, predicted), ArgumentError);
    }
    assert.equal(matrix.total, 6);
  });
});
