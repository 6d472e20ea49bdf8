// The paper's schedule: divide the learning rate when the validation error stops improving, a few times.
// Invariant: a pure fold over the errors it has been told; knows no optimiser.
import { ArgumentError } from '../errors.js';
import { BestSoFar, type BestState } from './best.js';

export interface PlateauOptions {
  /** What the learning rate is multiplied with. Default 0.1. */
  readonly factor?: number;
  /** Epochs without improvement before a drop. Default 3. */
  readonly patience?: number;
  /** Most drops. Default 3, as in the paper. */
  readonly maxDrops?: number;
  /** Smallest fall of the error that counts as an improvement, absolute. Default 1e-3. */
  readonly threshold?: number;
}

/** What a plateau rule remembers, for a checkpoint. */
export interface PlateauState extends BestState {
  readonly drops: number;
}

export class ReduceOnPlateau {
  readonly factor: number;
  readonly patience: number;
  readonly maxDrops: number;
  readonly threshold: number;
  readonly #best: BestSoFar;
  #drops = 0;

  constructor(options: PlateauOptions = {}) {
    const { factor = 0.1, patience = 3, maxDrops = 3, threshold = 1e-3 } = options;
    if (!(factor > 0 && factor < 1)) {
      throw new ArgumentError(`ReduceOnPlateau: factor must lie between 0 and 1, got ${factor}.`);
    }
    if (!Number.isInteger(patience) || patience < 1) {
      throw new ArgumentError(`ReduceOnPlateau: patience must be a positive integer, got ${patience}.`);
    }
    if (!Number.isInteger(maxDrops) || maxDrops < 0) {
      throw new ArgumentError(`ReduceOnPlateau: maxDrops must be an integer of 0 or more, got ${maxDrops}.`);
    }
    if (!(threshold >= 0 && threshold < Infinity)) {
      throw new ArgumentError(`ReduceOnPlateau: threshold must be 0 or more, got ${threshold}.`);
    }
    this.factor = factor;
    this.patience = patience;
    this.maxDrops = maxDrops;
    this.threshold = threshold;
    this.#best = new BestSoFar({ threshold });
  }

  get drops(): number {
    return this.#drops;
  }

  get state(): PlateauState {
    return { ...this.#best.state, drops: this.#drops };
  }

  set state(state: PlateauState) {
    this.#best.state = state;
    this.#drops = state.drops;
  }

  /**
   * Tells the error of an epoch.
   * @returns what to multiply the learning rate with now: 1, or `factor`
   */
  update(error: number): number {
    const epochsSince = this.#best.update(error);
    if (epochsSince < this.patience || this.#drops >= this.maxDrops) return 1;
    this.#best.restart();
    this.#drops++;
    return this.factor;
  }
}
