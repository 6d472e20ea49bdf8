// A dynamic loss scale: keeps small gradients of a float16 network above float16's smallest number.
// Invariant: everything stays on the device; a step whose gradients overflow changes no weight, and nobody waits for it.
import { ArgumentError } from '../errors.js';
import type { Parameter } from '../layers/index.js';
import { fill, scaleBy, updateLossScale } from '../ops/index.js';
import type { Device } from '../tensor/device.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { totalSquares, type Scalar } from './clip.js';

export interface LossScalerOptions {
  /** Default 65536. */
  readonly initialScale?: number;
  /** Multiplies the scale after `growthInterval` steps without overflow. Default 2. */
  readonly growthFactor?: number;
  /** Multiplies the scale after a step that overflowed. Default 0.5. */
  readonly backoffFactor?: number;
  /** Default 2000. */
  readonly growthInterval?: number;
  /** Where an earlier scaler was, to go on from; its scale goes before `initialScale`. */
  readonly state?: LossScalerState;
}

export interface LossScalerState {
  readonly scale: number;
  /** Steps since the scale changed. */
  readonly steps: number;
  /** Steps that overflowed, of all. */
  readonly skippedSteps: number;
}

/**
 * Micikevicius et al. 2018, section 3.2, with the defaults of PyTorch's GradScaler: the loss's gradient is multiplied by
 * {@link scale} before backward, and `optimizer.step({ lossScaler })` divides it out again.
 */
export class LossScaler implements Disposable {
  readonly #rates: { growthFactor: number; backoffFactor: number; growthInterval: number };
  readonly #state: { readonly scale: Scalar; readonly factor: Scalar; readonly counts: Tensor<'float32'> };

  /** @throws ArgumentError for factors that would not grow or not shrink */
  constructor(device: Device, options: LossScalerOptions = {}) {
    const { growthFactor = 2, backoffFactor = 0.5, growthInterval = 2000 } = options;
    const { scale, steps, skippedSteps } = options.state ?? {
      scale: options.initialScale ?? 65536,
      steps: 0,
      skippedSteps: 0,
    };
    if (!(scale > 0 && scale < Infinity)) {
      throw new ArgumentError(`LossScaler: the scale must be a positive number, got ${scale}.`);
    }
    if (!(growthFactor >= 1) || !(backoffFactor > 0 && backoffFactor < 1)) {
      throw new ArgumentError(
        `LossScaler: growthFactor must be at least 1 and backoffFactor between 0 and 1, got ${growthFactor} and ${backoffFactor}.`,
      );
    }
    if (!Number.isInteger(growthInterval) || growthInterval < 1) {
      throw new ArgumentError(
        `LossScaler: growthInterval must be a positive integer, got ${growthInterval}.`,
      );
    }
    this.#rates = { growthFactor, backoffFactor, growthInterval };
    this.#state = {
      scale: fill(device, { shape: [], value: scale }),
      factor: fill(device, { shape: [], value: 1 / scale }),
      counts: device.tensor([steps, skippedSteps], { shape: [2] }),
    };
  }

  /** A gradient times the scale; the caller owns it. */
  scale<S extends Shape>(gradient: Tensor<'float32', S>): Tensor<'float32', S> {
    return scaleBy(gradient, this.#state.scale, { label: 'loss scale' });
  }

  /**
   * Looks at the gradients of a step and moves the scale.
   * @returns what the gradients are to be multiplied with: 1 / the scale that they were made with, or NaN if one of them
   * is not finite and the step is to be skipped. It stays the scaler's, and changes with the next update.
   */
  update(parameters: readonly Parameter[]): Scalar {
    using squares = totalSquares(parameters);
    if (squares) updateLossScale(this.#state, squares, { ...this.#rates, label: 'loss scale' });
    return this.#state.factor;
  }

  /** Waits for the device. */
  async state(): Promise<LossScalerState> {
    const [scale, [steps = 0, skippedSteps = 0]] = await Promise.all([
      this.#state.scale.item(),
      this.#state.counts.data(),
    ]);
    return { scale, steps, skippedSteps };
  }

  dispose(): void {
    for (const tensor of Object.values<Tensor>(this.#state)) tensor.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
