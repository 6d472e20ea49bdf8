// Max and average pooling layers.
// Invariant: max pooling keeps where each maximum was, not its input.
import {
  avgPool2d,
  avgPool2dBackward,
  maxPool2d,
  maxPool2dBackward,
  pool2dShape,
  type AvgPool2dOptions as AvgOpOptions,
  type Pool2dOptions as PoolOpOptions,
} from '../ops/index.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { Layer, SavedTensors, type Activations, type Forward, type Mode } from './layer.js';

type Images = Tensor<'float32', readonly [number, number, number, number]>;

/** Saved state of pooling: the input's shape, and for max pooling the opaque argmax. */
class PoolingState extends SavedTensors<'argmax'> {
  readonly inputShape: Shape;

  constructor(inputShape: Shape, argmax: Tensor | null) {
    super((argmax ? { argmax } : {}) as { argmax: Tensor });
    this.inputShape = inputShape;
  }
}

export interface MaxPool2dOptions extends Omit<PoolOpOptions, 'label'> {
  readonly name?: string;
}

/** x: [N, C, H, W] -> [N, C, OH, OW] */
export class MaxPool2d extends Layer<PoolingState> {
  override readonly kind = 'MaxPool2d';
  readonly options: MaxPool2dOptions;

  constructor(options: MaxPool2dOptions) {
    super(options.name ?? 'maxpool');
    this.options = options;
  }

  override outputShape(input: Shape): Shape {
    return pool2dShape(input, { ...this.options, label: this.name });
  }

  override forward(x: Activations, mode: Mode): Forward<PoolingState> {
    const options = { ...this.options, label: this.name, training: mode.gradient };
    const { y, argmax } = maxPool2d(x as Images, options);
    return { y, saved: mode.gradient ? new PoolingState(x.shape, argmax) : null };
  }

  override backward(
    dy: Activations,
    saved: PoolingState,
    { inputGradient }: { readonly inputGradient: boolean },
  ): Activations | null {
    if (!inputGradient) return null;
    const options = { ...this.options, label: this.name, inputShape: saved.inputShape };
    return maxPool2dBackward(dy, saved.tensors.argmax, options);
  }
}

export interface AvgPool2dOptions extends Omit<AvgOpOptions, 'label'> {
  readonly name?: string;
}

/** x: [N, C, H, W] -> [N, C, OH, OW] */
export class AvgPool2d extends Layer<PoolingState> {
  override readonly kind = 'AvgPool2d';
  readonly options: AvgPool2dOptions;

  constructor(options: AvgPool2dOptions) {
    super(options.name ?? 'avgpool');
    this.options = options;
  }

  override outputShape(input: Shape): Shape {
    return pool2dShape(input, { ...this.options, label: this.name });
  }

  override forward(x: Activations, mode: Mode): Forward<PoolingState> {
    const y = avgPool2d(x as Images, { ...this.options, label: this.name });
    return { y, saved: mode.gradient ? new PoolingState(x.shape, null) : null };
  }

  override backward(
    dy: Activations,
    saved: PoolingState,
    { inputGradient }: { readonly inputGradient: boolean },
  ): Activations | null {
    if (!inputGradient) return null;
    return avgPool2dBackward(dy, { ...this.options, label: this.name, inputShape: saved.inputShape });
  }
}
