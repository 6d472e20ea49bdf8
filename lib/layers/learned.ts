// What layers with weights and a bias have in common: their parameters, and a ReLU in the same pass.
// Invariant: a fused layer shares the parameters of the layer it was made of.
import { reluBackward } from '../ops/index.js';
import { elementCount, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import {
  Layer,
  SavedTensors,
  type Activations,
  type BackwardOptions,
  type Forward,
  type Mode,
} from './layer.js';
import { Parameter, type Initializer } from './parameter.js';

/** Factors on the optimiser's learning rate and weight decay; default 1. */
export interface Multipliers {
  readonly learningRateMultiplier?: number;
  readonly weightDecayMultiplier?: number;
}

export interface LearnedLayerOptions {
  /** Named in errors and summaries. */
  readonly name?: string;
  /** Default true. */
  readonly bias?: boolean;
  /** Default: Gaussian of standard deviation sqrt(2 / fan-in) (He et al. 2015). */
  readonly weightInitializer?: Initializer;
  /** Default: 0. */
  readonly biasInitializer?: Initializer;
  readonly weightMultipliers?: Multipliers;
  readonly biasMultipliers?: Multipliers;
}

/** A layer whose ReLU this one does too, in the same pass. */
export interface FusedRelu<L> {
  readonly of: L;
  /** Who takes the ReLU's gradient: this layer, or the next one before it hands back its own. Default 'this'. */
  readonly gradientIn?: 'this' | 'next';
}

type State = SavedTensors<'x' | 'y'>;

/** Weights are [outputs, ...inputs of one output]. */
export abstract class LearnedLayer<Options extends LearnedLayerOptions> extends Layer<State> {
  readonly options: Options;
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  protected readonly fusedRelu: boolean;
  /** Whether what comes back has been through the ReLU's gradient. */
  readonly #masked: boolean;

  constructor(
    name: string,
    options: Options,
    parameters: { readonly weightShape: Shape } | FusedRelu<LearnedLayer<Options>>,
  ) {
    super(name);
    this.options = options;
    this.fusedRelu = 'of' in parameters;
    this.#masked = 'of' in parameters && parameters.gradientIn === 'next';
    if ('of' in parameters) {
      this.weight = parameters.of.weight;
      this.bias = parameters.of.bias;
      return;
    }
    const { weightShape } = parameters;
    const [outputs = 1] = weightShape;
    const fanIn = elementCount(weightShape) / outputs;
    const standard: Initializer = { kind: 'gaussian', std: Math.sqrt(2 / fanIn) };
    this.weight = new Parameter({
      name: `${name}.weight`,
      shape: weightShape,
      initializer: options.weightInitializer ?? standard,
      ...options.weightMultipliers,
    });
    this.bias =
      options.bias === false
        ? null
        : new Parameter({
            name: `${name}.bias`,
            shape: [outputs],
            initializer: options.biasInitializer ?? { kind: 'constant', value: 0 },
            ...options.biasMultipliers,
          });
  }

  get #takesReluGradient(): boolean {
    return this.fusedRelu && !this.#masked;
  }

  override get parameters(): readonly Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight];
  }

  protected abstract compute(x: Activations, options: { readonly relu: boolean }): Activations;
  protected abstract weightGradients(
    x: Activations,
    dy: Activations,
  ): { readonly dw: Tensor<'float32'>; readonly db: Tensor<'float32'> | null };
  protected abstract inputGradient(dy: Activations, inputShape: Shape): Activations;

  override forward(x: Activations, mode: Mode): Forward<State> {
    const relu = this.fusedRelu;
    const y = this.compute(x, { relu });
    // Where backward never looks at y, sharing it would only keep its memory.
    const saved = mode.gradient ? { x: x.share(), ...(this.#takesReluGradient && { y: y.share() }) } : null;
    return { y, saved: saved && new SavedTensors(saved as { x: Tensor; y: Tensor }) };
  }

  override backward(dy: Activations, saved: State, options: BackwardOptions): Activations | null {
    using masked = this.#takesReluGradient
      ? reluBackward(dy, saved.get('y'), { label: this.name })
      : dy.share();
    const x = saved.get('x');
    if (this.learns) {
      const { dw, db } = this.weightGradients(x, masked);
      this.weight.addGradient(dw);
      if (db) this.bias?.addGradient(db);
    }
    return options.inputGradient ? this.inputGradient(masked, x.shape) : null;
  }
}
