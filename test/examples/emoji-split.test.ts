// How the demo keeps what it is tested on out of what it is trained on.
// Invariant: the emoji here are real code points; their pictures are stand-ins, named by their own code points unless said.

import assert from 'node:assert/strict';
import { conceptOf, splitEmoji, type Emoji, type SplitEmoji } from '../../examples/demo/emoji-split.js';

const emoji = (category: string, unified: string, pictures = [`picture of ${unified}`]): Emoji => ({
  category,
  unified,
  pictures,
});

/** Code points that stand for things of their own, in a row. */
const row = (category: string, first: number, count: number): Emoji[] =>
  Array.from({ length: count }, (_, i) => emoji(category, (first + i).toString(16).toUpperCase()));

const countOf = (members: readonly SplitEmoji[], category: string, split: string): number =>
  members.filter((member) => member.category === category && member.split === split).length;

describe('conceptOf', () => {
  const same: [what: string, unified: string[]][] = [
    ['farmers', ['1F468-200D-1F33E', '1F469-200D-1F33E', '1F9D1-200D-1F33E', '1F9D1-1F3FB-200D-1F33E']],
    ['runners', ['1F3C3', '1F3C3-200D-2640-FE0F', '1F3C3-200D-2642-FE0F-200D-27A1-FE0F', '1F3C3-1F3FF']],
    [
      'adults',
      ['1F468', '1F469', '1F474', '1F468-200D-1F9B0', '1F471-200D-2640-FE0F', '1F9D4-200D-2642-FE0F'],
    ],
    [
      'couples and families',
      ['1F46A', '1F468-200D-1F469-200D-1F466', '1F9D1-200D-1F91D-200D-1F9D1', '1F491'],
    ],
    ['bears', ['1F43B', '1F43B-200D-2744-FE0F']],
    ['royalty', ['1F934', '1F478', '1FAC5']],
    ['Clauses', ['1F385', '1F936', '1F9D1-200D-1F384']],
    ['fists to either side', ['1F91B', '1F91C']],
  ];
  for (const [what, unified] of same) {
    it(`is one for ${what}`, () => assert.equal(new Set(unified.map(conceptOf)).size, 1));
  }

  it('differs where the thing differs', () => {
    const different = [
      '1F468-200D-1F33E', // farmer
      '1F468-200D-1F373', // cook
      '1F33E', // rice
      '1F468', // man
      '1F467', // girl
      '1F43B', // bear
      '1F1E9-1F1EA', // flags
      '1F1E9-1F1F0',
      '1F1E8-1F1E9',
      '0031-FE0F-20E3', // keys
      '0032-FE0F-20E3',
      '1F3F4-E0067-E0062-E0065-E006E-E0067-E007F', // flags of England and Scotland
      '1F3F4-E0067-E0062-E0073-E0063-E0074-E007F',
      '2640-FE0F', // signs that elsewhere only vary an emoji
      '2642-FE0F',
    ];
    assert.equal(new Set(different.map(conceptOf)).size, different.length);
  });
});

describe('splitEmoji', () => {
  it('puts a tenth of every class into val and test each, and every emoji somewhere', () => {
    const list = [...row('animals', 0x1f400, 60), ...row('food', 0x1f345, 40)];
    const members = splitEmoji(list, { mostPerClass: 100 });
    assert.equal(members.length, 100);
    assert.equal(new Set(members.map(({ unified }) => unified)).size, 100);
    const counts = ['train', 'val', 'test'].map((split) => [
      countOf(members, 'animals', split),
      countOf(members, 'food', split),
    ]);
    assert.deepEqual(counts, [
      [48, 32],
      [6, 4],
      [6, 4],
    ]);
  });

  it('keeps variants, and emoji that share a drawing, in one split', () => {
    const things = row('things', 0x1f400, 40).flatMap(({ unified }, i) => [
      emoji('things', unified, [`drawing ${Math.floor(i / 2)}`, `other drawing ${i}`]),
      emoji('things', `${unified}-200D-2640-FE0F`),
    ]);
    const members = splitEmoji(things, { mostPerClass: 1000 });
    const splitOf = new Map(members.map(({ unified, split }) => [unified, split]));
    assert.deepEqual(new Set(splitOf.values()), new Set(['train', 'val', 'test']));
    for (let i = 0; i < things.length; i += 4) {
      const four = things.slice(i, i + 4).map(({ unified }) => splitOf.get(unified));
      assert.equal(new Set(four).size, 1, four.join());
    }
  });

  it('keeps concepts in one split across classes', () => {
    const list = row('a', 0x1f400, 50).flatMap(({ unified }) => [
      emoji('a', unified),
      emoji('b', `${unified}-200D-2B1B`),
    ]);
    const members = splitEmoji(list, { mostPerClass: 1000 });
    const splitOf = new Map(members.map(({ unified, split }) => [unified, split]));
    for (const { unified } of row('a', 0x1f400, 50)) {
      assert.equal(splitOf.get(unified), splitOf.get(`${unified}-200D-2B1B`));
    }
    assert.deepEqual([countOf(members, 'b', 'val'), countOf(members, 'b', 'test')], [5, 5]);
  });

  it('cuts large classes down, variants first', () => {
    const list = [
      ...row('large', 0x1f400, 50).flatMap((one) => [one, emoji('large', `${one.unified}-200D-2642-FE0F`)]),
      ...row('small', 0x1f500, 20),
    ];
    const members = splitEmoji(list, { mostPerClass: 60 });
    const large = members.filter(({ category }) => category === 'large');
    assert.equal(large.length, 60);
    assert.equal(large.filter(({ unified }) => !unified.includes('-')).length, 50);
    assert.equal(members.length, 80);
  });

  it('gives the same result for the same list', () => {
    const list = row('animals', 0x1f400, 60);
    assert.deepEqual(splitEmoji(list, { mostPerClass: 50 }), splitEmoji([...list], { mostPerClass: 50 }));
  });
});
