// Fully connected layers and their gradients.
// Invariant: weights are [outFeatures, inFeatures], as in PyTorch: y = x w^T + b.
import type { FloatDType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { run, run1 } from './run.js';

/**
 * x: [N, I], w: [O, I], b: [O] -> y: [N, O], of x's type; see {@link conv2d} for weights and lower precision. The caller
 * owns y.
 * @param options.relu  apply max(0, y) in the same pass; default false
 * @throws ShapeError, DTypeError
 */
export function linear<D extends FloatDType, N extends number, O extends number>(
  x: Tensor<D, readonly [N, number]>,
  w: Tensor<'float32', readonly [O, number]>,
  options: {
    readonly b?: Tensor<'float32'> | undefined;
    readonly relu?: boolean;
    readonly label?: string;
  } = {},
): Tensor<D, readonly [N, O]> {
  return run1('linearForward', {
    inputs: { x, w, b: options.b },
    attributes: { relu: options.relu ? 1 : 0 },
    label: options.label,
  }) as Tensor<D, readonly [N, O]>;
}

/** Gradient of the input. dy: [N, O], w: [O, I] -> dx: [N, I]. The caller owns dx. */
export function linearBackwardData<D extends FloatDType>(
  dy: Tensor<D>,
  w: Tensor<'float32'>,
  options: { readonly label?: string } = {},
): Tensor<D, readonly [number, number]> {
  return run1('linearBackwardData', { inputs: { w, dy }, label: options.label }) as Tensor<
    D,
    readonly [number, number]
  >;
}

/** Gradients of weights and bias. x: [N, I], dy: [N, O] -> dw: [O, I], db: [O] unless `bias` is false, float32. */
export function linearBackwardWeights<D extends FloatDType>(
  x: Tensor<D>,
  dy: Tensor<D>,
  options: { readonly bias?: boolean; readonly label?: string } = {},
): { dw: Tensor<'float32'>; db: Tensor<'float32'> | null } {
  const [dw, db] = run('linearBackwardWeights', {
    inputs: { x, dy },
    without: options.bias === false ? ['db'] : [],
    label: options.label,
  }) as [Tensor<'float32'>, Tensor<'float32'> | null];
  return { dw, db };
}
