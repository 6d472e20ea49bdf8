// The one table of tolerances: how far a backend may be from the float64 reference, and why that far.
// Invariant: every entry has a reason; a test that needs another number changes this table, not its own line.

/** The type that goes in and comes out. Sums are float32 in all of them. */
export type ToleranceDType = 'float32' | 'bfloat16' | 'float16';
type LowPrecision = Exclude<ToleranceDType, 'float32'>;

export interface Tolerance {
  /** Relative to |expected|, element by element. */
  readonly rtol: number;
  /** A fraction of the largest |expected|: rounding errors of a sum are as large where the sum cancels. */
  readonly atolOfMax: number;
  readonly reason: string;
}

type Row = Readonly<Record<'float32', Tolerance>>;

function float32(rtol: number, atolOfMax: number, reason: string): Row {
  return { float32: { rtol, atolOfMax, reason } };
}

const EXACT = 'no arithmetic: values are moved';
const ROUNDING = 'one or two roundings of 6e-8';

const OPS = {
  fill: float32(0, 0, 'the value itself, rounded to float32'),
  gaussian: float32(1e-5, 1e-6, 'log, sqrt, cos in float32; the angle 2 pi u has an error of 4e-7'),
  uniform: float32(1e-6, 2e-7, 'a 32-bit word rounded to 24 bits, then one product and one sum'),
  cast: float32(0, 0, EXACT),
  reshape: float32(0, 0, EXACT),
  affine: float32(1e-6, 2e-7, ROUNDING),
  add: float32(1e-6, 0, ROUNDING),
  multiply: float32(1e-6, 0, ROUNDING),
  sum: float32(1e-5, 0, 'a sum of up to 1e6 values in blocks, which must not cancel'),
  sumSquares: float32(1e-5, 0, 'a sum of up to 1e6 positive values in blocks'),
  clamp: float32(0, 0, EXACT),
  scaleBy: float32(1e-6, 0, ROUNDING),

  conv2dForward: float32(
    1e-4,
    1e-5,
    'sums of up to 3,456 products; 8e-7 of the largest was seen, ten times that by Winograd',
  ),
  conv2dBackwardData: float32(1e-4, 1e-5, 'sums of up to 9,600 products; 1.3e-6 of the largest was seen'),
  conv2dBackwardWeights: float32(
    1e-4,
    2e-5,
    'sums over batch and picture, 387,200 products in conv1; 5e-6 of the largest was seen',
  ),
  linearForward: float32(1e-4, 1e-5, 'sums of 9,216 products; 4e-7 of the largest was seen'),
  linearBackwardData: float32(1e-4, 1e-5, 'sums of 4,096 products; 4e-7 of the largest was seen'),
  linearBackwardWeights: float32(1e-4, 1e-5, 'sums over the batch; 2e-7 of the largest was seen'),

  quantize: float32(0, 0, 'scales in the tests are powers of two'),
  dequantize: float32(0, 0, 'scales in the tests are powers of two'),
  quantizeWeights: float32(1e-6, 0, 'the scale is a quotient; no weight in the tests is near a tie'),
  conv2dInt8: float32(1e-7, 0, 'sums are exact in int32, and rounded once where they become float32'),
  linearInt8: float32(1e-7, 0, 'sums are exact in int32, and rounded once where they become float32'),
  lrnInt8: float32(0, 1 / 140, 'within one integer, of a largest of 140 and more: the power is 3e-5 off'),

  reluForward: float32(0, 0, EXACT),
  reluBackward: float32(0, 0, EXACT),
  tanhForward: float32(1e-6, 1e-6, 'polynomials of a vectorised tanh: a few units in the last place of 1'),
  tanhBackward: float32(1e-5, 1e-6, '1 - y^2 cancels near y = 1'),
  sigmoidForward: float32(1e-5, 1e-6, 'polynomials of a vectorised exp'),
  sigmoidBackward: float32(1e-5, 1e-6, '1 - y cancels near y = 1'),

  lrnForward: float32(1e-5, 1e-6, 'a power in float32, by exp and log or by square roots'),
  lrnBackward: float32(1e-4, 1e-6, 'the difference of two terms of like size, each with a power'),
  lrnWithinForward: float32(1e-5, 1e-6, 'a power in float32, by exp and log or by square roots'),
  lrnWithinBackward: float32(1e-4, 1e-6, 'the difference of two terms of like size, each with a power'),

  maxPool2dForward: float32(0, 0, EXACT),
  maxPool2dBackward: float32(1e-6, 1e-6, 'sums of at most as many gradients as windows overlap'),
  avgPool2dForward: float32(1e-5, 1e-6, 'sums of 9 values of either sign'),
  avgPool2dBackward: float32(1e-5, 1e-6, 'sums of at most as many gradients as windows overlap'),

  lrnMaxPool2dForward: float32(1e-5, 1e-6, 'as lrnForward'),
  lrnMaxPool2dBackward: float32(1e-4, 1e-6, 'as lrnBackward, of sums of a few gradients'),

  dropout: float32(1e-6, 0, 'one product; which elements are kept is exact'),
  softmaxForward: float32(1e-5, 1e-7, 'exp of differences up to 100, each rounded to 4e-6 of itself'),
  softmaxBackward: float32(1e-4, 1e-6, 'dy minus its mean cancels'),
  crossEntropyForward: float32(1e-5, 1e-6, 'log of a sum of exponentials'),
  crossEntropyBackward: float32(1e-5, 1e-6, 'probability minus 1 cancels'),
  labelRank: float32(0, 0, 'comparisons only'),
  topK: float32(0, 0, EXACT),

  sgd: float32(1e-5, 1e-6, 'three products and three sums a step; five steps'),
  updateLossScale: float32(1e-6, 0, 'one quotient or product'),
  average: float32(1e-5, 1e-6, 'a difference, a product and a sum a step; five steps'),
  clipScale: float32(1e-5, 0, 'a root and a quotient; PyTorch adds 1e-6 to the norm'),
  augment: float32(1e-5, 1e-6, 'a difference of two bytes, which cancels, and a quotient'),
} satisfies Record<string, Row>;

