// Pointwise nonlinearities, forward from x, backward from y.
// Invariant: backward takes the output y, never x, as the layers keep only y.
import { map, type NdArray } from './nd-array.js';

/** y = max(x, 0) (Nair & Hinton 2010). */
export function relu(x: NdArray): NdArray {
  return map(x, (value) => Math.max(value, 0));
}

/** dx = dy where y > 0, else 0; the derivative at 0 is taken as 0. */
export function reluBackward(y: NdArray, dy: NdArray): NdArray {
  return map(dy, (value, i) => (y.data[i]! > 0 ? value : 0));
}

/** y = tanh(x). */
export function tanh(x: NdArray): NdArray {
  return map(x, Math.tanh);
}

/** dx = dy (1 - y^2). */
export function tanhBackward(y: NdArray, dy: NdArray): NdArray {
  return map(dy, (value, i) => value * (1 - y.data[i]! ** 2));
}

/** y = 1 / (1 + exp(-x)). */
export function sigmoid(x: NdArray): NdArray {
  return map(x, (value) => 1 / (1 + Math.exp(-value)));
}

/** dx = dy y (1 - y). */
export function sigmoidBackward(y: NdArray, dy: NdArray): NdArray {
  return map(dy, (value, i) => value * y.data[i]! * (1 - y.data[i]!));
}
