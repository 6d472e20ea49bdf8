// Local response normalisation layers.
// Invariant: backward needs the input alone; nothing else is kept.
import { lrn, lrnBackward, lrnWithin, lrnWithinBackward, type LrnOptions } from '../ops/index.js';
import { ShapeError } from '../errors.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import {
  Layer,
  SavedTensors,
  type Activations,
  type BackwardOptions,
  type Forward,
  type Mode,
} from './layer.js';
import { LrnMaxPool2d } from './lrn-max-pool2d.js';
import { MaxPool2d } from './pooling.js';

export interface LocalResponseNormOptions extends Omit<LrnOptions, 'label'> {
  readonly name?: string;
  /** 'across' channels at one pixel (AlexNet), or 'within' a channel over neighbouring pixels (cuda-convnet's same-map). Default 'across'. */
  readonly region?: 'across' | 'within';
}

/** x: [N, C, H, W] -> the same shape. See {@link LrnOptions} for the conventions of alpha. */
export class LocalResponseNorm extends Layer<SavedTensors<'x'>> {
  override readonly kind = 'LocalResponseNorm';
  readonly options: LocalResponseNormOptions;

  constructor(options: LocalResponseNormOptions) {
    super(options.name ?? 'lrn');
    this.options = options;
  }

  override outputShape(input: Shape): Shape {
    if (input.length !== 4) {
      throw new ShapeError(`${this.name}: x is ${formatShape(input)}, expected [N, C, H, W].`);
    }
    return input;
  }

  override fuse(next: Layer): Layer | undefined {
    if (this.options.region === 'within' || !(next instanceof MaxPool2d)) return undefined;
    return new LrnMaxPool2d(this, next, { relu: false });
  }

  override forward(x: Activations, mode: Mode): Forward<SavedTensors<'x'>> {
    const options = { ...this.options, label: this.name };
    const y = this.options.region === 'within' ? lrnWithin(x, options) : lrn(x, options);
    return { y, saved: mode.gradient ? new SavedTensors({ x: x.share() }) : null };
  }

  override backward(
    dy: Activations,
    saved: SavedTensors<'x'>,
    { inputGradient }: BackwardOptions,
  ): Activations | null {
    if (!inputGradient) return null;
    const options = { ...this.options, label: this.name };
    const differentiate = this.options.region === 'within' ? lrnWithinBackward : lrnBackward;
    return differentiate(dy, saved.get('x'), options);
  }
}
