// Ends training that no longer gets better.
// Invariant: a pure fold over the errors it has been told; knows no optimiser.
import { ArgumentError } from '../errors.js';
import { BestSoFar, type BestState } from './best.js';

export interface EarlyStoppingOptions {
  /** Epochs without improvement after which training ends. Default 10. */
  readonly patience?: number;
  /** Smallest fall of the error that counts as an improvement, absolute. Default 1e-3. */
  readonly threshold?: number;
}

export class EarlyStopping {
  readonly patience: number;
  readonly #best: BestSoFar;

  /** @throws ArgumentError */
  constructor({ patience = 10, threshold = 1e-3 }: EarlyStoppingOptions = {}) {
    if (!Number.isInteger(patience) || patience < 1) {
      throw new ArgumentError(`EarlyStopping: patience must be a positive integer, got ${patience}.`);
    }
    this.patience = patience;
    this.#best = new BestSoFar({ threshold });
  }

  /** What it remembers, for a checkpoint. */
  get state(): BestState {
    return this.#best.state;
  }

  set state(state: BestState) {
    this.#best.state = state;
  }

  /** Whether it is time to stop. */
  get reached(): boolean {
    return this.#best.state.epochsSince >= this.patience;
  }

  /** Tells the error of an epoch. */
  update(error: number): void {
    this.#best.update(error);
  }
}
