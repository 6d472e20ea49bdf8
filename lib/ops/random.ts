// Random numbers on the device: initial weights and dropout.
// Invariant: counter-based (Philox4x32-10): a pure function of seed, step, stream and element, on every device.
import { ArgumentError } from '../errors.js';
import type { Device } from '../tensor/device.js';
import type { FloatDType } from '../tensor/dtype.js';
import { checkShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { run1 } from './run.js';

/** Which random numbers to draw. */
export interface RandomSource {
  /** Integer from 0 to 2^53 - 1. */
  readonly seed: number;
  /** Integer from 0 to 2^32 - 1, e.g. the training step. Default 0. */
  readonly step?: number;
  /** Integer from 0 to 2^32 - 1 that keeps different uses apart, e.g. two dropout layers. Default 0. */
  readonly stream?: number;
}

function attributesOf({ seed, step = 0, stream = 0 }: RandomSource, what: string): Record<string, number> {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ArgumentError(`${what}: seed must be an integer from 0 to 2^53 - 1, got ${seed}.`);
  }
  for (const [name, value] of Object.entries({ step, stream })) {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
      throw new ArgumentError(`${what}: ${name} must be an integer from 0 to 2^32 - 1, got ${value}.`);
    }
  }
  return { seed, step, stream };
}

/** Values from N(mean, std^2), by Box-Muller. The caller owns the tensor. */
export function gaussian<const S extends Shape>(
  device: Device,
  options: RandomSource & {
    readonly shape: S;
    readonly mean?: number;
    readonly std: number;
    readonly label?: string;
  },
): Tensor<'float32', S> {
  checkShape(options.shape, options.label ?? 'gaussian');
  return run1('gaussian', {
    device,
    attributes: { mean: options.mean ?? 0, std: options.std, ...attributesOf(options, 'gaussian') },
    result: { dtype: 'float32', shape: options.shape },
    label: options.label,
  }) as Tensor<'float32', S>;
}

/** Values evenly spread over (low, high). The caller owns the tensor. */
export function uniform<const S extends Shape>(
  device: Device,
  options: RandomSource & {
    readonly shape: S;
    readonly low: number;
    readonly high: number;
    readonly label?: string;
  },
): Tensor<'float32', S> {
  checkShape(options.shape, options.label ?? 'uniform');
  return run1('uniform', {
    device,
    attributes: { low: options.low, high: options.high, ...attributesOf(options, 'uniform') },
    result: { dtype: 'float32', shape: options.shape },
    label: options.label,
  }) as Tensor<'float32', S>;
}

/**
 * y = scale * x where a random number in [0, 1) is at least `rate`, else 0. Applied to dy with the same source it is
 * its own gradient. x: any shape -> y: the same; the caller owns it.
 * @param options.rate   probability of zero, 0 <= rate < 1
 * @param options.scale  1 / (1 - rate) for inverted dropout, 1 for the paper's
 */
export function dropout<D extends FloatDType, S extends Shape>(
  x: Tensor<D, S>,
  options: RandomSource & { readonly rate: number; readonly scale: number; readonly label?: string },
): Tensor<D, S> {
  const { rate, scale, label } = options;
  if (!(rate >= 0 && rate < 1)) {
    throw new ArgumentError(`${label ?? 'dropout'}: rate must be at least 0 and below 1, got ${rate}.`);
  }
  return run1('dropout', {
    inputs: { x },
    attributes: { rate, scale, ...attributesOf(options, label ?? 'dropout') },
    label,
  }) as Tensor<D, S>;
}
