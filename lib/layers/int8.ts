// Layers that predict in 8-bit integers, and the one that leads from float32 to integers.
// Invariant: made from layers that have learned; they learn nothing themselves, and refuse to keep anything for backward.
import { ArgumentError } from '../errors.js';
import {
  conv2dInt8,
  dequantize,
  linearInt8,
  lrn,
  lrnInt8,
  quantize,
  type Int8Options,
  type Quantization,
} from '../ops/index.js';
import type { QuantizedDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { ReLU } from './activation.js';
import { Conv2d } from './conv2d.js';
import { Layer, type Activations, type Forward, type Mode } from './layer.js';
import type { Linear } from './linear.js';
import type { LocalResponseNorm } from './normalization.js';

type Quantized = Tensor<QuantizedDType>;

/** Between layers flows what is quantised, too; its scale says so. */
function asActivations(x: Tensor): Activations {
  return x as Activations;
}

/** A layer for predictions alone. */
abstract class PredictingLayer extends Layer<never> {
  protected abstract predict(x: Activations): Tensor;

  /** @throws ArgumentError if the mode asks for a gradient */
  override forward(x: Activations, mode: Mode): Forward<never> {
    if (mode.gradient) this.#refuse();
    return { y: asActivations(this.predict(x)), saved: null };
  }

  override backward(): never {
    return this.#refuse();
  }

  #refuse(): never {
    throw new ArgumentError(
      `${this.name}: 8-bit integers have no gradient; train the float32 model, then quantise that again.`,
    );
  }
}

/** float32 -> integers of a scale. x: any shape -> the same shape. */
export class Quantize extends PredictingLayer {
  override readonly kind = 'Quantize';
  readonly quantization: Quantization;

  constructor({ name, ...quantization }: Quantization & { readonly name: string }) {
    super(name);
    this.quantization = quantization;
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  protected override predict(x: Activations): Tensor {
    return quantize(x as Tensor<'float32'>, { ...this.quantization, label: this.name });
  }
}

/** Weights in integers, on a device. */
export interface Int8Weights {
  /** [outputs, ...] */
  readonly q: Tensor<'int8'>;
  /** [outputs] */
  readonly scales: Tensor<'float32'>;
  /** [outputs] */
  readonly bias: Tensor<'float32'> | null;
}

/** What is done in the same pass. */
interface Fused {
  readonly relu: boolean;
  readonly output: Quantization | undefined;
}

/** A convolution or fully connected layer in integers: quantised x -> float32, or quantised where a `Quantize` follows. */
export class Int8Layer extends PredictingLayer {
  /** That of the layer it was made of, e.g. 'Int8Conv2d'. */
  override readonly kind: string;
  readonly weights: Int8Weights;
  /** What it was made of: geometry and shapes; its weights may be gone. */
  readonly #of: Conv2d | Linear;
  readonly #fused: Fused;

  /** @param weights  owned by this layer, or by the one that it is fused from */
  constructor(of: Conv2d | Linear, weights: Int8Weights, fused: Fused = { relu: false, output: undefined }) {
    super(of.name);
    this.kind = `Int8${of.kind}`;
    this.weights = weights;
    this.#of = of;
    this.#fused = fused;
  }

  override get weightCount(): number {
    return this.#of.weightCount;
  }

  override outputShape(input: Shape): Shape {
    return this.#of.outputShape(input);
  }

  override macs(input: Shape): number {
    return this.#of.macs(input);
  }

  override fuse(next: Layer): Layer | undefined {
    const { relu, output } = this.#fused;
    if (output) return undefined;
    if (next instanceof Quantize) {
      return new Int8Layer(this.#of, this.weights, { relu, output: next.quantization });
    }
    if (!(next instanceof ReLU)) return undefined;
    return new Int8Layer(this.#of, this.weights, { relu: true, output });
  }

  protected override predict(x: Activations): Tensor {
    const { q, scales, bias } = this.weights;
    const options: Int8Options & { label: string } = {
      ...{ scales, b: bias ?? undefined, label: this.name },
      ...this.#fused,
    };
    const quantized = x as Tensor as Quantized;
    if (!(this.#of instanceof Conv2d)) return linearInt8(quantized, q, options);
    return conv2dInt8(quantized, q, { ...this.#of.geometry, ...options });
  }

  override dispose(): void {
    this.weights.q.dispose();
    this.weights.scales.dispose();
    this.weights.bias?.dispose();
  }
}

/** Normalisation across channels of quantised x -> float32, or quantised where a `Quantize` follows. */
export class Int8Lrn extends PredictingLayer {
  override readonly kind = 'Int8LocalResponseNorm';
  readonly #of: LocalResponseNorm;
  readonly #output: Quantization | undefined;

  constructor(of: LocalResponseNorm, output?: Quantization) {
    super(of.name);
    this.#of = of;
    this.#output = output;
  }

  override outputShape(input: Shape): Shape {
    return this.#of.outputShape(input);
  }

  override fuse(next: Layer): Layer | undefined {
    // In integers only what is never negative, as after a ReLU.
    const fits = !this.#output && next instanceof Quantize && next.quantization.dtype === 'uint8';
    return fits ? new Int8Lrn(this.#of, next.quantization) : undefined;
  }

  protected override predict(x: Activations): Tensor {
    const options = { ...this.#of.options, label: this.name };
    const quantized = x as Tensor as Quantized;
    if (this.#output) return lrnInt8(quantized as Tensor<'uint8'>, { ...options, scale: this.#output.scale });
    using values = dequantize(quantized, { label: this.name });
    return lrn(values, options);
  }
}
