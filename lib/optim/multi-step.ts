// A schedule that is decided beforehand: the learning rate falls after given epochs.
// Invariant: depends on the number of epochs it has been told of, and on nothing else.
import { ArgumentError } from '../errors.js';

export interface MultiStepOptions {
  /** Epochs after which the learning rate falls, ascending, counted from 1: [120, 130]. */
  readonly milestones: readonly number[];
  /** What the learning rate is multiplied with at each. Default 0.1. */
  readonly factor?: number;
}

export class MultiStep {
  readonly milestones: readonly number[];
  readonly factor: number;
  #epochs = 0;

  /** @throws ArgumentError if the milestones do not ascend from 1, or the factor is not positive */
  constructor({ milestones, factor = 0.1 }: MultiStepOptions) {
    const ascend = milestones.every(
      (epoch, i) => Number.isInteger(epoch) && epoch > (milestones[i - 1] ?? 0),
    );
    if (!ascend) {
      throw new ArgumentError(
        `MultiStep: milestones must be ascending epochs from 1, got [${milestones.join(', ')}].`,
      );
    }
    if (!(factor > 0 && factor < Infinity)) {
      throw new ArgumentError(`MultiStep: factor must be positive, got ${factor}.`);
    }
    this.milestones = [...milestones];
    this.factor = factor;
  }

  /**
   * Tells that an epoch has ended.
   * @returns what to multiply the learning rate with now: 1, or `factor`
   */
  update(): number {
    this.#epochs++;
    return this.milestones.includes(this.#epochs) ? this.factor : 1;
  }
}
