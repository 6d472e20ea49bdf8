// Fills, casts, reshapes, elementwise arithmetic and full reductions.
// Invariant: inputs are left alone; the caller owns what is returned.
import { ArgumentError, ShapeError } from '../errors.js';
import type { Device } from '../tensor/device.js';
import type { DType, FloatDType } from '../tensor/dtype.js';
import { checkShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { run1 } from './run.js';

const integerRanges: { readonly [D in DType]?: readonly [low: number, high: number] } = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint8: [0, 255],
};

/**
 * A tensor of one value. dtype float32 (default), int32 or uint8.
 * @throws ArgumentError for a value that an integer type does not have
 */
export function fill<const S extends Shape, D extends 'float32' | 'int32' | 'uint8' = 'float32'>(
  device: Device,
  options: { readonly shape: S; readonly value: number; readonly dtype?: D; readonly label?: string },
): Tensor<D, S> {
  const { shape, value, dtype = 'float32', label } = options;
  checkShape(shape, label ?? 'fill');
  const [low, high] = integerRanges[dtype] ?? [];
  if (
    low !== undefined &&
    high !== undefined &&
    !(Number.isInteger(value) && value >= low && value <= high)
  ) {
    throw new ArgumentError(
      `${label ?? 'fill'}: ${value} is no ${dtype}, an integer from ${low} to ${high}.`,
    );
  }
  return run1('fill', { device, attributes: { value }, result: { dtype, shape }, label }) as Tensor<D, S>;
}

/**
 * Converts elements. To bfloat16 and float16 rounds to nearest even; to int32 and uint8 rounds to nearest even and
 * saturates, NaN becomes 0. An int32 becomes a float32 on its way to other types.
 */
export function cast<S extends Shape, D extends DType>(
  x: Tensor<DType, S>,
  options: { readonly dtype: D },
): Tensor<D, S> {
  return run1('cast', { inputs: { x }, result: { dtype: options.dtype, shape: x.shape } }) as Tensor<D, S>;
}

/** The same elements, row-major, in another shape. */
export function reshape<D extends DType, const S extends Shape>(
  x: Tensor<D>,
  options: { readonly shape: S; readonly label?: string },
): Tensor<D, S> {
  const { shape, label } = options;
  checkShape(shape, label ?? 'reshape');
  return run1('reshape', { inputs: { x }, result: { dtype: x.dtype, shape }, label }) as Tensor<D, S>;
}

/** [N, ...] -> [N, product of the rest] */
export function flatten<D extends DType>(
  x: Tensor<D>,
  options: { readonly label?: string } = {},
): Tensor<D, readonly [number, number]> {
  const [n, ...rest] = x.shape;
  if (n === undefined) throw new ShapeError(`${options.label ?? 'flatten'}: a scalar cannot be flattened.`);
  return reshape(x, { shape: [n, rest.reduce((a, b) => a * b, 1)], ...options });
}

/** scale * x + shift. Defaults: scale 1, shift 0. */
export function affine<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  options: { readonly scale?: number; readonly shift?: number },
): Tensor<D, S> {
  const { scale = 1, shift = 0 } = options;
  return run1('affine', { inputs: { x }, attributes: { scale, shift } }) as Tensor<D, S>;
}

/** x + y, of one shape. */
export function add<D extends FloatDType, S extends Shape>(x: Tensor<D, S>, y: Tensor<D, S>): Tensor<D, S> {
  return run1('add', { inputs: { x, y } }) as Tensor<D, S>;
}

/** x * y, element by element, of one shape. */
export function multiply<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  y: Tensor<D, S>,
): Tensor<D, S> {
  return run1('multiply', { inputs: { x, y } }) as Tensor<D, S>;
}

/** s * x with a factor that is on the device, a scalar: nothing waits for it. */
export function scaleBy<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  s: Tensor<'float32', readonly []>,
  options: { readonly label?: string } = {},
): Tensor<D, S> {
  return run1('scaleBy', { inputs: { x, s }, label: options.label }) as Tensor<D, S>;
}

/**
 * Every element, but at least `low` and at most `high`; NaN stays NaN.
 * @throws ArgumentError unless low <= high
 */
export function clamp<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  options: { readonly low: number; readonly high: number; readonly label?: string },
): Tensor<D, S> {
  const { low, high, label } = options;
  if (!(low <= high)) {
    throw new ArgumentError(
      `${label ?? 'clamp'}: low is ${low} and high ${high}; low must not be above high.`,
    );
  }
  return run1('clamp', { inputs: { x }, attributes: { low, high }, label }) as Tensor<D, S>;
}

/** Sum of all elements, accumulated in double precision, as a scalar. */
export function sum(x: Tensor<'float32'>): Tensor<'float32', readonly []> {
  return run1('sum', { inputs: { x } }) as Tensor<'float32', readonly []>;
}

/** Sum of the squares of all elements, accumulated in double precision, as a scalar. */
export function sumSquares(x: Tensor<'float32'>): Tensor<'float32', readonly []> {
  return run1('sumSquares', { inputs: { x } }) as Tensor<'float32', readonly []>;
}
