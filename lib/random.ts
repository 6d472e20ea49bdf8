// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3").
// Invariant: everything here is a pure function of its arguments; nothing is remembered between two calls.

import { ArgumentError } from './errors.js';

/** Four 32-bit words, each an integer 0..2^32-1. */
export type Words4 = [number, number, number, number];

/** Two 32-bit words, each an integer 0..2^32-1. */
export type Words2 = [number, number];

/**
 * What a number is drawn for. Two purposes never share a stream, so that drawing more for one leaves the other as it
 * was. The values are part of the reproducibility promise: a number is never reused or changed.
 */
export const RandomStream = {
  /** Order of the pictures in an epoch. */
  shuffle: 0,
  // 1 was once the position of crops, and is not used again.
  /** Which pictures of a class are held out for validation. */
  holdOut: 2,
  /** Which pictures a class-balanced epoch repeats or leaves out. */
  balance: 3,
  /** Which pictures of a class are kept where their number is limited. */
  limit: 4,
  /** Initial weights: this plus the parameter's position in its network. */
  parameters: 1000,
  /** How a picture is changed: this plus 4096 times the step's position in the augmentation, plus the block drawn. */
  augmentation: 2 ** 24,
} as const;

/** Steps of an augmentation, and blocks of four words that a step may draw for a picture. */
const AUGMENTATION_LIMIT = 4096;

/**
 * The stream of one block of four words of one step of an augmentation.
 * @throws ArgumentError if either is not below 4096
 */
export function augmentationStream(position: number, block: number): number {
  if (position >= AUGMENTATION_LIMIT || block >= AUGMENTATION_LIMIT) {
    throw new ArgumentError(
      `step ${position} of an augmentation draws its block ${block} of numbers; both must be below ${AUGMENTATION_LIMIT}`,
    );
  }
  return RandomStream.augmentation + position * AUGMENTATION_LIMIT + block;
}

/** Names one draw. `index` and `epoch` are integers 0..2^32-1, `epoch` is 0 by default. */
export interface Draw {
  readonly seed: number;
  readonly epoch?: number;
  /** Which item of the stream: the picture's index in its dataset, the step of a shuffle. */
  readonly index: number;
  /** One of RandomStream, or a number that is counted from one. */
  readonly stream: number;
}

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const TWO_32 = 2 ** 32;

/** Upper 32 bits of the 64-bit product of two unsigned 32-bit integers. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const low = Math.imul(aLow, bLow) >>> 0;
  const cross = aHigh * bLow + (low >>> 16);
  const middle = (cross & 0xffff) + aLow * bHigh;
  return (aHigh * bHigh + Math.floor(cross / 0x10000) + Math.floor(middle / 0x10000)) >>> 0;
}

/**
 * Philox4x32-10, bit for bit as in the Random123 library.
 * @param counter names the draw; every counter gives four words of its own
 * @param key     names the sequence
 * @returns four words, uniform over 0..2^32-1
 */
export function philox4x32(counter: Readonly<Words4>, key: Readonly<Words2>): Words4 {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/**
 * A seed as a Philox key: its lower and upper 32 bits.
 * @throws ArgumentError if `seed` is not an integer 0..2^53-1
 */
export function seedKey(seed: number): Words2 {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`seed is ${seed}, expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  return [seed % TWO_32, Math.floor(seed / TWO_32)];
}

/**
 * Four random words for one draw. The counter is (index, 0, epoch, stream), the key is the seed.
 * @throws ArgumentError if `seed`, `epoch` or `index` is out of range
 */
export function randomWords({ seed, epoch = 0, index, stream }: Draw): Words4 {
  return philox4x32([asWord('index', index), 0, asWord('epoch', epoch), stream], seedKey(seed));
}

function asWord(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= TWO_32) {
    throw new ArgumentError(`${name} is ${value}, expected an integer from 0 to ${TWO_32 - 1}`);
  }
  return value;
}

/**
 * A uniform integer 0..n-1 from one or two random words. The probabilities of two results differ by a factor of at
 * most 1 + n / 2^32 with one word, 1 + n / 2^53 with two.
 * @param n     number of results, 1..2^32
 * @param words `[word]` or `[word, word]`
 */
export function uniformBelow(n: number, words: readonly [number, number?]): number {
  const fraction = words[0] / TWO_32 + ((words[1] ?? 0) >>> 11) / 2 ** 53;
  return Math.floor(fraction * n);
}

/**
 * The numbers 0..n-1 in random order (Fisher-Yates): the same for the same seed, epoch and n on every machine.
 * @param n length, 0..2^31-1
 * @throws ArgumentError if `n`, `seed` or `epoch` is out of range
 */
export function permutation(n: number, { seed, epoch = 0 }: { seed: number; epoch?: number }): Int32Array {
  if (!Number.isInteger(n) || n < 0 || n >= 2 ** 31) {
    throw new ArgumentError(`cannot shuffle ${n} items, expected an integer from 0 to ${2 ** 31 - 1}`);
  }
  const order = Int32Array.from({ length: n }, (_, i) => i);
  for (let last = n - 1; last > 0; last--) {
    const [high, low] = randomWords({ seed, epoch, index: last, stream: RandomStream.shuffle });
    const other = uniformBelow(last + 1, [high, low]);
    const held = order[last]!;
    order[last] = order[other]!;
    order[other] = held;
  }
  return order;
}
