// Softmax, cross-entropy on logits, and the rank of the true class.
// Invariant: exponentials are taken of differences to the row's maximum, so no finite logit overflows.
import { dims2, type NdArray, zeros } from './nd-array.js';

/** The rows of the last axis. */
function rows(x: NdArray): Float64Array[] {
  const width = x.shape.at(-1)!;
  return Array.from({ length: x.data.length / width }, (_, i) => x.data.subarray(i * width, (i + 1) * width));
}

/** log sum_k exp(x_k). */
function logSumExp(row: Float64Array): number {
  const max = row.reduce((a, b) => Math.max(a, b));
  return max + Math.log(row.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

/** y_k = exp(x_k) / sum_j exp(x_j) over the last axis. */
export function softmax(x: NdArray): NdArray {
  const y = zeros(x.shape);
  rows(x).forEach((row, i) => {
    const max = row.reduce((a, b) => Math.max(a, b));
    const exponentials = row.map((value) => Math.exp(value - max));
    const total = exponentials.reduce((a, b) => a + b);
    y.data.set(
      exponentials.map((value) => value / total),
      i * row.length,
    );
  });
  return y;
}

/** dx_k = y_k (dy_k - sum_j dy_j y_j) over the last axis. */
export function softmaxBackward(y: NdArray, dy: NdArray): NdArray {
  const dx = zeros(y.shape);
  const gradients = rows(dy);
  rows(y).forEach((row, i) => {
    const g = gradients[i]!;
    const mean = row.reduce((sum, value, k) => sum + value * g[k]!, 0);
    dx.data.set(
      row.map((value, k) => value * (g[k]! - mean)),
      i * row.length,
    );
  });
  return dx;
}

/** target[k] = (1 - smoothing) [k = label] + smoothing / K (Szegedy et al. 2016, section 7). */
function target(label: number, classes: number, smoothing: number): Float64Array {
  return Float64Array.from(
    { length: classes },
    (_, k) => (k === label ? 1 - smoothing : 0) + smoothing / classes,
  );
}

/**
 * losses[n] = log sum_k exp(z[n, k]) - sum_k target[n, k] z[n, k], in nats; loss = their mean.
 * logits: [N, K], labels: [N].
 */
export function crossEntropy(
  logits: NdArray,
  labels: ArrayLike<number>,
  { smoothing = 0 }: { readonly smoothing?: number } = {},
): { losses: Float64Array; loss: number } {
  const losses = Float64Array.from(rows(logits), (row, n) => {
    const weights = target(labels[n]!, row.length, smoothing);
    return logSumExp(row) - row.reduce((sum, z, k) => (weights[k] === 0 ? sum : sum + weights[k]! * z), 0);
  });
  return { losses, loss: losses.reduce((a, b) => a + b, 0) / losses.length };
}

/** The gradient of the mean loss: dz[n, k] = (softmax(z)[n, k] - target[n, k]) / N. */
export function crossEntropyBackward(
  logits: NdArray,
  labels: ArrayLike<number>,
  { smoothing = 0 }: { readonly smoothing?: number } = {},
): NdArray {
  const [n, classes] = dims2(logits.shape);
  const dlogits = softmax(logits);
  for (let row = 0; row < n; row++) {
    target(labels[row]!, classes, smoothing).forEach(
      (value, k) => (dlogits.data[row * classes + k]! -= value),
    );
  }
  return { shape: dlogits.shape, data: dlogits.data.map((value) => value / n) };
}

/**
 * How many classes come before the true one: strictly higher logits, and equal ones at a lower index.
 * Top-k is right iff rank < k. A row that holds a NaN has rank = classes: never right. logits: [N, K] -> [N].
 */
export function labelRank(logits: NdArray, labels: ArrayLike<number>): Int32Array {
  return Int32Array.from(rows(logits), (row, n) => {
    const label = labels[n]!;
    if (row.some(Number.isNaN)) return row.length;
    return row.filter((value, k) => value > row[label]! || (value === row[label] && k < label)).length;
  });
}
