// Response normalisation and the max pooling behind it as one layer: what `Sequential` makes of the two.
// Invariant: what is normalised is never kept; backward needs the input and where the maxima were.
import { lrnMaxPool2d, lrnMaxPool2dBackward, type LrnMaxPool2dOptions } from '../ops/index.js';
import type { FloatDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  Layer,
  SavedTensors,
  type Activations,
  type BackwardOptions,
  type Forward,
  type Mode,
} from './layer.js';
import type { LocalResponseNorm } from './normalization.js';
import type { MaxPool2d } from './pooling.js';

type Images = Tensor<FloatDType, readonly [number, number, number, number]>;
type State = SavedTensors<'x' | 'argmax'>;

/** x: [N, C, H, W] -> [N, C, OH, OW] */
export class LrnMaxPool2d extends Layer<State> {
  override readonly kind = 'LrnMaxPool2d';
  readonly #lrn: LocalResponseNorm;
  readonly #pool: MaxPool2d;
  readonly #relu: boolean;

  /** @param relu  whether x is what a ReLU gave, whose gradient is to be taken here */
  constructor(lrn: LocalResponseNorm, pool: MaxPool2d, { relu }: { readonly relu: boolean }) {
    super(`${lrn.name}+${pool.name}`);
    this.#lrn = lrn;
    this.#pool = pool;
    this.#relu = relu;
  }

  /** The same behind a ReLU that leaves its gradient to this layer. */
  afterRelu(): LrnMaxPool2d {
    return new LrnMaxPool2d(this.#lrn, this.#pool, { relu: true });
  }

  get #options(): LrnMaxPool2dOptions {
    return { lrn: this.#lrn.options, pool: this.#pool.options, label: this.name };
  }

  override outputShape(input: Shape): Shape {
    return this.#pool.outputShape(this.#lrn.outputShape(input));
  }

  override forward(x: Activations, mode: Mode): Forward<State> {
    const { y, argmax } = lrnMaxPool2d(x as Images, { ...this.#options, training: mode.gradient });
    return { y, saved: argmax && new SavedTensors({ x: x.share(), argmax }) };
  }

  override backward(dy: Activations, saved: State, { inputGradient }: BackwardOptions): Activations | null {
    if (!inputGradient) return null;
    const of = { x: saved.get('x') as Images, argmax: saved.tensors.argmax };
    return lrnMaxPool2dBackward(dy, of, { ...this.#options, relu: this.#relu });
  }
}
