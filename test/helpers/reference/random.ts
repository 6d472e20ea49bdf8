// Counter-based randomness: a Philox4x32-10 apart from the package's own, and what is drawn from it.
// Invariant: element i depends on nothing but (seed, step, stream, i).
import { map, type NdArray, sizeOf } from './nd-array.js';

const MASK32 = 0xffffffffn;

/**
 * Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 * @param counter four words, @param key two words, each 0 .. 2^32 - 1
 */
export function philox4x32(counter: readonly number[], key: readonly number[]): number[] {
  let [c0, c1, c2, c3] = counter.map(BigInt) as [bigint, bigint, bigint, bigint];
  let [k0, k1] = key.map(BigInt) as [bigint, bigint];
  for (let round = 0; round < 10; round++) {
    const a = c0 * 0xd2511f53n;
    const b = c2 * 0xcd9e8d57n;
    [c0, c1, c2, c3] = [(b >> 32n) ^ c1 ^ k0, b & MASK32, (a >> 32n) ^ c3 ^ k1, a & MASK32];
    k0 = (k0 + 0x9e3779b9n) & MASK32;
    k1 = (k1 + 0xbb67ae85n) & MASK32;
  }
  return [c0, c1, c2, c3].map(Number);
}

/** Where a draw happens. */
export interface RandomAt {
  /** Integer, 0 <= seed < 2^53. */
  readonly seed: number;
  /** uint32. */
  readonly step: number;
  /** uint32; keeps the layers' draws apart. */
  readonly stream: number;
}

/** Word i % 4 of block b = floor(i / 4); counter [lo(b), hi(b), step, stream], key [lo(seed), hi(seed)]. */
export function philoxWords(count: number, { seed, step, stream }: RandomAt): Uint32Array {
  const words = new Uint32Array(count);
  const split = (value: number): [number, number] => [value % 2 ** 32, Math.floor(value / 2 ** 32)];
  for (let block = 0; block * 4 < count; block++) {
    const four = philox4x32([...split(block), step, stream], split(seed));
    words.set(four.slice(0, count - block * 4), block * 4);
  }
  return words;
}

/** 1 where an element is kept: its word >= round(rate * 2^32). */
export function dropoutMask(count: number, rate: number, at: RandomAt): Uint8Array {
  const threshold = Math.round(rate * 2 ** 32);
  return Uint8Array.from(philoxWords(count, at), (word) => (word >= threshold ? 1 : 0));
}

export interface DropoutOptions extends RandomAt {
  /** Fraction that is dropped, 0 <= rate < 1. */
  readonly rate: number;
  /**
   * 'inverted' (Caffe, PyTorch, cuDNN): kept values * 1 / (1 - rate) in training, nothing in evaluation.
   * 'paper' (Hinton et al. 2012): kept values as they are in training, all values * (1 - rate) in evaluation.
   */
  readonly mode: 'inverted' | 'paper';
  readonly training: boolean;
}

/** x of any shape -> y. Dropout is linear in x, so its gradient is dropout(dy) with the same options. */
export function dropout(x: NdArray, options: DropoutOptions): NdArray {
  const { rate, mode, training } = options;
  if (!training) return map(x, (value) => (mode === 'paper' ? value * (1 - rate) : value));
  const kept = dropoutMask(sizeOf(x.shape), rate, options);
  const scale = mode === 'inverted' ? 1 / (1 - rate) : 1;
  return map(x, (value, i) => (kept[i] === 1 ? value * scale : 0));
}

/** The gradient of {@link dropout}. */
export function dropoutBackward(dy: NdArray, options: DropoutOptions): NdArray {
  return dropout(dy, options);
}

/** low + (high - low) * u, u = (word + 1/2) / 2^32: never low, never high. */
export function uniform(count: number, range: { low: number; high: number }, at: RandomAt): Float64Array {
  const { low, high } = range;
  return Float64Array.from(philoxWords(count, at), (word) => low + (high - low) * (word + 0.5) * 2 ** -32);
}

/**
 * Normal distribution by Box and Muller (1958): words (0, 1) of a block make elements 0 and 1, words (2, 3)
 * elements 2 and 3. u_k = (word_k + 1/2) / 2^32, r = sqrt(-2 ln u_0); the even element is
 * mean + std r cos(2 pi u_1), the odd one mean + std r sin(2 pi u_1).
 */
export function gaussian(count: number, shape: { mean: number; std: number }, at: RandomAt): Float64Array {
  const words = philoxWords(count + (count % 2), at);
  const u = Float64Array.from(words, (word) => (word + 0.5) * 2 ** -32);
  return Float64Array.from({ length: count }, (_, i) => {
    const pair = i - (i % 2);
    const r = Math.sqrt(-2 * Math.log(u[pair]!));
    const angle = 2 * Math.PI * u[pair + 1]!;
    return shape.mean + shape.std * r * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
  });
}
