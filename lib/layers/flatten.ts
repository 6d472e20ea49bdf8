// From pictures to rows of features.
// Invariant: features are in the order C, H, W, as every framework's weights expect.
import { flatten, reshape } from '../ops/index.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import { Layer, type Activations, type Forward, type Mode } from './layer.js';

class FlattenState implements Disposable {
  readonly inputShape: Shape;

  constructor(inputShape: Shape) {
    this.inputShape = inputShape;
  }

  [Symbol.dispose](): void {}
}

/** x: [N, C, H, W] -> [N, C * H * W] */
export class Flatten extends Layer<FlattenState> {
  override readonly kind = 'Flatten';

  constructor(options: { readonly name?: string } = {}) {
    super(options.name ?? 'flatten');
  }

  override outputShape(input: Shape): Shape {
    const [n = 1] = input;
    return [n, elementCount(input) / n];
  }

  override forward(x: Activations, mode: Mode): Forward<FlattenState> {
    return { y: flatten(x, { label: this.name }), saved: mode.gradient ? new FlattenState(x.shape) : null };
  }

  override backward(
    dy: Activations,
    saved: FlattenState,
    { inputGradient }: { readonly inputGradient: boolean },
  ): Activations | null {
    return inputGradient ? reshape(dy, { shape: saved.inputShape, label: this.name }) : null;
  }
}
