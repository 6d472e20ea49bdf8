// Convolution layer, with an optional ReLU in the same pass.
// Invariant: weights are [outChannels, inChannels / groups, kernelH, kernelW].
import { ArgumentError } from '../errors.js';
import { size2d, type Padding2d, type Size2d } from '../ops/geometry.js';
import {
  conv2d,
  conv2dBackwardData,
  conv2dBackwardWeights,
  conv2dShape,
  reluBackward,
  type Conv2dOptions as ConvOpOptions,
} from '../ops/index.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { ReLU } from './activation.js';
import { Layer, SavedTensors, type Activations, type Forward, type Mode } from './layer.js';
import { Parameter, type Initializer } from './parameter.js';
import type { LearnedLayerOptions } from './learned.js';

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

type Images = Tensor<'float32', readonly [number, number, number, number]>;

/** x: [N, inChannels, H, W] -> [N, outChannels, OH, OW] */
export class Conv2d extends Layer<SavedTensors<'x' | 'y'>> {
  override readonly kind = 'Conv2d';
  readonly options: Conv2dOptions;
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly #fusedRelu: boolean;

  constructor(options: Conv2dOptions, fused?: { readonly of: Conv2d }) {
    super(options.name ?? 'conv2d');
    this.options = options;
    this.#fusedRelu = fused !== undefined;
    if (fused) {
      this.weight = fused.of.weight;
      this.bias = fused.of.bias;
      return;
    }
    const { inChannels, outChannels, groups = 1 } = options;
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new ArgumentError(
        `${this.name}: ${inChannels} input and ${outChannels} output channels must divide into ${groups} groups.`,
      );
    }
    const shape = [
      outChannels,
      inChannels / groups,
      ...size2d(options.kernelSize, `${this.name}: kernelSize`),
    ];
    const fanIn = elementCount(shape) / outChannels;
    const standard: Initializer = { kind: 'gaussian', std: Math.sqrt(2 / fanIn) };
    this.weight = new Parameter({
      name: `${this.name}.weight`,
      shape,
      initializer: options.weightInitializer ?? standard,
      ...options.weightMultipliers,
    });
    this.bias =
      options.bias === false
        ? null
        : new Parameter({
            name: `${this.name}.bias`,
            shape: [outChannels],
            initializer: options.biasInitializer ?? { kind: 'constant', value: 0 },
            ...options.biasMultipliers,
          });
  }

  override get parameters(): readonly Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight];
  }

  get #geometry(): ConvOpOptions {
    const { stride = 1, padding = 0, groups = 1 } = this.options;
    return { stride, padding, groups, label: this.name };
  }

  override outputShape(input: Shape): Shape {
    return conv2dShape(input, this.weight.shape, this.#geometry);
  }

  override macs(input: Shape): number {
    return (elementCount(this.outputShape(input)) * this.weight.size) / this.options.outChannels;
  }

  override fuse(next: Layer): Layer | undefined {
    return next instanceof ReLU && !this.#fusedRelu ? new Conv2d(this.options, { of: this }) : undefined;
  }

  override forward(x: Activations, mode: Mode): Forward<SavedTensors<'x' | 'y'>> {
    const relu = this.#fusedRelu;
    const w = this.weight.value as Images;
    const y = conv2d(x as Images, w, { b: this.bias?.value, relu, ...this.#geometry });
    // Without a fused ReLU backward never looks at y; sharing it would only keep its memory.
    const saved = mode.gradient ? { x: x.share(), ...(relu && { y: y.share() }) } : null;
    return { y, saved: saved && new SavedTensors(saved as { x: Tensor; y: Tensor }) };
  }

  override backward(
    dy: Activations,
    saved: SavedTensors<'x' | 'y'>,
    { inputGradient }: { readonly inputGradient: boolean },
  ): Activations | null {
    using masked = this.#fusedRelu ? reluBackward(dy, saved.get('y'), { label: this.name }) : dy.share();
    const x = saved.get('x');
    const bias = this.bias !== null;
    const geometry = this.#geometry;
    const { dw, db } = conv2dBackwardWeights(x, masked, {
      weightShape: this.weight.shape,
      bias,
      ...geometry,
    });
    this.weight.addGradient(dw);
    if (db) this.bias?.addGradient(db);
    if (!inputGradient) return null;
    return conv2dBackwardData(masked, this.weight.value, { inputShape: x.shape, ...geometry });
  }
}
