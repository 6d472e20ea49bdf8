// ReLU, tanh and sigmoid, each differentiated from its output.
// Invariant: shapes go through unchanged; the caller owns what is returned.
import type { FloatDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { run1 } from './run.js';

interface Labelled {
  /** Named in errors. */
  readonly label?: string | undefined;
}

/** y = max(0, x) */
export function relu<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  { label }: Labelled = {},
): Tensor<D, S> {
  return run1('reluForward', { inputs: { x }, label }) as Tensor<D, S>;
}

/** dx = dy where y > 0, else 0 */
export function reluBackward<D extends FloatDType, S extends Shape>(
  dy: Tensor<D, S>,
  y: Tensor<D, S>,
  { label }: Labelled = {},
): Tensor<D, S> {
  return run1('reluBackward', { inputs: { y, dy }, label }) as Tensor<D, S>;
}

/** y = tanh(x) */
export function tanh<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  { label }: Labelled = {},
): Tensor<D, S> {
  return run1('tanhForward', { inputs: { x }, label }) as Tensor<D, S>;
}

/** dx = dy (1 - y^2) */
export function tanhBackward<D extends FloatDType, S extends Shape>(
  dy: Tensor<D, S>,
  y: Tensor<D, S>,
  { label }: Labelled = {},
): Tensor<D, S> {
  return run1('tanhBackward', { inputs: { y, dy }, label }) as Tensor<D, S>;
}

/** y = 1 / (1 + exp(-x)) */
export function sigmoid<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  { label }: Labelled = {},
): Tensor<D, S> {
  return run1('sigmoidForward', { inputs: { x }, label }) as Tensor<D, S>;
}

/** dx = dy y (1 - y) */
export function sigmoidBackward<D extends FloatDType, S extends Shape>(
  dy: Tensor<D, S>,
  y: Tensor<D, S>,
  { label }: Labelled = {},
): Tensor<D, S> {
  return run1('sigmoidBackward', { inputs: { y, dy }, label }) as Tensor<D, S>;
}