/** What `tolerance` looks up: the ops of the op table. */
export type ToleranceKey = keyof typeof OPS;

/** Spacing of the numbers between 1 and 2. */
const SPACING: Readonly<Record<LowPrecision, number>> = { bfloat16: 2 ** -7, float16: 2 ** -10 };

/** Ops of lower precision that round more than their result. */
const ROUNDINGS: { readonly [op in ToleranceKey]?: readonly [count: number, reason: string] } = {
  conv2dForward: [1, 'summed in float32, rounded before and after the fused ReLU'],
  maxPool2dBackward: [2, 'up to four gradients meet in a pixel; a backend may round after each'],
  avgPool2dBackward: [2, 'up to four gradients meet in a pixel; a backend may round after each'],
  lrnMaxPool2dForward: [1, 'a backend may round before it pools'],
  lrnMaxPool2dBackward: [2, 'a backend may round the sum of up to four gradients before and after'],
  tanhBackward: [1, '1 - y^2 in float32 from the rounded y'],
};

/** What float32 arithmetic loses, and the rounding of the result: half a spacing each time. */
function lowPrecision(op: ToleranceKey, dtype: LowPrecision): Tolerance {
  const { rtol, atolOfMax } = OPS[op].float32;
  const [count, reason] = ROUNDINGS[op] ?? [0.5, 'computed in float32, rounded once'];
  const step = count * SPACING[dtype];
  return { rtol: rtol + step, atolOfMax: atolOfMax + (count > 0.5 ? step / 8 : 0), reason };
}

/** rtol and atol for `assertClose`. `expected` sets the scale of atol. */
export function tolerance(
  op: ToleranceKey,
  expected: ArrayLike<number>,
  dtype: ToleranceDType = 'float32',
): { readonly rtol: number; readonly atol: number; readonly reason: string } {
  const { rtol, atolOfMax, reason } = dtype === 'float32' ? OPS[op].float32 : lowPrecision(op, dtype);
  let max = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(expected[i])) max = Math.max(max, Math.abs(expected[i]!));
  }
  return { rtol, atol: atolOfMax * max, reason: `${op}, ${dtype}: ${reason}` };
}

interface NetTolerance {
  /** Largest checksumDifference, or relative difference of a scalar. */
  readonly tolerance: number;
  readonly reason: string;
}

type NetRow = Readonly<Record<'float32', NetTolerance>>;

function net(value: number, reason: string): NetRow {
  return { float32: { tolerance: value, reason } };
}

const NETS = {
  logits: net(1e-5, 'of the largest logit; torch float32 is 6e-7 off, and 5e-6 with its input off by 1e-5'),
  loss: net(1e-5, 'torch float32 is 2e-7 off'),
  activations: net(1e-4, 'torch float32 is 1e-6 off, and 4e-5 with its input off by 1e-5'),
  gradients: net(
    1e-4,
    'torch float32 is 3e-6 off; one maximum or ReLU that falls the other way is 1e-3 and more',
  ),
  trainingLosses: net(
    5e-4,
    'ten steps; torch float32 is 2e-7 to 2e-5 off, 1.4e-4 once a unit of fc6 or fc7 flips',
  ),
  weightUpdates: net(
    5e-2,
    'ten steps of batch 4; 3e-4 to 4e-2 was seen in conv1: one flip in fc7 is 1e-2 of a gradient. ' +
      'Another form of SGD is .4 off, no weight decay .3 in conv1',
  ),
  biasUpdates: net(
    2e-2,
    'ten steps of batch 4; 1e-3 to 1e-2 was seen. No decay of biases is .9 off in conv1 to conv4',
  ),
} satisfies Record<string, NetRow>;

export type NetToleranceKey = keyof typeof NETS;

/** For `assertChecksum`, and for scalars as a relative difference. */
export function netTolerance(quantity: NetToleranceKey): NetTolerance {
  return NETS[quantity].float32;
}
