// Watches the loss scale of a float16 network: a scale that keeps falling cannot help any more.
// Invariant: steps that overflow now and then are how the scale is found, and are not reported.
import { TrainingError } from '../errors.js';
import type { LossScalerState } from '../optim/index.js';

/** Below it the loss is made smaller than it is, which a network in float16 should not need. */
const LOW_SCALE = 1;
/** Below it the gradients' own largest numbers vanish. */
const HOPELESS_SCALE = 2 ** -14;

export class LossScaleGuard {
  #warned = false;

  /**
   * @returns a warning, once, when the scale is low
   * @throws TrainingError [ERR_NON_FINITE] when it has fallen so far that nothing is learned any more
   */
  judge({ scale, skippedSteps }: LossScalerState, step: number): string | undefined {
    if (scale >= LOW_SCALE) return undefined;
    const seen =
      `The loss scale has fallen to ${scale.toExponential(1)} by step ${step}; ${skippedSteps} steps whose gradients ` +
      'overflowed float16 were skipped.';
    if (scale < HOPELESS_SCALE) {
      throw new TrainingError(
        'ERR_NON_FINITE',
        `${seen} The gradients overflow whatever the scale is: take a lower learning rate, or precision 'bfloat16' ` +
          "or 'float32', whose numbers reach further.",
      );
    }
    if (this.#warned) return undefined;
    this.#warned = true;
    return `${seen} Try a lower learning rate, or precision 'bfloat16'.`;
  }
}
