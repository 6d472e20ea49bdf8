// Deterministic test data without files: value i of seed s is a pure function of (s, i).
// Invariant: the same bits as test/golden/generators.py; a change here or there changes every golden file.

/** MurmurHash3's 32-bit finaliser (A. Appleby) of index * 0x9E3779B1 + seed * 0x85EBCA6B, mod 2^32. */
function hash32(seed: number, index: number): number {
  let h = (Math.imul(index, 0x9e3779b1) + Math.imul(seed, 0x85ebca6b)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * `n` float32 values in [low, high), spaced by (high - low) / 2^24 before they are rounded to float32.
 * @param seed integer, 0 <= seed < 2^32
 */
export function hashUniform(seed: number, n: number, low: number, high: number): Float32Array {
  const values = new Float32Array(n);
  for (let i = 0; i < n; i++) values[i] = low + ((high - low) * (hash32(seed, i) >>> 8)) / 2 ** 24;
  return values;
}

/** `n` class indices in [0, classes). */
export function hashLabels(seed: number, n: number, classes: number): Int32Array {
  return Int32Array.from(hashUniform(seed, n, 0, classes), Math.floor);
}

/** A tensor of hash values, described instead of stored. */
export interface HashSpec {
  readonly shape: readonly number[];
  readonly seed: number;
  readonly low: number;
  readonly high: number;
  /** The last two axes consist of block x block squares of one value: a picture, not noise. Default 1. */
  readonly block?: number;
}

/** The values that a spec describes, row-major. */
export function hashTensor(spec: HashSpec): Float32Array {
  const { shape, seed, low, high, block = 1 } = spec;
  const count = shape.reduce((product, size) => product * size, 1);
  if (block === 1) return hashUniform(seed, count, low, high);
  const height = shape.at(-2)!;
  const width = shape.at(-1)!;
  const rows = Math.ceil(height / block);
  const columns = Math.ceil(width / block);
  const planes = count / (height * width);
  const coarse = hashUniform(seed, planes * rows * columns, low, high);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const column = Math.floor((i % width) / block);
    const row = Math.floor((Math.floor(i / width) % height) / block);
    const plane = Math.floor(i / (height * width));
    values[i] = coarse[(plane * rows + row) * columns + column]!;
  }
  return values;
}
