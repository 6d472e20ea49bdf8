// Fully connected layer, with an optional ReLU in the same pass.
// Invariant: weights are [outFeatures, inFeatures].
import { linear, linearBackwardData, linearBackwardWeights, reluBackward } from '../ops/index.js';
import { ShapeError } from '../errors.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { ReLU } from './activation.js';
import { Layer, SavedTensors, type Activations, type Forward, type Mode } from './layer.js';
import type { LearnedLayerOptions } from './learned.js';
import { Parameter } from './parameter.js';

export interface LinearOptions extends LearnedLayerOptions {
  readonly inFeatures: number;
  readonly outFeatures: number;
}

type Rows = Tensor<'float32', readonly [number, number]>;

/** x: [N, inFeatures] -> [N, outFeatures] */
export class Linear extends Layer<SavedTensors<'x' | 'y'>> {
  override readonly kind = 'Linear';
  readonly options: LinearOptions;
  readonly weight: Parameter;
  readonly bias: Parameter | null;
  readonly #fusedRelu: boolean;

  constructor(options: LinearOptions, fused?: { readonly of: Linear }) {
    super(options.name ?? 'linear');
    this.options = options;
    this.#fusedRelu = fused !== undefined;
    if (fused) {
      this.weight = fused.of.weight;
      this.bias = fused.of.bias;
      return;
    }
    const { inFeatures, outFeatures } = options;
    this.weight = new Parameter({
      name: `${this.name}.weight`,
      shape: [outFeatures, inFeatures],
      initializer: options.weightInitializer ?? { kind: 'gaussian', std: Math.sqrt(2 / inFeatures) },
      ...options.weightMultipliers,
    });
    this.bias =
      options.bias === false
        ? null
        : new Parameter({
            name: `${this.name}.bias`,
            shape: [outFeatures],
            initializer: options.biasInitializer ?? { kind: 'constant', value: 0 },
            ...options.biasMultipliers,
          });
  }

  override get parameters(): readonly Parameter[] {
    return this.bias ? [this.weight, this.bias] : [this.weight];
  }

  override outputShape(input: Shape): Shape {
    const { inFeatures, outFeatures } = this.options;
    if (input.length !== 2 || input[1] !== inFeatures) {
      throw new ShapeError(
        `${this.name}: x is ${formatShape(input)}, expected [N, ${inFeatures}].` +
          (input.length === 4 ? ' Put a Flatten layer in front.' : ''),
      );
    }
    return [input[0] as number, outFeatures];
  }

  override macs(input: Shape): number {
    return (input[0] ?? 1) * this.weight.size;
  }

  override fuse(next: Layer): Layer | undefined {
    return next instanceof ReLU && !this.#fusedRelu ? new Linear(this.options, { of: this }) : undefined;
  }

  override forward(x: Activations, mode: Mode): Forward<SavedTensors<'x' | 'y'>> {
    const relu = this.#fusedRelu;
    const w = this.weight.value as Rows;
    const y = linear(x as Rows, w, { b: this.bias?.value, relu, label: this.name });
    const saved = mode.gradient ? { x: x.share(), ...(relu && { y: y.share() }) } : null;
    return { y, saved: saved && new SavedTensors(saved as { x: Tensor; y: Tensor }) };
  }

  override backward(
    dy: Activations,
    saved: SavedTensors<'x' | 'y'>,
    { inputGradient }: { readonly inputGradient: boolean },
  ): Activations | null {
    const label = this.name;
    using masked = this.#fusedRelu ? reluBackward(dy, saved.get('y'), { label }) : dy.share();
    const { dw, db } = linearBackwardWeights(saved.get('x'), masked, { bias: this.bias !== null, label });
    this.weight.addGradient(dw);
    if (db) this.bias?.addGradient(db);
    return inputGradient ? linearBackwardData(masked, this.weight.value, { label }) : null;
  }
}
