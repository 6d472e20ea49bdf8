// A chain of layers, itself a layer.
// Invariant: fusion is decided once, when it is built; `layers` always lists what the user wrote.
import { ArgumentError } from '../errors.js';
import { cast, dequantize } from '../ops/index.js';
import type { FloatDType, InferencePrecision, QuantizedDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { Layer, type Activations, type BackwardOptions, type Forward, type Mode } from './layer.js';
import type { Parameter } from './parameter.js';

class SequentialState implements Disposable {
  readonly states: Disposable[];

  constructor(states: Disposable[]) {
    this.states = states;
  }

  [Symbol.dispose](): void {
    for (const state of this.states) state[Symbol.dispose]();
  }
}

export interface SequentialOptions {
  readonly name?: string;
  /**
   * What the layers compute in: the input is converted to it, output and gradients given back are float32; in 'int8',
   * layers of their own quantise the input, see `quantizeModel`. Default: the layers compute in the input's type, and so
   * does the output.
   */
  readonly precision?: InferencePrecision;
}

export class Sequential extends Layer {
  override readonly kind = 'Sequential';
  readonly layers: readonly Layer[];
  readonly precision: InferencePrecision | undefined;
  /** What runs: layers that can do their successor's work in the same pass do. */
  readonly #fused: readonly Layer[];

  /** @throws ArgumentError if two layers have the same name and parameters */
  constructor(layers: readonly Layer[], options: SequentialOptions = {}) {
    super(options.name ?? 'sequential');
    this.layers = layers;
    this.precision = options.precision;
    this.#fused = fuseAll(layers);
    const names = this.parameters.map(({ name }) => name);
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice) {
      throw new ArgumentError(`Two layers have a parameter '${twice}': give layers different names.`);
    }
  }

  override get parameters(): readonly Parameter[] {
    return this.layers.flatMap((layer) => layer.parameters);
  }

  /**
   * The layers up to the one of this name, as a chain of its own whose output is that layer's. It shares the
   * parameters, which stay this chain's: it is not to be disposed.
   * @throws ArgumentError if there is no such layer
   */
  upTo(name: string): Sequential {
    const last = this.layers.findIndex((layer) => layer.name === name);
    if (last < 0) {
      const names = this.layers.map((layer) => layer.name).join(', ');
      throw new ArgumentError(`${this.name}: there is no layer '${name}'; there are ${names}.`);
    }
    const { name: own, precision } = this;
    return new Sequential(this.layers.slice(0, last + 1), { name: own, ...(precision && { precision }) });
  }

  override outputShape(input: Shape): Shape {
    return this.layers.reduce((shape, layer) => layer.outputShape(shape), input);
  }

  override macs(input: Shape): number {
    let total = 0;
    let shape = input;
    for (const layer of this.layers) {
      total += layer.macs(shape);
      shape = layer.outputShape(shape);
    }
    return total;
  }

  override forward(x: Activations, mode: Mode): Forward {
    const states: Disposable[] = [];
    let current = convert(x, this.#inputType);
    try {
      for (const layer of this.#fused) {
        const { y, saved } = layer.forward(current, mode);
        if (saved) states.push(saved);
        current.dispose();
        current = y;
      }
    } catch (error) {
      current.dispose();
      for (const state of states) state[Symbol.dispose]();
      throw error;
    }
    return { y: this.#asFloat32(current), saved: mode.gradient ? new SequentialState(states) : null };
  }

  override backward(
    dy: Activations,
    saved: Disposable,
    { inputGradient }: BackwardOptions,
  ): Activations | null {
    const { states } = saved as SequentialState;
    const first = this.#firstLearned(inputGradient);
    let current: Activations | null = convert(dy, this.#inputType);
    for (let i = this.#fused.length - 1; i >= first; i--) {
      const layer = this.#fused[i] as Layer;
      // Each state goes as soon as it is used, so that its memory serves the layers below.
      using state = states[i] as Disposable;
      using gradient = current as Activations;
      current = layer.backward(gradient, state, { inputGradient: inputGradient || i > first });
    }
    if (inputGradient && current) return this.#asFloat32(current);
    current?.dispose();
    return null;
  }

  get #inputType(): FloatDType | undefined {
    return this.precision === 'int8' ? 'float32' : this.precision;
  }

  /** What leaves a network with a precision of its own; consumes what it is given. */
  #asFloat32(x: Activations): Activations {
    if (!this.precision) return x;
    using owned = x;
    return isQuantized(owned) ? dequantize(owned, { label: this.name }) : convert(owned, 'float32');
  }

  /** Releases what its layers own. */
  override dispose(): void {
    for (const layer of this.layers) layer.dispose();
  }

  /** Below the lowest layer that learns nobody needs a gradient, unless the input's is wanted. */
  #firstLearned(inputGradient: boolean): number {
    if (inputGradient) return 0;
    const first = this.#fused.findIndex((layer) => layer.learns);
    return first === -1 ? this.#fused.length : first;
  }
}

/** x in another type, or another owner of x if it has that type. */
function convert(x: Activations, dtype: FloatDType = x.dtype): Activations {
  return x.dtype === dtype ? x.share() : cast(x, { dtype });
}

function isQuantized(x: Tensor): x is Tensor<QuantizedDType> {
  return x.scale !== undefined;
}

function fuseAll(layers: readonly Layer[]): Layer[] {
  const fused: Layer[] = [];
  for (const layer of layers) {
    const last = fused.at(-1);
    const both = last?.fuse(layer);
    if (both) fused[fused.length - 1] = both;
    else fused.push(layer);
  }
  for (let i = 1; i < fused.length; i++) {
    const both = fused[i - 1]!.passGradientTo(fused[i]!);
    if (both) fused.splice(i - 1, 2, ...both);
  }
  return fused;
}
