// Convolution and its gradients.
// Invariant: cross-correlation, as in every framework: the kernel is not flipped.
import { ArgumentError } from '../errors.js';
import type { OutputSpec } from '../tensor/device.js';
import type { FloatDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { padding2d, size2d, type Padding2d, type Size2d } from './geometry.js';
import { conv2dForward } from './rules.js';
import { run, run1 } from './run.js';

export interface Conv2dOptions {
  /** Default 1. */
  readonly stride?: Size2d;
  /** Zeros around the input. Default 0. */
  readonly padding?: Padding2d;
  /** Input and output channels are split into this many independent convolutions. Default 1. */
  readonly groups?: number;
  /** Named in errors. */
  readonly label?: string;
}

/** @internal */
export function attributesOf(options: Conv2dOptions): Record<string, number> {
  const label = options.label ?? 'conv2d';
  const groups = options.groups ?? 1;
  if (!Number.isInteger(groups) || groups < 1) {
    throw new ArgumentError(`${label}: groups must be a positive integer, got ${groups}.`);
  }
  const [strideH, strideW] = size2d(options.stride ?? 1, `${label}: stride`);
  return { strideH, strideW, ...padding2d(options.padding, label), groups };
}

/**
 * Shape of {@link conv2d}'s output, without computing it.
 * @throws ShapeError
 */
export function conv2dShape(x: Shape, w: Shape, options: Conv2dOptions = {}): Shape {
  const float32 = (shape: Shape) => ({ dtype: 'float32', shape }) as const;
  const inputs = { x: float32(x), w: float32(w) };
  const context = {
    label: options.label ?? 'conv2d',
    inputs,
    attributes: attributesOf(options),
    result: undefined,
  };
  return (conv2dForward(context)[0] as OutputSpec).shape;
}

/**
 * x: [N, C, H, W], w: [O, C / groups, KH, KW], b: [O] -> y: [N, O, OH, OW] with
 * OH = floor((H + padding - KH) / stride) + 1. The caller owns y.
 *
 * y has x's type. Weights and bias are float32 whatever that is: for lower precision the device keeps a rounded copy of w
 * beside it, until w changes, and sums in float32.
 * @param options.relu  apply max(0, y) in the same pass; default false
 * @throws ShapeError, DTypeError
 */
export function conv2d<D extends FloatDType>(
  x: Tensor<D, readonly [number, number, number, number]>,
  w: Tensor<'float32', readonly [number, number, number, number]>,
  options: Conv2dOptions & { readonly b?: Tensor<'float32'> | undefined; readonly relu?: boolean } = {},
): Tensor<D, readonly [number, number, number, number]> {
  const attributes = { ...attributesOf(options), relu: options.relu ? 1 : 0 };
  return run1('conv2dForward', {
    inputs: { x, w, b: options.b },
    attributes,
    label: options.label,
  }) as Tensor<D, readonly [number, number, number, number]>;
}

/** Gradient of the input. dy: [N, O, OH, OW] -> dx: `inputShape`. The caller owns dx. */
export function conv2dBackwardData<D extends FloatDType>(
  dy: Tensor<D>,
  w: Tensor<'float32'>,
  options: Conv2dOptions & { readonly inputShape: Shape },
): Tensor<D, readonly [number, number, number, number]> {
  return run1('conv2dBackwardData', {
    inputs: { w, dy },
    attributes: attributesOf(options),
    result: { dtype: dy.dtype, shape: options.inputShape },
    label: options.label,
  }) as Tensor<D, readonly [number, number, number, number]>;
}

/** Gradients of weights and bias. -> dw: `weightShape`, db: [O] unless `bias` is false, float32. The caller owns both. */
export function conv2dBackwardWeights<D extends FloatDType>(
  x: Tensor<D>,
  dy: Tensor<D>,
  options: Conv2dOptions & { readonly weightShape: Shape; readonly bias?: boolean },
): { dw: Tensor<'float32'>; db: Tensor<'float32'> | null } {
  const [dw, db] = run('conv2dBackwardWeights', {
    inputs: { x, dy },
    attributes: attributesOf(options),
    result: { dtype: 'float32', shape: options.weightShape },
    without: options.bias === false ? ['db'] : [],
    label: options.label,
  }) as [Tensor<'float32'>, Tensor<'float32'> | null];
  return { dw, db };
}
