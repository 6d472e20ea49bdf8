// ReLU, tanh and sigmoid layers.
// Invariant: backward needs the output alone.
import { relu, reluBackward, sigmoid, sigmoidBackward, tanh, tanhBackward } from '../ops/index.js';
import type { Shape } from '../tensor/shape.js';
import {
  Layer,
  SavedTensors,
  type Activations,
  type BackwardOptions,
  type Forward,
  type Mode,
} from './layer.js';

interface Function1 {
  readonly compute: (x: Activations, options: { label: string }) => Activations;
  readonly differentiate: (dy: Activations, y: Activations, options: { label: string }) => Activations;
}

abstract class Activation extends Layer<SavedTensors<'y'>> {
  readonly #function: Function1;

  constructor(name: string, compute: Function1['compute'], differentiate: Function1['differentiate']) {
    super(name);
    this.#function = { compute, differentiate };
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  override forward(x: Activations, mode: Mode): Forward<SavedTensors<'y'>> {
    const y = this.#function.compute(x, { label: this.name });
    return { y, saved: mode.gradient ? new SavedTensors({ y: y.share() }) : null };
  }

  override backward(
    dy: Activations,
    saved: SavedTensors<'y'>,
    { inputGradient }: BackwardOptions,
  ): Activations | null {
    return inputGradient ? this.#function.differentiate(dy, saved.get('y'), { label: this.name }) : null;
  }
}

/** y = max(0, x). After a convolution or fully connected layer in a `Sequential` it costs no pass of its own. */
export class ReLU extends Activation {
  override readonly kind = 'ReLU';

  constructor(options: { readonly name?: string } = {}) {
    super(options.name ?? 'relu', relu, reluBackward);
  }
}

/** y = tanh(x) */
export class Tanh extends Activation {
  override readonly kind = 'Tanh';

  constructor(options: { readonly name?: string } = {}) {
    super(options.name ?? 'tanh', tanh, tanhBackward);
  }
}

/** y = 1 / (1 + exp(-x)) */
export class Sigmoid extends Activation {
  override readonly kind = 'Sigmoid';

  constructor(options: { readonly name?: string } = {}) {
    super(options.name ?? 'sigmoid', sigmoid, sigmoidBackward);
  }
}
