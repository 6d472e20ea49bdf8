// Stochastic gradient descent with momentum and weight decay.
// Invariant: owns a velocity for each parameter it has met; a step consumes the gradients.
import { ArgumentError } from '../errors.js';
import { fill, sgdStep } from '../ops/index.js';
import type { Parameter } from '../layers/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { clipValues, normScale, type ClipOptions } from './clip.js';
import type { FiniteGate } from './finite-gate.js';
import type { LossScaler } from './loss-scaler.js';

export interface SgdOptions {
  readonly learningRate: number;
  /** Default 0.9. */
  readonly momentum?: number;
  /** Added to the gradient as weightDecay * w. Default 5e-4. */
  readonly weightDecay?: number;
  /**
   * 'paper' (Krizhevsky et al. 2012, Caffe) keeps the learning rate inside the velocity, 'pytorch' outside: the same
   * until the learning rate changes. Default 'paper'.
   */
  readonly momentumForm?: 'paper' | 'pytorch';
  /** Parameters that move at another pace. Default: none. */
  readonly groups?: readonly SgdGroup[];
}

export interface SgdStep {
  /** What the gradients were scaled with: they are divided by it, or the step is skipped if one has overflowed. */
  readonly lossScaler?: LossScaler | undefined;
  /** Without a loss scaler: skips the step if a gradient is not finite. */
  readonly gate?: FiniteGate | undefined;
  /** Bounds on the gradients. Default: none. */
  readonly clip?: ClipOptions | undefined;
}

/** Parameters with factors of their own on the rate and the decay. */
export interface SgdGroup {
  readonly parameters: readonly Parameter[];
  /** Factor on the learning rate. Default 1. */
  readonly rateFactor?: number;
  /** Factor on the weight decay. Default 1. */
  readonly decayFactor?: number;
  /** A learning rate in place of the optimiser's and the factor; may be changed between steps. Default: none. */
  rate?: number | undefined;
}

export class SGD implements Disposable {
  readonly momentum: number;
  readonly weightDecay: number;
  readonly momentumForm: 'paper' | 'pytorch';
  readonly #parameters: readonly Parameter[];
  readonly #groups = new Map<Parameter, SgdGroup>();
  readonly #velocities = new Map<Parameter, Tensor<'float32'>>();
  #learningRate: number;

  /** @throws ArgumentError for a rate that is negative or not a number */
  constructor(parameters: readonly Parameter[], options: SgdOptions) {
    const { learningRate, momentum = 0.9, weightDecay = 5e-4, momentumForm = 'paper' } = options;
    if (!(momentum >= 0 && momentum < 1)) {
      throw new ArgumentError(`SGD: momentum must be at least 0 and below 1, got ${momentum}.`);
    }
    if (!(weightDecay >= 0)) {
      throw new ArgumentError(`SGD: weightDecay must not be negative, got ${weightDecay}.`);
    }
    this.#parameters = parameters;
    this.#learningRate = checkRate(learningRate);
    this.momentum = momentum;
    this.weightDecay = weightDecay;
    this.momentumForm = momentumForm;
    for (const group of options.groups ?? []) {
      for (const parameter of group.parameters) this.#groups.set(parameter, group);
    }
  }

  get learningRate(): number {
    return this.#learningRate;
  }

  set learningRate(learningRate: number) {
    this.#learningRate = checkRate(learningRate);
  }

  /** Updates every parameter that has a gradient, and clears the gradient. */
  step({ lossScaler, gate, clip = {} }: SgdStep = {}): void {
    if (clip.value !== undefined) clipValues(this.#parameters, clip.value);
    const unscale = (lossScaler ?? gate)?.update(this.#parameters);
    const { norm } = clip;
    using limited = norm === undefined ? undefined : normScale(this.#parameters, { norm, unscale });
    const scale = limited ?? unscale;
    for (const parameter of this.#parameters) {
      const { gradient, value, name: label } = parameter;
      if (!gradient) continue;
      let velocity = this.#velocities.get(parameter);
      if (!velocity) {
        velocity = fill(value.device, { shape: parameter.shape, value: 0, label });
        this.#velocities.set(parameter, velocity);
      }
      const { rateFactor = 1, decayFactor = 1, rate } = this.#groups.get(parameter) ?? {};
      sgdStep(value, velocity, gradient, {
        learningRate: (rate ?? this.#learningRate * rateFactor) * parameter.learningRateMultiplier,
        momentum: this.momentum,
        weightDecay: this.weightDecay * parameter.weightDecayMultiplier * decayFactor,
        form: this.momentumForm,
        scale,
        label,
      });
      parameter.clearGradient();
    }
  }

  /** Velocities by parameter, of those that moved; they stay the optimiser's. */
  get velocities(): ReadonlyMap<Parameter, Tensor<'float32'>> {
    return this.#velocities;
  }

  /** Gives a parameter the velocity it had; the optimiser owns it from now on. */
  setVelocity(parameter: Parameter, velocity: Tensor<'float32'>): void {
    this.#velocities.get(parameter)?.dispose();
    this.#velocities.set(parameter, velocity);
  }

  /** Releases the velocities. */
  dispose(): void {
    for (const velocity of this.#velocities.values()) velocity.dispose();
    this.#velocities.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkRate(learningRate: number): number {
  if (!(learningRate >= 0 && learningRate < Infinity)) {
    throw new ArgumentError(`SGD: the learning rate must be a non-negative number, got ${learningRate}.`);
  }
  return learningRate;
}
