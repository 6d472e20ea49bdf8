// Dropout, in both conventions.
// Invariant: the mask is a pure function of (seed, step, stream); it is drawn again in backward, never stored.
import { affine, dropout } from '../ops/index.js';
import { ArgumentError } from '../errors.js';
import type { Shape } from '../tensor/shape.js';
import {
  Layer,
  SavedValue,
  type Activations,
  type BackwardOptions,
  type Forward,
  type Mode,
} from './layer.js';

export interface DropoutOptions {
  readonly name?: string;
  /** Probability of zero. Default 0.5. */
  readonly rate?: number;
  /**
   * 'inverted' divides what is kept by 1 - rate while training (Caffe, PyTorch, cuDNN); 'paper' multiplies by
   * 1 - rate at test time instead (Krizhevsky et al. 2012, section 4.2). Default 'inverted'.
   */
  readonly convention?: 'inverted' | 'paper';
  /** Keeps the masks of different layers apart: give each dropout layer of a network its own. */
  readonly stream: number;
}

/** x: any shape -> the same shape */
export class Dropout extends Layer<SavedValue<Mode>> {
  override readonly kind = 'Dropout';
  readonly rate: number;
  readonly convention: 'inverted' | 'paper';
  readonly stream: number;

  constructor(options: DropoutOptions) {
    super(options.name ?? 'dropout');
    this.rate = options.rate ?? 0.5;
    this.convention = options.convention ?? 'inverted';
    this.stream = options.stream;
    if (!(this.rate >= 0 && this.rate < 1)) {
      throw new ArgumentError(`${this.name}: rate must be at least 0 and below 1, got ${this.rate}.`);
    }
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  override forward(x: Activations, mode: Mode): Forward<SavedValue<Mode>> {
    return { y: this.#apply(x, mode), saved: mode.gradient ? new SavedValue<Mode>(mode) : null };
  }

  override backward(
    dy: Activations,
    saved: SavedValue<Mode>,
    { inputGradient }: BackwardOptions,
  ): Activations | null {
    return inputGradient ? this.#apply(dy, saved.value) : null;
  }

  /** Linear, and therefore its own gradient. */
  #apply(x: Activations, mode: Mode): Activations {
    const inverted = this.convention === 'inverted';
    if (mode.training) {
      const scale = inverted ? 1 / (1 - this.rate) : 1;
      const { seed, step } = mode;
      return dropout(x, { rate: this.rate, scale, seed, step, stream: this.stream, label: this.name });
    }
    return inverted ? x.share() : affine(x, { scale: 1 - this.rate });
  }
}
