// Local response normalisation, across channels and within a channel.
// Invariant: the convention of alpha is part of the options, because libraries disagree on it.
import type { FloatDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { run1 } from './run.js';

/**
 * y = x / (k + A * sum of x^2 over the window)^beta
 *
 * | source | alphaOver | alpha | k |
 * |---|---|---|---|
 * | the paper's formula | 'sum' | 1e-4 | 2 |
 * | the authors' code; cuDNN, oneDNN, PyTorch, ONNX in their convention | 'mean' | 1e-4 | 2 |
 * | Caffe's bvlc_alexnet | 'mean' | 1e-4 | 1 |
 * | TensorFlow (depth_radius = (size - 1) / 2) | 'sum' | its alpha | its bias |
 */
export interface LrnOptions {
  /** Window: channels, or within a channel pixels along each side. Odd. */
  readonly size: number;
  readonly alpha: number;
  /** What alpha multiplies: 'sum', the window's sum of squares (A = alpha); 'mean', that sum over the window's size (A = alpha / size, or / size^2 within a channel). */
  readonly alphaOver: 'sum' | 'mean';
  readonly beta: number;
  readonly k: number;
  /** Across channels: windows do not cross the borders between this many equal groups of channels. Default 1. */
  readonly channelGroups?: number;
  /** Named in errors. */
  readonly label?: string;
}

/** Attributes of the ops across channels. */
export function acrossAttributes(options: Omit<LrnOptions, 'label'>): Record<string, number> {
  const { size, beta, k } = options;
  const alpha = options.alphaOver === 'sum' ? options.alpha : options.alpha / size;
  return { size, alpha, beta, k, channelGroups: options.channelGroups ?? 1 };
}

function within(options: LrnOptions): Record<string, number> {
  const { size, beta, k } = options;
  return { size, alpha: options.alphaOver === 'sum' ? options.alpha : options.alpha / size ** 2, beta, k };
}

/**
 * Across channels (Krizhevsky et al. 2012, section 3.3). x: [N, C, H, W] -> y: the same shape; the caller owns it.
 * @throws ShapeError if x is not of rank 4 or the size is even
 */
export function lrn<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  options: LrnOptions,
): Tensor<D, S> {
  return run1('lrnForward', {
    inputs: { x },
    attributes: acrossAttributes(options),
    label: options.label,
  }) as Tensor<D, S>;
}

/** Gradient of {@link lrn}; x is the forward op's input. */
export function lrnBackward<D extends FloatDType, S extends Shape>(
  dy: Tensor<D, S>,
  x: Tensor<D, S>,
  options: LrnOptions,
): Tensor<D, S> {
  return run1('lrnBackward', {
    inputs: { x, dy },
    attributes: acrossAttributes(options),
    label: options.label,
  }) as Tensor<D, S>;
}

/**
 * Within a channel ("same map" in cuda-convnet): a window of size x size pixels, clipped at the edges, divided by
 * size^2 there too under 'mean'. x: [N, C, H, W] -> y: the same shape; the caller owns it.
 */
export function lrnWithin<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  options: LrnOptions,
): Tensor<D, S> {
  return run1('lrnWithinForward', {
    inputs: { x },
    attributes: within(options),
    label: options.label,
  }) as Tensor<D, S>;
}

/** Gradient of {@link lrnWithin}; x is the forward op's input. */
export function lrnWithinBackward<D extends FloatDType, S extends Shape>(
  dy: Tensor<D, S>,
  x: Tensor<D, S>,
  options: LrnOptions,
): Tensor<D, S> {
  return run1('lrnWithinBackward', {
    inputs: { x, dy },
    attributes: within(options),
    label: options.label,
  }) as Tensor<D, S>;
}
