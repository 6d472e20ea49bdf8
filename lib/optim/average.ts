// An exponential moving average of weights: often better to predict with than the weights of the last step.
// Invariant: owns an average for each parameter; the parameters' own values are only lent away and come back.
import { ArgumentError } from '../errors.js';
import type { Parameter } from '../layers/index.js';
import { average, reshape } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

export interface AveragingOptions {
  /** How much of the average is kept in a step. Default 0.999. */
  readonly decay?: number;
}

/** @returns the options with their defaults. @throws ArgumentError if one is out of range */
export function checkAveraging({ decay = 0.999 }: AveragingOptions): Required<AveragingOptions> {
  if (decay >= 0 && decay < 1) return { decay };
  throw new ArgumentError(`WeightAverage: decay must be at least 0 and below 1, got ${decay}.`);
}

/**
 * e <- d e + (1 - d) w after each step, with d = min(decay, (1 + n) / (10 + n)) at update n: early on, the average
 * soon forgets the initial weights.
 */
export class WeightAverage implements Disposable {
  readonly decay: number;
  readonly #averages = new Map<Parameter, Tensor<'float32'>>();

  /** Begins with the weights that the parameters have. @throws ArgumentError */
  constructor(parameters: readonly Parameter[], options: AveragingOptions = {}) {
    this.decay = checkAveraging(options).decay;
    for (const parameter of parameters) {
      this.#averages.set(
        parameter,
        reshape(parameter.value, { shape: parameter.shape, label: parameter.name }),
      );
    }
  }

  /** Averages by parameter; they stay this object's. */
  get averages(): ReadonlyMap<Parameter, Tensor<'float32'>> {
    return this.#averages;
  }

  /** Replaces the average of a parameter; this object owns it from now on. */
  set(parameter: Parameter, value: Tensor<'float32'>): void {
    this.#averages.get(parameter)?.dispose();
    this.#averages.set(parameter, value);
  }

  /** After the optimiser's step `step`, counted from 1. */
  update(step: number): void {
    const decay = Math.min(this.decay, (1 + step) / (10 + step));
    for (const [parameter, mean] of this.#averages) {
      if (!parameter.frozen) average(mean, parameter.value, { decay, label: parameter.name });
    }
  }

  /** Puts the averages in the place of the weights until what is returned is disposed. */
  lend(): Disposable {
    this.exchange();
    return { [Symbol.dispose]: () => this.exchange() };
  }

  /** Swaps averages and weights. */
  exchange(): void {
    for (const [parameter, mean] of this.#averages) {
      this.#averages.set(parameter, parameter.exchange(mean));
    }
  }

  dispose(): void {
    for (const mean of this.#averages.values()) mean.dispose();
    this.#averages.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
