// Softmax, cross-entropy on logits, ranks and top-k: from class scores to losses and accuracies.
// Invariant: labels are int32 class indices; a label outside the classes fails on the device, with its position.
import { ArgumentError } from '../errors.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { run, run1 } from './run.js';

interface Labelled {
  /** Named in errors. */
  readonly label?: string;
}

export interface CrossEntropyOptions extends Labelled {
  /**
   * Label smoothing: each class gets this share of the target in equal parts, the label what is left (Szegedy et al.
   * 2016; PyTorch's label_smoothing). 0 <= smoothing < 1, default 0.
   */
  readonly smoothing?: number;
}

function smoothingOf({ smoothing = 0, label }: CrossEntropyOptions): number {
  if (smoothing >= 0 && smoothing < 1) return smoothing;
  throw new ArgumentError(
    `${label ?? 'crossEntropy'}: smoothing must be at least 0 and below 1, got ${smoothing}.`,
  );
}

type Scores<N extends number> = Tensor<'float32', readonly [N, number]>;
type Labels = Tensor<'int32', readonly [number]>;

/** Over the last dimension: y_i = exp(x_i) / sum of exp(x_j). The caller owns y. */
export function softmax<S extends Shape>(
  x: Tensor<'float32', S>,
  options: Labelled = {},
): Tensor<'float32', S> {
  return run1('softmaxForward', { inputs: { x }, label: options.label }) as Tensor<'float32', S>;
}

/** dx_i = y_i (dy_i - sum of dy_j y_j). The caller owns dx. */
export function softmaxBackward<S extends Shape>(
  dy: Tensor<'float32', S>,
  y: Tensor<'float32', S>,
  options: Labelled = {},
): Tensor<'float32', S> {
  return run1('softmaxBackward', { inputs: { y, dy }, label: options.label }) as Tensor<'float32', S>;
}

/**
 * Mean of -log softmax(logits)[label] over the batch, in nats; of the sum of -target log softmax(logits) where labels
 * are smoothed. logits: [N, classes], labels: [N].
 * @returns the loss (a scalar) and the probabilities [N, classes] that its gradient needs; the caller owns both
 */
export function crossEntropy<N extends number>(
  logits: Scores<N>,
  labels: Labels,
  options: CrossEntropyOptions = {},
): { loss: Tensor<'float32', readonly []>; probabilities: Scores<N> } {
  const [loss, probabilities] = run('crossEntropyForward', {
    inputs: { logits, labels },
    attributes: { smoothing: smoothingOf(options) },
    label: options.label,
  }) as [Tensor<'float32', readonly []>, Scores<N>];
  return { loss, probabilities };
}

/** Gradient of the mean loss: (probabilities - target) / N; the target is one-hot, or smoothed. The caller owns it. */
export function crossEntropyBackward<N extends number>(
  probabilities: Scores<N>,
  labels: Labels,
  options: CrossEntropyOptions = {},
): Scores<N> {
  return run1('crossEntropyBackward', {
    inputs: { probabilities, labels },
    attributes: { smoothing: smoothingOf(options) },
    label: options.label,
  }) as Scores<N>;
}

/**
 * How many classes score above the true one: 0 is top-1 correct, below 5 is top-5 correct. Among equal scores the
 * lower class comes first; a row with a NaN ranks last: `classes`. logits: [N, classes], labels: [N] -> rank: [N]; the caller owns it.
 */
export function labelRank(logits: Scores<number>, labels: Labels, options: Labelled = {}): Labels {
  return run1('labelRank', { inputs: { logits, labels }, label: options.label }) as Labels;
}

/** The k largest of each row, largest first. x: [N, classes] -> values and indices: [N, k]; the caller owns both. */
export function topK<N extends number, const K extends number>(
  x: Scores<N>,
  options: Labelled & { readonly k: K },
): { values: Tensor<'float32', readonly [N, K]>; indices: Tensor<'int32', readonly [N, K]> } {
  const [values, indices] = run('topK', {
    inputs: { x },
    attributes: { k: options.k },
    label: options.label,
  }) as [Tensor<'float32', readonly [N, K]>, Tensor<'int32', readonly [N, K]>];
  return { values, indices };
}
