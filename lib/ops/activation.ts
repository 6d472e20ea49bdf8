// ReLU, tanh and sigmoid, each differentiated from its output.
// Invariant: shapes go through unchanged; the caller owns what is returned.
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { run1 } from './run.js';

interface Labelled {
  /** Named in errors. */
  readonly label?: string | undefined;
}

/** y = max(0, x) */
export function relu<S extends Shape>(
  x: Tensor<'float32', S>,
  { label }: Labelled = {},
): Tensor<'float32', S> {
  return run1('reluForward', { inputs: { x }, label }) as Tensor<'float32', S>;
}

/** dx = dy where y > 0, else 0 */
export function reluBackward<S extends Shape>(
  dy: Tensor<'float32', S>,
  y: Tensor<'float32', S>,
  { label }: Labelled = {},
): Tensor<'float32', S> {
  return run1('reluBackward', { inputs: { y, dy }, label }) as Tensor<'float32', S>;
}

/** y = tanh(x) */
export function tanh<S extends Shape>(
  x: Tensor<'float32', S>,
  { label }: Labelled = {},
): Tensor<'float32', S> {
  return run1('tanhForward', { inputs: { x }, label }) as Tensor<'float32', S>;
}

/** dx = dy (1 - y^2) */
export function tanhBackward<S extends Shape>(
  dy: Tensor<'float32', S>,
  y: Tensor<'float32', S>,
  { label }: Labelled = {},
): Tensor<'float32', S> {
  return run1('tanhBackward', { inputs: { y, dy }, label }) as Tensor<'float32', S>;
}

/** y = 1 / (1 + exp(-x)) */
export function sigmoid<S extends Shape>(
  x: Tensor<'float32', S>,
  { label }: Labelled = {},
): Tensor<'float32', S> {
  return run1('sigmoidForward', { inputs: { x }, label }) as Tensor<'float32', S>;
}

/** dx = dy y (1 - y) */
export function sigmoidBackward<S extends Shape>(
  dy: Tensor<'float32', S>,
  y: Tensor<'float32', S>,
  { label }: Labelled = {},
): Tensor<'float32', S> {
  return run1('sigmoidBackward', { inputs: { y, dy }, label }) as Tensor<'float32', S>;
}
