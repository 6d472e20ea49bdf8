// A network whose layers are looked at while it works.
// Invariant: computes what the network computes, with its parameters, but without fusion: a look costs time, not accuracy.
import { Layer, Sequential, type Activations, type Forward, type Mode } from '../layers/index.js';
import type { Shape } from '../tensor/shape.js';

/** Told of each layer in the order in which the device works. What is shown stays the network's. */
export interface Looks {
  readonly output?: (layer: Layer, y: Activations) => void;
  /** After a layer's backward: its parameters have their gradients. dx: of its input; null for the first layer. */
  readonly gradient?: (layer: Layer, dx: Activations | null) => void;
}

/** The same layers, each shown to `looks`; not to be disposed, for the parameters are the network's. */
export function probed(network: Sequential, looks: Looks): Sequential {
  const { name, precision } = network;
  return new Sequential(
    network.layers.map((layer) => new Probe(layer, looks)),
    { name, ...(precision && { precision }) },
  );
}

class Probe extends Layer {
  readonly #layer: Layer;
  readonly #looks: Looks;

  constructor(layer: Layer, looks: Looks) {
    super(layer.name);
    this.#layer = layer;
    this.#looks = looks;
  }

  override get kind(): string {
    return this.#layer.kind;
  }

  override get parameters() {
    return this.#layer.parameters;
  }

  override outputShape(input: Shape): Shape {
    return this.#layer.outputShape(input);
  }

  override forward(x: Activations, mode: Mode): Forward {
    const forward = this.#layer.forward(x, mode);
    this.#looks.output?.(this.#layer, forward.y);
    return forward;
  }

  override backward(
    dy: Activations,
    saved: Disposable,
    options: { readonly inputGradient: boolean },
  ): Activations | null {
    const dx = this.#layer.backward(dy, saved, options);
    this.#looks.gradient?.(this.#layer, dx);
    return dx;
  }
}
