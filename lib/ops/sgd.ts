// The optimiser's arithmetic, in place.
// Invariant: only these ops change an input: parameters, their velocities, their averages, a loss scale.
import { ArgumentError } from '../errors.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { run, run1 } from './run.js';

export interface SgdStepOptions {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /**
   * 'paper':   v <- momentum v - learningRate (weightDecay w + dw);  w <- w + v
   * 'pytorch': v <- momentum v + weightDecay w + dw;                 w <- w - learningRate v
   * The same while the learning rate is constant; after a change the paper's keeps the old steps in its velocity.
   */
  readonly form: 'paper' | 'pytorch';
  /** Multiplies dw, in the same pass; where it is not finite, w and v stay as they are. Default: 1. */
  readonly scale?: Tensor<'float32', readonly []> | undefined;
  /** Named in errors. */
  readonly label?: string;
}

/** Updates w and v, both of dw's shape. */
export function sgdStep<S extends Shape>(
  w: Tensor<'float32', S>,
  v: Tensor<'float32', S>,
  dw: Tensor<'float32', S>,
  options: SgdStepOptions,
): void {
  const { learningRate, momentum, weightDecay, form, scale, label } = options;
  const torchForm = form === 'pytorch' ? 1 : 0;
  const attributes = { learningRate, momentum, weightDecay, torchForm };
  run('sgd', { inputs: { w, v, dw, scale }, attributes, label });
}

/**
 * A running average, in place: e <- decay e + (1 - decay) x, both of one shape.
 * @throws ArgumentError unless 0 <= decay < 1
 */
export function average<S extends Shape>(
  e: Tensor<'float32', S>,
  x: Tensor<'float32', S>,
  options: { readonly decay: number; readonly label?: string },
): void {
  const { decay, label } = options;
  if (!(decay >= 0 && decay < 1)) {
    throw new ArgumentError(`${label ?? 'average'}: decay must be at least 0 and below 1, got ${decay}.`);
  }
  run('average', { inputs: { e, x }, attributes: { decay }, label });
}

/**
 * The factor that bounds a norm: min(1, maxNorm / sqrt(squares)), 1 where the norm is not a number (Pascanu et al.
 * 2013). The caller owns it.
 * @param squares  the sum of the squares of all gradients, a scalar
 * @throws ArgumentError unless maxNorm is above 0
 */
export function clipScale(
  squares: Tensor<'float32', readonly []>,
  options: { readonly maxNorm: number; readonly label?: string },
): Tensor<'float32', readonly []> {
  const { maxNorm, label } = options;
  if (!(maxNorm > 0)) {
    throw new ArgumentError(`${label ?? 'clipScale'}: maxNorm must be above 0, got ${maxNorm}.`);
  }
  return run1('clipScale', { inputs: { squares }, attributes: { maxNorm }, label }) as Tensor<
    'float32',
    readonly []
  >;
}

export interface LossScaleRates {
  /** Multiplies the scale after `growthInterval` steps without overflow. */
  readonly growthFactor: number;
  /** Multiplies the scale after a step that overflowed. */
  readonly backoffFactor: number;
  readonly growthInterval: number;
  /** Named in errors. */
  readonly label?: string;
}

type Scalar = Tensor<'float32', readonly []>;

/**
 * The state of a dynamic loss scale, in place, from the sum of the squares of all scaled gradients. factor becomes
 * 1 / scale, or NaN if the sum is not finite: then the step is to be skipped. scale shrinks after such a step and grows
 * after many without. counts: [2], steps since the scale changed, and steps skipped.
 */
export function updateLossScale(
  state: { readonly scale: Scalar; readonly factor: Scalar; readonly counts: Tensor<'float32'> },
  squares: Scalar,
  options: LossScaleRates,
): void {
  const { label, ...attributes } = options;
  run('updateLossScale', { inputs: { ...state, squares }, attributes, label });
}
