// Fully connected layer.
// Invariant: w is [out, in], as PyTorch and Caffe store it; x is [N, in].
import { relu } from './activations.js';
import { dims2, type NdArray, zeros } from './nd-array.js';

export interface LinearOptions {
  /** y = max(linear, 0). The backwards want the gradient before it: reluBackward(y, dy). Default false. */
  readonly relu?: boolean;
}

/** y[n, o] = b[o] + sum_i x[n, i] w[o, i]. x: [N, I], w: [O, I], b: [O] -> y: [N, O]. */
export function linear(x: NdArray, w: NdArray, b: NdArray | undefined, options: LinearOptions = {}): NdArray {
  const [n, inputs] = dims2(x.shape);
  const [outputs] = dims2(w.shape);
  const y = zeros([n, outputs]);
  for (let row = 0; row < n; row++) {
    for (let o = 0; o < outputs; o++) {
      let sum = b?.data[o] ?? 0;
      for (let i = 0; i < inputs; i++) sum += x.data[row * inputs + i]! * w.data[o * inputs + i]!;
      y.data[row * outputs + o] = sum;
    }
  }
  return options.relu ? relu(y) : y;
}

/** dx[n, i] = sum_o dy[n, o] w[o, i]. dy: before a fused ReLU. */
export function linearBackwardData(dy: NdArray, w: NdArray): NdArray {
  const [n, outputs] = dims2(dy.shape);
  const [, inputs] = dims2(w.shape);
  const dx = zeros([n, inputs]);
  for (let row = 0; row < n; row++) {
    for (let o = 0; o < outputs; o++) {
      const g = dy.data[row * outputs + o]!;
      for (let i = 0; i < inputs; i++) dx.data[row * inputs + i]! += g * w.data[o * inputs + i]!;
    }
  }
  return dx;
}

/** dw[o, i] = sum_n dy[n, o] x[n, i]; db[o] = sum_n dy[n, o]. */
export function linearBackwardWeights(dy: NdArray, x: NdArray): { dw: NdArray; db: NdArray } {
  const [n, outputs] = dims2(dy.shape);
  const [, inputs] = dims2(x.shape);
  const dw = zeros([outputs, inputs]);
  const db = zeros([outputs]);
  for (let row = 0; row < n; row++) {
    for (let o = 0; o < outputs; o++) {
      const g = dy.data[row * outputs + o]!;
      db.data[o]! += g;
      for (let i = 0; i < inputs; i++) dw.data[o * inputs + i]! += g * x.data[row * inputs + i]!;
    }
  }
  return { dw, db };
}
