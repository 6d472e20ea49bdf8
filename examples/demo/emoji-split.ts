// Decides which emoji are trained on and which are kept for validation and test.
// Invariant: emoji that show the same thing (another gender, hair or direction; pixel for pixel the same flag) are in one
// split; the result depends on the list of emoji only.

import { createHash } from 'node:crypto';

/** An emoji as the split sees it. */
export interface Emoji {
  /** Code points in hexadecimal, joined by dashes: '1F468-200D-1F33E'. */
  readonly unified: string;
  /** Its class. */
  readonly category: string;
  /** Hashes of its drawings: emoji that have one in common look the same. */
  readonly pictures: readonly string[];
}

export type Split = 'train' | 'val' | 'test';

export interface SplitEmoji extends Emoji {
  readonly split: Split;
}

/** Part of every class, in emoji, that goes to val, and to test. */
const HELD_OUT = 0.1;

/** Code points that only vary an emoji: joiner, variation selector, skin tones, genders, hair, directions. */
const VARIATION = /^(200D|FE0F|1F3F[B-F]|2640|2642|1F9B[0-3]|27A1|2194|2195)$/;

/** Adults of any gender, age, beard or hair colour. */
const PERSON = /^(1F468|1F469|1F9D1|1F474|1F475|1F9D3|1F9D4|1F471)$/;
const CHILD = /^(1F466|1F467|1F9D2|1F476)$/;
/** Families, couples and friends with a code point of their own. */
const TOGETHER = /^(1F46A|1F46B|1F46C|1F46D|1F48F|1F491)$/;

/** The same thing under several code points: by gender, or mirrored. Each to the first of its kind. */
const SAME: Readonly<Record<string, string>> = {
  '1F936': '1F385', // Mrs Claus, Santa
  '1F384': '1F385', // the Claus of any gender is a person with a Christmas tree
  '1F478': '1F934', // princess, prince
  '1FAC5': '1F934', // person with crown
  '1F57A': '1F483', // man dancing, woman dancing
  '1FAC3': '1F930', // pregnant man, woman
  '1FAC4': '1F930', // pregnant person
  '1F37C': '1F931', // feeding a baby with a bottle, at the breast
  '1F449': '1F448', // pointing right, left
  '1F91C': '1F91B', // fist to the right, to the left
  '1FAF2': '1FAF1', // hand to the left, to the right
  '1FAF8': '1FAF7', // pushing to the right, to the left
};

/**
 * What an emoji shows, whatever its variant: the man and the woman farmer are one concept, the polar bear is a bear.
 * @param unified code points in hexadecimal, joined by dashes
 */
export function conceptOf(unified: string): string {
  const all = unified
    .toUpperCase()
    .split('-')
    .filter((code) => !VARIATION.test(code));
  if (all.length === 0) return unified.toUpperCase(); // a gender sign or an arrow by itself
  const people = all.filter((code) => PERSON.test(code) || CHILD.test(code));
  const [first = ''] = all;
  if (people.length > 1 || TOGETHER.test(first)) return 'people together';
  if (people.length === 0) return isIndivisible(all) ? all.join('-') : (SAME[first] ?? first);
  const [activity] = all.filter((code) => !people.includes(code));
  if (activity === undefined) return CHILD.test(first) ? 'child' : 'person';
  return SAME[activity] ?? `person ${activity}`;
}

/** Flags of countries and regions, keys: their code points mean nothing one by one. */
function isIndivisible(codes: readonly string[]): boolean {
  return codes.some((code) => /^(1F1E[6-9A-F]|1F1F[0-9A-F]|E00[2-7][0-9A-F]|20E3)$/.test(code));
}

/**
 * Takes at most `mostPerClass` emoji of every class, variants of one concept last, and puts each concept into one split:
 * about a tenth of every class into test and into val, the rest into train.
 */
export function splitEmoji(
  emoji: readonly Emoji[],
  { mostPerClass }: { mostPerClass: number },
): SplitEmoji[] {
  const groups = groupsOf(emoji);
  const classes = [...new Set(emoji.map(({ category }) => category))].sort();
  const taken = classes.map((category) => takeFromClass(groups, category, mostPerClass));
  const splitOf = new Map<string, Split>();
  for (const members of taken) assignClass(members, groups, splitOf);
  return taken.flat().map((member) => ({ ...member, split: splitOf.get(groups.get(member)!)! }));
}

/** Each emoji's group: its concept, joined with the concepts of emoji that have a picture in common with it. */
function groupsOf(emoji: readonly Emoji[]): Map<Emoji, string> {
  const parents = new Map<string, string>();
  const rootOf = (key: string): string => {
    let root = key;
    for (let next = parents.get(root); next !== undefined; next = parents.get(root)) root = next;
    return root;
  };
  for (const { unified, pictures } of emoji) {
    for (const picture of pictures) {
      const [concept, same] = [rootOf(`concept ${conceptOf(unified)}`), rootOf(`picture ${picture}`)];
      if (concept !== same) parents.set(same, concept);
    }
  }
  return new Map(emoji.map((member) => [member, rootOf(`concept ${conceptOf(member.unified)}`)]));
}

/** The first of every group, then the second of every group, and so on; groups in the order of their hashes. */
function takeFromClass(groups: ReadonlyMap<Emoji, string>, category: string, most: number): Emoji[] {
  const seen = new Map<string, number>();
  const ranked = [...groups]
    .filter(([member]) => member.category === category)
    .map(([member, group]) => {
      const rank = seen.get(group) ?? 0;
      seen.set(group, rank + 1);
      return { member, rank, hash: hashOf(group) };
    });
  ranked.sort((a, b) => a.rank - b.rank || compare(a.hash, b.hash));
  return ranked.slice(0, most).map(({ member }) => member);
}

/** Fills test, then val, with whole groups in the order of their hashes, as long as they fit; the rest is train. */
function assignClass(
  members: readonly Emoji[],
  groups: ReadonlyMap<Emoji, string>,
  splitOf: Map<string, Split>,
): void {
  const sizes = new Map<string, number>();
  for (const member of members) {
    const group = groups.get(member)!;
    sizes.set(group, (sizes.get(group) ?? 0) + 1);
  }
  const quota = Math.round(members.length * HELD_OUT);
  const room: Record<Split, number> = { test: quota, val: quota, train: Infinity };
  for (const [group, size] of sizes) {
    const split = splitOf.get(group);
    if (split) room[split] -= size;
  }
  const open = [...sizes].filter(([group]) => !splitOf.has(group));
  for (const [group, size] of open.sort(([a], [b]) => compare(hashOf(a), hashOf(b)))) {
    const split = (['test', 'val'] as const).find((name) => size <= room[name]) ?? 'train';
    splitOf.set(group, split);
    room[split] -= size;
  }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
