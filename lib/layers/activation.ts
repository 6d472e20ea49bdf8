// ReLU, tanh and sigmoid layers.
// Invariant: backward needs the output alone.
import { relu, reluBackward, sigmoid, sigmoidBackward, tanh, tanhBackward } from '../ops/index.js';
import type { Shape } from '../tensor/shape.js';
import { Layer, SavedTensors, type Activations, type Forward, type Mode } from './layer.js';

type Function1 = (x: Activations, options: { label: string }) => Activations;
type Gradient1 = (dy: Activations, y: Activations, options: { label: string }) => Activations;

abstract class Activation extends Layer<SavedTensors<'y'>> {
  protected abstract readonly compute: Function1;
  protected abstract readonly differentiate: Gradient1;

  override outputShape(input: Shape): Shape {
    return input;
  }

  override forward(x: Activations, mode: Mode): Forward<SavedTensors<'y'>> {
    const y = this.compute(x, { label: this.name });
    return { y, saved: mode.gradient ? new SavedTensors({ y: y.share() }) : null };
  }

  override backward(
    dy: Activations,
    saved: SavedTensors<'y'>,
    { inputGradient }: { readonly inputGradient: boolean },
  ): Activations | null {
    return inputGradient ? this.differentiate(dy, saved.get('y'), { label: this.name }) : null;
  }
}

/** y = max(0, x). After a convolution or fully connected layer in a `Sequential` it costs no pass of its own. */
export class ReLU extends Activation {
  override readonly kind = 'ReLU';
  protected override readonly compute: Function1 = relu;
  protected override readonly differentiate: Gradient1 = reluBackward;

  constructor(options: { readonly name?: string } = {}) {
    super(options.name ?? 'relu');
  }
}

/** y = tanh(x) */
export class Tanh extends Activation {
  override readonly kind = 'Tanh';
  protected override readonly compute: Function1 = tanh;
  protected override readonly differentiate: Gradient1 = tanhBackward;

  constructor(options: { readonly name?: string } = {}) {
    super(options.name ?? 'tanh');
  }
}

/** y = 1 / (1 + exp(-x)) */
export class Sigmoid extends Activation {
  override readonly kind = 'Sigmoid';
  protected override readonly compute: Function1 = sigmoid;
  protected override readonly differentiate: Gradient1 = sigmoidBackward;

  constructor(options: { readonly name?: string } = {}) {
    super(options.name ?? 'sigmoid');
  }
}
