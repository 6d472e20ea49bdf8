// The interface of a layer: an explicit forward and backward, with the state that goes from one to the other.
// Invariant: a layer never disposes its inputs; what it returns belongs to the caller.
import type { FloatDType } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Parameter } from './parameter.js';

/** What flows between layers: [N, C, H, W] or [N, features]; a layer computes in the type it is given. */
export type Activations = Tensor<FloatDType>;

/** How a forward pass is meant. */
export interface Mode {
  /** Whether dropout drops. */
  readonly training: boolean;
  /** Whether backward will follow, so that layers keep what it needs. */
  readonly gradient: boolean;
  /** Random numbers of this pass are a pure function of seed and step. */
  readonly seed: number;
  readonly step: number;
}

/** The mode for predictions: no dropout, nothing kept. */
export const inference: Mode = { training: false, gradient: false, seed: 0, step: 0 };

/** What forward leaves for backward. */
export interface Forward<Saved extends Disposable = Disposable> {
  /** Owned by the caller. */
  readonly y: Activations;
  /** Owned by the caller, who gives it to backward once and disposes it; null if the mode keeps nothing. */
  readonly saved: Saved | null;
}

/** Saved state made of tensors: `new SavedTensors({ x: x.share() })`. */
export class SavedTensors<Name extends string> implements Disposable {
  readonly tensors: Readonly<Record<Name, Tensor>>;

  /** @param tensors  owned by this object from now on */
  constructor(tensors: Readonly<Record<Name, Tensor>>) {
    this.tensors = tensors;
  }

  /** An activation by name; it stays this object's. */
  get(name: Name): Activations {
    return this.tensors[name] as Activations;
  }

  [Symbol.dispose](): void {
    for (const tensor of Object.values<Tensor>(this.tensors)) tensor.dispose();
  }
}

/** Saved state that holds no tensors: `new SavedValue(x.shape)`. */
export class SavedValue<T> implements Disposable {
  readonly value: T;

  constructor(value: T) {
    this.value = value;
  }

  [Symbol.dispose](): void {}
}

/** What backward is asked for. */
export interface BackwardOptions {
  /** Whether the gradient of the input is wanted. */
  readonly inputGradient: boolean;
}

/**
 * Base of all layers, also of users' own: implement {@link outputShape}, {@link forward} and {@link backward}, list
 * the {@link parameters}, and `gradientCheck` says whether they agree.
 */
export abstract class Layer<Saved extends Disposable = Disposable> implements Disposable {
  /** Named in errors and summaries; parameters are called `name.weight`, `name.bias`. */
  readonly name: string;
  /** What kind of layer it is, for summaries, e.g. 'Conv2d'. */
  abstract readonly kind: string;

  constructor(name: string) {
    this.name = name;
  }

  get parameters(): readonly Parameter[] {
    return [];
  }

  /** Weights and biases, for summaries. */
  get weightCount(): number {
    return this.parameters.reduce((total, parameter) => total + parameter.size, 0);
  }

  /** Whether it has parameters that are not frozen. */
  get learns(): boolean {
    return this.parameters.some((parameter) => !parameter.frozen);
  }

  /** @throws ShapeError if the layer cannot take the input */
  abstract outputShape(input: Shape): Shape;

  /** Multiply-accumulate operations of one forward pass over an input of this shape. */
  macs(_input: Shape): number {
    return 0;
  }

  abstract forward(x: Activations, mode: Mode): Forward<Saved>;

  /**
   * Adds the parameters' gradients to them; those of frozen ones need not be computed.
   * @returns the input's gradient, owned by the caller; null if it was not wanted
   */
  abstract backward(dy: Activations, saved: Saved, options: BackwardOptions): Activations | null;

  /**
   * A layer that does this one's and the next one's work in one, sharing this one's parameters; undefined if there
   * is none. `Sequential` asks when it is built.
   */
  fuse(_next: Layer): Layer | undefined {
    return undefined;
  }

  /**
   * This layer and the next one where the next one's backward pass takes the gradient of this one's activation too;
   * undefined if they cannot. `Sequential` asks when it is built, after {@link fuse}.
   */
  passGradientTo(_next: Layer): readonly [Layer, Layer] | undefined {
    return undefined;
  }

  /** Releases the parameters. */
  dispose(): void {
    for (const parameter of this.parameters) parameter.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
