// Convolution layer, with an optional ReLU in the same pass.
// Invariant: weights are [outChannels, inChannels / groups, kernelH, kernelW].
import { ArgumentError } from '../errors.js';
import { size2d, type Padding2d, type Size2d } from '../ops/geometry.js';
import {
  conv2d,
  conv2dBackwardData,
  conv2dBackwardWeights,
  conv2dShape,
  type Conv2dOptions as ConvOpOptions,
} from '../ops/index.js';
import type { FloatDType } from '../tensor/dtype.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { ReLU } from './activation.js';
import type { Activations, Layer } from './layer.js';

import { LearnedLayer, type FusedRelu, type LearnedLayerOptions } from './learned.js';
import { LrnMaxPool2d } from './lrn-max-pool2d.js';

export interface Conv2dOptions extends LearnedLayerOptions {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Size2d;
  /** Default 1. */
  readonly stride?: Size2d;
  /** Zeros around the input; per side if need be. Default 0. */
  readonly padding?: Padding2d;
  /** Default 1. */
  readonly groups?: number;
}

type Images<D extends FloatDType> = Tensor<D, readonly [number, number, number, number]>;

function weightShape(name: string, options: Conv2dOptions): Shape {
  const { inChannels, outChannels, groups = 1 } = options;
  if (inChannels % groups !== 0 || outChannels % groups !== 0) {
    throw new ArgumentError(
      `${name}: ${inChannels} input and ${outChannels} output channels must divide into ${groups} groups.`,
    );
  }
  return [outChannels, inChannels / groups, ...size2d(options.kernelSize, `${name}: kernelSize`)];
}

/** x: [N, inChannels, H, W] -> [N, outChannels, OH, OW] */
export class Conv2d extends LearnedLayer<Conv2dOptions> {
  override readonly kind = 'Conv2d';

  constructor(options: Conv2dOptions, fused?: FusedRelu<Conv2d>) {
    const name = options.name ?? 'conv2d';
    super(name, options, fused ?? { weightShape: weightShape(name, options) });
  }

  /** @internal What the convolution's ops take. */
  get geometry(): ConvOpOptions {
    const { stride = 1, padding = 0, groups = 1 } = this.options;
    return { stride, padding, groups, label: this.name };
  }

  override outputShape(input: Shape): Shape {
    return conv2dShape(input, this.weight.shape, this.geometry);
  }

  override macs(input: Shape): number {
    return (elementCount(this.outputShape(input)) * this.weight.size) / this.options.outChannels;
  }

  override fuse(next: Layer): Layer | undefined {
    return next instanceof ReLU && !this.fusedRelu ? new Conv2d(this.options, { of: this }) : undefined;
  }

  override passGradientTo(next: Layer): readonly [Layer, Layer] | undefined {
    if (!this.fusedRelu || !(next instanceof LrnMaxPool2d)) return undefined;
    return [new Conv2d(this.options, { of: this, gradientIn: 'next' }), next.afterRelu()];
  }

  protected override compute(x: Activations, { relu }: { readonly relu: boolean }): Activations {
    const w = this.weight.value as Images<'float32'>;
    return conv2d(x as Images<FloatDType>, w, { b: this.bias?.value, relu, ...this.geometry });
  }

  protected override weightGradients(x: Activations, dy: Activations) {
    const bias = this.bias !== null;
    return conv2dBackwardWeights(x, dy, { weightShape: this.weight.shape, bias, ...this.geometry });
  }

  protected override inputGradient(dy: Activations, inputShape: Shape): Activations {
    return conv2dBackwardData(dy, this.weight.value, { inputShape, ...this.geometry });
  }
}
