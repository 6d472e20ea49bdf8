// The golden files of test/golden, typed, and the checksums that stand for large arrays.
// Invariant: the files are read where they were made, in test/golden; nothing is copied to dist.
import { AssertionError } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type HashSpec, hashUniform } from './hash-values.js';
import type { Extent2d, Padding2d } from './reference/nd-array.js';

/** A small array in full, row-major. */
export interface GoldenArray {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** One run of one op. `inputs` are described by hash; `dy` is the gradient that came in. */
export interface OpCase<Inputs extends string, Outputs extends string, Attributes = Record<string, never>> {
  readonly name: string;
  readonly inputs: Readonly<Record<Inputs, HashSpec>>;
  readonly attributes: Attributes;
  readonly outputs: Readonly<Record<Outputs, GoldenArray>>;
}

/** Convolution and linear; `b` and `db` only where there is a bias. dy is the gradient after a fused ReLU. */
type WeightedCase<Attributes> = OpCase<'x' | 'w' | 'dy', 'y' | 'dx' | 'dw', Attributes> & {
  readonly inputs: { readonly b?: HashSpec };
  readonly outputs: { readonly db?: GoldenArray };
};

export interface ConvAttributes {
  readonly stride: Extent2d;
  readonly padding: Padding2d;
  readonly groups: number;
  readonly relu: boolean;
}

/** alpha weighs the plain sum of squares. */
export interface LrnAttributes {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

/** Torch's ceil_mode is written as padding at the bottom and right. */
export interface PoolAttributes {
  readonly kernel: Extent2d;
  readonly stride: Extent2d;
  readonly padding: Padding2d;
}

export interface CrossEntropyCase {
  readonly name: string;
  readonly inputs: { readonly logits: HashSpec };
  readonly labels: readonly number[];
  readonly attributes: { readonly smoothing: number };
  readonly outputs: {
    readonly losses: GoldenArray;
    readonly loss: number;
    readonly dlogits: GoldenArray;
    readonly ranks: GoldenArray;
  };
}

export interface SgdAttributes {
  readonly form: 'paper' | 'pytorch';
  readonly momentum: number;
  readonly decay: number;
  /** The learning rate of each step. */
  readonly rates: readonly number[];
}

export interface SgdCase {
  readonly name: string;
  readonly inputs: { readonly w: HashSpec; readonly g: readonly HashSpec[] };
  readonly attributes: SgdAttributes;
  /** After each step. */
  readonly steps: readonly { readonly w: GoldenArray; readonly v: GoldenArray }[];
}

/** Gradients of several parameters, bounded by the norm of all together, and each value by itself. */
export interface ClipCase {
  readonly name: string;
  readonly inputs: { readonly g: readonly HashSpec[] };
  readonly attributes: { readonly maxNorm: number; readonly maxValue: number };
  readonly outputs: { readonly byNorm: readonly GoldenArray[]; readonly byValue: readonly GoldenArray[] };
}

export interface AugmentCase {
  readonly name: string;
  /** images: 0..256, to be rounded down to bytes. */
  readonly inputs: { readonly images: HashSpec; readonly mean: HashSpec; readonly std: HashSpec };
  /** [N * views] records of 22 values. */
  readonly records: readonly (readonly number[])[];
  readonly attributes: { readonly crop: number };
  readonly outputs: { readonly y: GoldenArray };
}

export interface RandomCase {
  readonly name: string;
  readonly attributes: {
    readonly seed: number;
    readonly step: number;
    readonly stream: number;
    readonly count: number;
    readonly rate: number;
    readonly low: number;
    readonly high: number;
    readonly mean: number;
    readonly std: number;
  };
  readonly outputs: {
    /** 1 where dropout keeps the element. */
    readonly keep: readonly number[];
    readonly uniform: readonly number[];
    readonly gaussian: readonly number[];
  };
}

export interface OpsGolden {
  /** hashUniform(seed, n, low, high). */
  readonly hash: readonly {
    readonly seed: number;
    readonly n: number;
    readonly low: number;
    readonly high: number;
    readonly values: readonly number[];
  }[];
  readonly philox: readonly {
    readonly counter: readonly number[];
    readonly key: readonly number[];
    readonly words: readonly number[];
  }[];
  readonly random: readonly RandomCase[];
  readonly conv2d: readonly WeightedCase<ConvAttributes>[];
  readonly linear: readonly WeightedCase<{ readonly relu: boolean }>[];
  readonly relu: readonly OpCase<'x' | 'dy', 'y' | 'dx'>[];
  readonly tanh: readonly OpCase<'x' | 'dy', 'y' | 'dx'>[];
  readonly sigmoid: readonly OpCase<'x' | 'dy', 'y' | 'dx'>[];
  readonly lrnAcrossChannels: readonly OpCase<
    'x' | 'dy',
    'y' | 'dx',
    LrnAttributes & { readonly channelGroups: number }
  >[];
  readonly lrnWithinChannel: readonly OpCase<'x' | 'dy', 'y' | 'dx', LrnAttributes>[];
  /** argmax: index in the plane [H, W]. */
  readonly maxPool2d: readonly OpCase<'x' | 'dy', 'y' | 'dx' | 'argmax', PoolAttributes>[];
  readonly avgPool2d: readonly OpCase<
    'x' | 'dy',
    'y' | 'dx',
    PoolAttributes & { readonly divisor: 'clipped' | 'full' }
  >[];
  readonly softmax: readonly OpCase<'x' | 'dy', 'y' | 'dx'>[];
  readonly crossEntropy: readonly CrossEntropyCase[];
  readonly sgd: readonly SgdCase[];
  readonly clip: readonly ClipCase[];
  readonly augment: readonly AugmentCase[];
}

/** What stands for a large array. */
export interface Checksum {
  readonly count: number;
  readonly sum: number;
  /** Sum of absolute values. */
  readonly l1: number;
  readonly l2: number;
  /** Dot product with hashUniform(dotSeed, count, -1, 1). */
  readonly dot: number;
  readonly dotSeed: number;
  /** 16 elements, the first and the last among them: floor(k (count - 1) / 15). */
  readonly samples: readonly number[];
}

export type Checksums = Readonly<Record<string, Checksum>>;

/** Forward, loss and backward of one net on one batch. Parameters: `conv1.weight`, `conv1.bias`, ... */
export interface StepGolden {
  readonly input: HashSpec;
  readonly labels: readonly number[];
  readonly parameters: Readonly<Record<string, HashSpec>>;
  readonly logits: GoldenArray;
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  /** After the ReLU where there is one; fc6 and fc7 of AlexNet after dropout. */
  readonly activations: Checksums;
  readonly gradients: Checksums;
  /** How far torch's float32 run strays: {@link checksumDifference}; logits relative to the largest. */
  readonly float32: {
    readonly logits: number;
    readonly loss: number;
    readonly activations: Readonly<Record<string, number>>;
    readonly gradients: Readonly<Record<string, number>>;
  };
}

/** AlexNet: groups 2, LRN n = 5, alpha 1e-4 on the plain sum, beta .75, k 2; conv, ReLU, LRN, pool. */
export interface AlexnetStepGolden extends StepGolden {
  /** Inverted dropout on the outputs of fc6 and fc7. `streams` by layer. */
  readonly dropout: {
    readonly rate: number;
    readonly seed: number;
    readonly step: number;
    readonly streams: Readonly<Record<'fc6' | 'fc7', number>>;
  };
  /** The same net and batch without dropout. */
  readonly evaluation: { readonly logits: GoldenArray; readonly loss: number };
}

/** Ten steps of the same net without dropout. */
export interface AlexnetTrainingGolden {
  readonly attributes: SgdAttributes;
  /** One entry a step, as `labels` and `losses`. */
  readonly inputs: readonly HashSpec[];
  readonly labels: readonly (readonly number[])[];
  readonly parameters: Readonly<Record<string, HashSpec>>;
  /** Before the step's update. */
  readonly losses: readonly number[];
  /** Parameters after the last step. */
  readonly final: Checksums;
  /** Parameters after the last step minus before the first: what the steps did. */
  readonly updates: Checksums;
  readonly float32: {
    readonly losses: readonly number[];
    readonly final: Readonly<Record<string, number>>;
    readonly updates: Readonly<Record<string, number>>;
  };
}

interface GoldenFiles {
  readonly ops: OpsGolden;
  readonly 'alexnet-step': AlexnetStepGolden;
  readonly 'alexnet-training': AlexnetTrainingGolden;
  readonly 'cifar-nets': Readonly<Record<'80sec' | '18pct', StepGolden>>;
}

/** The nearest folder above this file that holds package.json: the same from test/ and from dist/test/. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`golden: no package.json above ${fileURLToPath(import.meta.url)}`);
    folder = parent;
  }
  return folder;
}

export function loadGolden<Name extends keyof GoldenFiles>(name: Name): GoldenFiles[Name] {
  return JSON.parse(
    readFileSync(join(packageRoot(), 'test', 'golden', `${name}.json`), 'utf8'),
  ) as GoldenFiles[Name];
}

const SAMPLES = 16;

/** The checksum of an array, by the same formulas as test/golden/generators.py. */
export function checksum(values: ArrayLike<number>, dotSeed: number): Checksum {
  const count = values.length;
  const hash = hashUniform(dotSeed, count, -1, 1);
  let [sum, l1, squares, dot] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    sum += value;
    l1 += Math.abs(value);
    squares += value * value;
    dot += value * hash[i]!;
  }
  const samples = Array.from(
    { length: SAMPLES },
    (_, k) => values[Math.floor((k * (count - 1)) / (SAMPLES - 1))]!,
  );
  return { count, sum, l1, l2: Math.sqrt(squares), dot, dotSeed, samples };
}

/** A field of a checksum and how far it is off, on the scale that its rounding errors have. */
interface FieldDifference {
  readonly field: string;
  readonly actual: number;
  readonly expected: number;
  readonly difference: number;
}

/**
 * sum and dot cancel: relative to |expected| + l2. l1 and l2: relative to themselves. Samples: relative to
 * |expected| + the root mean square. Of a zero array: absolute.
 */
function fieldDifferences(actual: Checksum, expected: Checksum): FieldDifference[] {
  const rms = expected.l2 / Math.sqrt(expected.count);
  const differ = (field: string, a: number, e: number, scale: number): FieldDifference => ({
    field,
    actual: a,
    expected: e,
    difference: Math.abs(a - e) / (expected.l2 === 0 ? 1 : Math.abs(e) + scale),
  });
  return [
    differ('sum', actual.sum, expected.sum, expected.l2),
    differ('dot', actual.dot, expected.dot, expected.l2),
    differ('l1', actual.l1, expected.l1, 0),
    differ('l2', actual.l2, expected.l2, 0),
    ...expected.samples.map((e, k) => differ(`samples[${k}]`, actual.samples[k]!, e, rms)),
  ];
}

/** The field that is furthest off; NaN counts as furthest. */
function worstField(actual: Checksum, expected: Checksum): FieldDifference {
  return fieldDifferences(actual, expected).reduce((a, b) =>
    Number.isNaN(a.difference) || a.difference >= b.difference ? a : b,
  );
}

/** How far two checksums are apart: 1e-6 is float32's rounding, 1 is another array. */
export function checksumDifference(actual: Checksum, expected: Checksum): number {
  return worstField(actual, expected).difference;
}

/**
 * @param options.tolerance  largest {@link checksumDifference}
 * @throws AssertionError that names the worst field
 */
export function assertChecksum(
  values: ArrayLike<number>,
  expected: Checksum,
  options: { readonly tolerance: number; readonly what: string; readonly reason?: string },
): void {
  const { tolerance, what, reason } = options;
  if (values.length !== expected.count) {
    throw new AssertionError({ message: `${what}: ${values.length} values, expected ${expected.count}` });
  }
  const worst = worstField(checksum(values, expected.dotSeed), expected);
  if (worst.difference <= tolerance) return;
  throw new AssertionError({
    message:
      `${what}: ${worst.field} is ${worst.actual}, expected ${worst.expected} ` +
      `(difference ${worst.difference.toExponential(1)}, tolerance ${tolerance})` +
      (reason === undefined ? '' : `; tolerance: ${reason}`),
    actual: worst.actual,
    expected: worst.expected,
    stackStartFn: assertChecksum,
  });
}
