// Max and average pooling, overlapping or not.
// Invariant: padding never wins a maximum; among equal values the first in row-major order does.
import { ArgumentError, DTypeError } from '../errors.js';
import type { OutputSpec } from '../tensor/device.js';
import type { FloatDType, QuantizedDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { padding2d, size2d, type Padding2d, type Size2d } from './geometry.js';
import { avgPool2dForward } from './rules.js';
import { run, run1 } from './run.js';

export interface Pool2dOptions {
  readonly kernelSize: Size2d;
  /** Default: the kernel's size. Smaller than the kernel, windows overlap. */
  readonly stride?: Size2d;
  /** Default 0. Must be smaller than the kernel. */
  readonly padding?: Padding2d;
  /**
   * 'floor': the last window must fit. 'ceil': it may run over the edge (cuda-convnet, Caffe), as long as it starts
   * inside the input or its low padding. Default 'floor'.
   */
  readonly rounding?: 'floor' | 'ceil';
  /** Named in errors. */
  readonly label?: string;
}

export interface AvgPool2dOptions extends Pool2dOptions {
  /** What a window that reaches over the edge is divided by: the pixels inside ('clipped'), or the kernel's area ('full'). Default 'clipped'. */
  readonly divisor?: 'clipped' | 'full';
}

type Images<D extends FloatDType | QuantizedDType> = Tensor<D, readonly [number, number, number, number]>;

/** Padding at the far side that makes floor-rounding count one more window, if 'ceil' does. */
function ceilPadding(extent: number, kernel: number, stride: number, low: number, high: number): number {
  const span = extent + low + high - kernel;
  if (span < 0 || span % stride === 0) return high;
  const windows = Math.ceil(span / stride) + 1;
  const starts = (windows - 1) * stride;
  // A window that would start beyond the input sees padding alone and is left out.
  if (starts >= extent + low) return high;
  return high + (starts + kernel - (extent + low + high));
}

/** Attributes of pooling an input of this shape. */
export function poolAttributes(options: Pool2dOptions, input: Shape): Record<string, number> {
  const label = options.label ?? 'pool2d';
  const [kernelH, kernelW] = size2d(options.kernelSize, `${label}: kernelSize`);
  const [strideH, strideW] = size2d(options.stride ?? options.kernelSize, `${label}: stride`);
  const pad = padding2d(options.padding, label);
  if (Math.max(pad.padTop, pad.padBottom) >= kernelH || Math.max(pad.padLeft, pad.padRight) >= kernelW) {
    throw new ArgumentError(`${label}: padding must be smaller than the kernel of ${kernelH}x${kernelW}.`);
  }
  const window = { kernelH, kernelW, strideH, strideW, ...pad };
  if (options.rounding !== 'ceil') return window;
  const [, , height = 0, width = 0] = input;
  return {
    ...window,
    padBottom: ceilPadding(height, kernelH, strideH, pad.padTop, pad.padBottom),
    padRight: ceilPadding(width, kernelW, strideW, pad.padLeft, pad.padRight),
  };
}

/**
 * Shape of pooling's output, without computing it.
 * @throws ShapeError
 */
export function pool2dShape(x: Shape, options: Pool2dOptions): Shape {
  const inputs = { x: { dtype: 'float32', shape: x } } as const;
  const attributes = poolAttributes(options, x);
  const context = { label: options.label ?? 'pool2d', inputs, attributes, result: undefined };
  return (avgPool2dForward(context)[0] as OutputSpec).shape;
}

/**
 * x: [N, C, H, W], also quantised -> y: [N, C, OH, OW]. The caller owns y and, with `training`, the opaque `argmax` that
 * {@link maxPool2dBackward} needs.
 */
export function maxPool2d<D extends FloatDType | QuantizedDType>(
  x: Images<D>,
  options: Pool2dOptions & { readonly training?: boolean },
): { y: Images<D>; argmax: Tensor | null } {
  if (options.training && x.scale !== undefined) {
    throw new DTypeError(
      `${options.label ?? 'maxPool2d'}: quantised values are for predictions; leave training out.`,
    );
  }
  const [y, argmax] = run('maxPool2dForward', {
    inputs: { x },
    attributes: poolAttributes(options, x.shape),
    without: options.training ? [] : ['argmax'],
    label: options.label,
  }) as [Images<D>, Tensor | null];
  return { y, argmax };
}

/** dy: [N, C, OH, OW] -> dx: `inputShape`; each gradient goes to the pixel that won. The caller owns dx. */
export function maxPool2dBackward<D extends FloatDType>(
  dy: Tensor<D>,
  argmax: Tensor,
  options: Pool2dOptions & { readonly inputShape: Shape },
): Images<D> {
  return run1('maxPool2dBackward', {
    inputs: { argmax, dy },
    attributes: poolAttributes(options, options.inputShape),
    result: { dtype: dy.dtype, shape: options.inputShape },
    label: options.label,
  }) as Images<D>;
}

function averageAttributes(options: AvgPool2dOptions, input: Shape): Record<string, number> {
  return { ...poolAttributes(options, input), clipped: options.divisor === 'full' ? 0 : 1 };
}

/** x: [N, C, H, W] -> y: [N, C, OH, OW]. The caller owns y. */
export function avgPool2d<D extends FloatDType>(x: Images<D>, options: AvgPool2dOptions): Images<D> {
  return run1('avgPool2dForward', {
    inputs: { x },
    attributes: averageAttributes(options, x.shape),
    label: options.label,
  }) as Images<D>;
}

/** dy: [N, C, OH, OW] -> dx: `inputShape`. The caller owns dx. */
export function avgPool2dBackward<D extends FloatDType>(
  dy: Tensor<D>,
  options: AvgPool2dOptions & { readonly inputShape: Shape },
): Images<D> {
  return run1('avgPool2dBackward', {
    inputs: { dy },
    attributes: averageAttributes(options, options.inputShape),
    result: { dtype: dy.dtype, shape: options.inputShape },
    label: options.label,
  }) as Images<D>;
}
