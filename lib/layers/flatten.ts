// From pictures to rows of features.
// Invariant: features are in the order C, H, W, as every framework's weights expect.
import { flatten, reshape } from '../ops/index.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import {
  Layer,
  SavedValue,
  type Activations,
  type BackwardOptions,
  type Forward,
  type Mode,
} from './layer.js';

/** x: [N, C, H, W] -> [N, C * H * W] */
export class Flatten extends Layer<SavedValue<Shape>> {
  override readonly kind = 'Flatten';

  constructor(options: { readonly name?: string } = {}) {
    super(options.name ?? 'flatten');
  }

  override outputShape(input: Shape): Shape {
    const [n = 1] = input;
    return [n, elementCount(input) / n];
  }

  override forward(x: Activations, mode: Mode): Forward<SavedValue<Shape>> {
    return { y: flatten(x, { label: this.name }), saved: mode.gradient ? new SavedValue(x.shape) : null };
  }

  override backward(
    dy: Activations,
    saved: SavedValue<Shape>,
    { inputGradient }: BackwardOptions,
  ): Activations | null {
    return inputGradient ? reshape(dy, { shape: saved.value, label: this.name }) : null;
  }
}
