// Fully connected layer, with an optional ReLU in the same pass.
// Invariant: weights are [outFeatures, inFeatures].
import { linear, linearBackwardData, linearBackwardWeights } from '../ops/index.js';
import { ShapeError } from '../errors.js';
import type { FloatDType } from '../tensor/dtype.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { ReLU } from './activation.js';
import type { Activations, Layer } from './layer.js';
import { LearnedLayer, type FusedRelu, type LearnedLayerOptions } from './learned.js';

export interface LinearOptions extends LearnedLayerOptions {
  readonly inFeatures: number;
  readonly outFeatures: number;
}

type Rows<D extends FloatDType> = Tensor<D, readonly [number, number]>;

/** x: [N, inFeatures] -> [N, outFeatures] */
export class Linear extends LearnedLayer<LinearOptions> {
  override readonly kind = 'Linear';

  constructor(options: LinearOptions, fused?: FusedRelu<Linear>) {
    const { inFeatures, outFeatures } = options;
    super(options.name ?? 'linear', options, fused ?? { weightShape: [outFeatures, inFeatures] });
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
    return next instanceof ReLU && !this.fusedRelu ? new Linear(this.options, { of: this }) : undefined;
  }

  protected override compute(x: Activations, { relu }: { readonly relu: boolean }): Activations {
    const w = this.weight.value as Rows<'float32'>;
    return linear(x as Rows<FloatDType>, w, { b: this.bias?.value, relu, label: this.name });
  }

  protected override weightGradients(x: Activations, dy: Activations) {
    return linearBackwardWeights(x, dy, { bias: this.bias !== null, label: this.name });
  }

  protected override inputGradient(dy: Activations): Activations {
    return linearBackwardData(dy, this.weight.value, { label: this.name });
  }
}
