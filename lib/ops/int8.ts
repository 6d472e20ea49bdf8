// Quantisation, and predictions in 8-bit integers. Only where `device.support('int8')` says so.
// Invariant: an element q of a quantised tensor stands for q * tensor.scale; zero is exact; sums are exact in int32.
import { ArgumentError } from '../errors.js';
import type { QuantizedDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { attributesOf, type Conv2dOptions } from './conv2d.js';
import { acrossAttributes, type LrnOptions } from './lrn.js';
import { run, run1 } from './run.js';

/** How values are written as integers. */
export interface Quantization {
  /** uint8 for what is never negative, else int8, of which `quantize` uses -127..127. */
  readonly dtype: QuantizedDType;
  /** The value that the integer 1 stands for. */
  readonly scale: number;
}

/** What sums of products come out as. */
export interface Int8Options {
  /** One for each output: an element q of row o of w stands for q * scales[o]. [O] */
  readonly scales: Tensor<'float32'>;
  /** [O] */
  readonly b?: Tensor<'float32'> | undefined;
  /** Apply max(0, y) in the same pass. Default false. */
  readonly relu?: boolean;
  /** Write y as integers. Default: as float32. */
  readonly output?: Quantization | undefined;
}

/**
 * The nearest integers to x / scale; ties to even; what is beyond the type's range becomes its end, NaN 0. x: any shape ->
 * the same shape, quantised; the caller owns it.
 * @throws ArgumentError if the scale is not positive
 */
export function quantize<S extends Shape, D extends QuantizedDType>(
  x: Tensor<'float32', S>,
  { dtype, scale, label }: { readonly dtype: D; readonly scale: number; readonly label?: string },
): Tensor<D, S> {
  if (!['uint8', 'int8'].includes(dtype)) {
    throw new ArgumentError(`${label ?? 'quantize'}: the dtype is '${dtype}', expected 'uint8' or 'int8'.`);
  }
  const result = { dtype, shape: x.shape, scale };
  return run1('quantize', { inputs: { x }, attributes: { scale }, result, label }) as Tensor<D, S>;
}

/** The values that quantised elements stand for. The caller owns them. */
export function dequantize<S extends Shape>(
  x: Tensor<QuantizedDType, S>,
  { label }: { readonly label?: string } = {},
): Tensor<'float32', S> {
  return run1('dequantize', { inputs: { x }, attributes: scaleOf(x), label }) as Tensor<'float32', S>;
}

/**
 * Weights as int8, each output with a scale of its own: its largest magnitude is 127. w: [O, ...] -> q: [O, ...],
 * scales: [O], infinite where w is not finite. The caller owns both.
 */
export function quantizeWeights<S extends Shape>(
  w: Tensor<'float32', S>,
  { label }: { readonly label?: string } = {},
): { q: Tensor<'int8', S>; scales: Tensor<'float32', readonly [number]> } {
  const [q, scales] = run('quantizeWeights', { inputs: { w }, label });
  return { q: q as Tensor<'int8', S>, scales: scales as Tensor<'float32', readonly [number]> };
}

/**
 * As `conv2d`, of quantised x: [N, C, H, W] and w: [O, C / groups, KH, KW] -> y: [N, O, OH, OW]. The caller owns y.
 * @throws NativeError, at the next await, on a processor without VNNI
 */
export function conv2dInt8(
  x: Tensor<QuantizedDType>,
  w: Tensor<'int8'>,
  options: Conv2dOptions & Int8Options,
): Tensor<'float32' | QuantizedDType> {
  return sum('conv2dInt8', { x, w, options, geometry: attributesOf(options), label: options.label });
}

/** As `linear`, of quantised x: [N, I] and w: [O, I] -> y: [N, O]; otherwise as {@link conv2dInt8}. */
export function linearInt8(
  x: Tensor<QuantizedDType>,
  w: Tensor<'int8'>,
  options: Int8Options & { readonly label?: string },
): Tensor<'float32' | QuantizedDType> {
  return sum('linearInt8', { x, w, options, geometry: {}, label: options.label });
}

function sum(
  op: 'conv2dInt8' | 'linearInt8',
  call: {
    readonly x: Tensor<QuantizedDType>;
    readonly w: Tensor<'int8'>;
    readonly options: Int8Options;
    readonly geometry: Readonly<Record<string, number>>;
    readonly label: string | undefined;
  },
): Tensor<'float32' | QuantizedDType> {
  const { x, w, label } = call;
  const { scales, b, relu, output } = call.options;
  const scale = { inputScale: x.scale ?? 1, outputScale: output?.scale ?? 1 };
  return run1(op, {
    inputs: { x, w, scales, b },
    attributes: { ...call.geometry, relu: relu ? 1 : 0, ...scale },
    result: { dtype: 'float32', shape: x.shape, ...output },
    label,
  }) as Tensor<'float32' | QuantizedDType>;
}

/**
 * As `lrn`, of quantised x: [N, C, H, W] -> the same shape, quantised with another scale. The caller owns it.
 *
 * y / scale = q c (k + A s^2 S)^-beta, where s is x's scale, c = s / scale and S the window's sum of q^2. That is the
 * same formula with k c^(-1 / beta) for k and A s^2 c^(-1 / beta) for A.
 */
export function lrnInt8<S extends Shape>(
  x: Tensor<'uint8', S>,
  options: LrnOptions & { readonly scale: number },
): Tensor<'uint8', S> {
  const { scale, label } = options;
  const { alpha = 0, beta = 1, k = 0, ...window } = acrossAttributes(options);
  const inputScale = x.scale ?? 1;
  const ratio = (inputScale / scale) ** (-1 / beta);
  return run1('lrnInt8', {
    inputs: { x },
    attributes: { ...window, beta, alpha: alpha * inputScale ** 2 * ratio, k: k * ratio },
    result: { dtype: 'uint8', shape: x.shape, scale },
    label,
  }) as Tensor<'uint8', S>;
}

function scaleOf(x: Tensor): { readonly scale: number } {
  return { scale: x.scale ?? 1 };
}
