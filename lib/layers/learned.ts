// What layers with weights and a bias have in common in their options.
// Invariant: types only.
import type { Initializer } from './parameter.js';

/** Factors on the optimiser's learning rate and weight decay; default 1. */
export interface Multipliers {
  readonly learningRateMultiplier?: number;
  readonly weightDecayMultiplier?: number;
}

export interface LearnedLayerOptions {
  /** Named in errors and summaries. */
  readonly name?: string;
  /** Default true. */
  readonly bias?: boolean;
  /** Default: Gaussian of standard deviation sqrt(2 / fan-in) (He et al. 2015). */
  readonly weightInitializer?: Initializer;
  /** Default: 0. */
  readonly biasInitializer?: Initializer;
  readonly weightMultipliers?: Multipliers;
  readonly biasMultipliers?: Multipliers;
}
