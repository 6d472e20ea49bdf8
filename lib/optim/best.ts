// The lowest error so far, and for how long nothing beat it.
// Invariant: a pure fold over the errors it has been told.

export interface BestState {
  /** null before the first error. */
  readonly best: number | null;
  readonly epochsSince: number;
}

export class BestSoFar {
  readonly #threshold: number;
  #best = Infinity;
  #epochsSince = 0;

  /** @param options.threshold  smallest fall of the error that counts, absolute */
  constructor({ threshold }: { readonly threshold: number }) {
    this.#threshold = threshold;
  }

  get state(): BestState {
    return { best: Number.isFinite(this.#best) ? this.#best : null, epochsSince: this.#epochsSince };
  }

  set state({ best, epochsSince }: BestState) {
    this.#best = best ?? Infinity;
    this.#epochsSince = epochsSince;
  }

  /** Tells the error of an epoch. @returns epochs since the best one */
  update(error: number): number {
    if (error < this.#best - this.#threshold) {
      this.#best = error;
      this.#epochsSince = 0;
    } else this.#epochsSince++;
    return this.#epochsSince;
  }

  /** Waits as long again from now on. */
  restart(): void {
    this.#epochsSince = 0;
  }
}
