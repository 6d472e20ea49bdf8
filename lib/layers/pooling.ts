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

type Images = Tensor<FloatDType, readonly [number, number, number, number]>;

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

export interface AvgPool2dOptions extends Omit<AvgOpOptions, 'label'> {
  readonly name?: string;
}

abstract class Pooling<Options extends MaxPool2dOptions> extends Layer<PoolingState> {
  readonly options: Options;

  constructor(name: string, options: Options) {
    super(name);
    this.options = options;
  }

  protected abstract pool(x: Images, mode: Mode): { y: Activations; argmax: Tensor | null };
  protected abstract spread(dy: Activations, saved: PoolingState): Activations;

  override outputShape(input: Shape): Shape {
    return pool2dShape(input, { ...this.options, label: this.name });
  }

  override forward(x: Activations, mode: Mode): Forward<PoolingState> {
    const { y, argmax } = this.pool(x as Images, mode);
    return { y, saved: mode.gradient ? new PoolingState(x.shape, argmax) : null };
  }

  override backward(dy: Activations, saved: PoolingState, options: BackwardOptions): Activations | null {
    return options.inputGradient ? this.spread(dy, saved) : null;
  }
}

/** x: [N, C, H, W] -> [N, C, OH, OW] */
export class MaxPool2d extends Pooling<MaxPool2dOptions> {
  override readonly kind = 'MaxPool2d';

  constructor(options: MaxPool2dOptions) {
    super(options.name ?? 'maxpool', options);
  }

  protected override pool(x: Images, mode: Mode) {
    return maxPool2d(x, { ...this.options, label: this.name, training: mode.gradient });
  }

  protected override spread(dy: Activations, { inputShape, tensors }: PoolingState): Activations {
    return maxPool2dBackward(dy, tensors.argmax, { ...this.options, label: this.name, inputShape });
  }
}

/** x: [N, C, H, W] -> [N, C, OH, OW] */
export class AvgPool2d extends Pooling<AvgPool2dOptions> {
  override readonly kind = 'AvgPool2d';

  constructor(options: AvgPool2dOptions) {
    super(options.name ?? 'avgpool', options);
  }

  protected override pool(x: Images) {
    return { y: avgPool2d(x, { ...this.options, label: this.name }), argmax: null };
  }

  protected override spread(dy: Activations, { inputShape }: PoolingState): Activations {
    return avgPool2dBackward(dy, { ...this.options, label: this.name, inputShape });
  }
}
