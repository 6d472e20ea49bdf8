// Keeps numbers that are not finite out of the weights.
// Invariant: everything stays on the device; a step with such a gradient changes no weight, and nobody waits for it.
import type { Parameter } from '../layers/index.js';
import { affine } from '../ops/index.js';
import { totalSquares, type Scalar } from './clip.js';

/** For `optimizer.step({ gate })`, where there is no `LossScaler`, which does the same. */
export class FiniteGate implements Disposable {
  #squares: Scalar | undefined;
  #factor: Scalar | undefined;

  /**
   * Looks at the gradients of a step before they are applied.
   * @returns what they are to be multiplied with: 1, or NaN if one of them is not finite and the step is to be skipped.
   * It stays the gate's, and lives until the next update. undefined: there are no gradients
   */
  update(parameters: readonly Parameter[]): Scalar | undefined {
    this.dispose();
    this.#squares = totalSquares(parameters);
    // Infinity and NaN times zero are NaN.
    this.#factor = this.#squares && affine(this.#squares, { scale: 0, shift: 1 });
    return this.#factor;
  }

  /** The sum of the squares of the last update's gradients; whoever takes it owns it. */
  takeSquares(): Scalar | undefined {
    const squares = this.#squares;
    this.#squares = undefined;
    return squares;
  }

  dispose(): void {
    this.#squares?.dispose();
    this.#factor?.dispose();
    this.#squares = undefined;
    this.#factor = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
