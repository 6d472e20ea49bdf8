// What a network learns: a named tensor with its gradient, how it starts and how fast it moves.
// Invariant: owns its value and its gradient; a gradient is added by backward and taken by the optimiser.
import { ArgumentError, ShapeError } from '../errors.js';
import { add, fill, gaussian, uniform } from '../ops/index.js';
import type { Device } from '../tensor/device.js';
import { elementCount, formatShape, sameShape, type Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';

/** How a parameter starts. */
export type Initializer =
  | { readonly kind: 'constant'; readonly value: number }
  /** N(0, std^2) */
  | { readonly kind: 'gaussian'; readonly std: number }
  /** Evenly over (-bound, bound). */
  | { readonly kind: 'uniform'; readonly bound: number };

export interface ParameterOptions {
  readonly name: string;
  readonly shape: Shape;
  readonly initializer: Initializer;
  /** Factor on the optimiser's learning rate. Default 1. */
  readonly learningRateMultiplier?: number | undefined;
  /** Factor on the optimiser's weight decay; 0 exempts. Default 1. */
  readonly weightDecayMultiplier?: number | undefined;
}

export class Parameter implements Disposable {
  readonly name: string;
  readonly shape: Shape;
  readonly initializer: Initializer;
  readonly learningRateMultiplier: number;
  readonly weightDecayMultiplier: number;
  #value: Tensor<'float32'> | undefined;
  #gradient: Tensor<'float32'> | undefined;
  /**
   * Whether it stays as it is: backward passes then compute no gradient of it, and end above the lowest layer that
   * learns. Default false.
   */
  frozen = false;

  constructor(options: ParameterOptions) {
    this.name = options.name;
    this.shape = options.shape;
    this.initializer = options.initializer;
    this.learningRateMultiplier = options.learningRateMultiplier ?? 1;
    this.weightDecayMultiplier = options.weightDecayMultiplier ?? 1;
  }

  get size(): number {
    return elementCount(this.shape);
  }

  get initialized(): boolean {
    return this.#value !== undefined;
  }

  /**
   * The parameter's tensor; it stays the parameter's.
   * @throws ArgumentError before it has a value
   */
  get value(): Tensor<'float32'> {
    if (!this.#value) {
      throw new ArgumentError(
        `${this.name} has no value yet: call initialize(device, { seed }) on the model, or load weights.`,
      );
    }
    return this.#value;
  }

  /** The gradient of the last backward pass; it stays the parameter's. */
  get gradient(): Tensor<'float32'> | undefined {
    return this.#gradient;
  }

  /** Draws the first value. `stream` keeps parameters of one seed apart. */
  initialize(device: Device, options: { readonly seed: number; readonly stream: number }): void {
    const { shape, initializer, name: label } = this;
    switch (initializer.kind) {
      case 'constant':
        this.assign(fill(device, { shape, value: initializer.value, label }));
        return;
      case 'gaussian':
        this.assign(gaussian(device, { shape, std: initializer.std, ...options, label }));
        return;
      case 'uniform': {
        const { bound } = initializer;
        this.assign(uniform(device, { shape, low: -bound, high: bound, ...options, label }));
      }
    }
  }

  /**
   * Replaces the value; the parameter owns it from now on.
   * @throws ShapeError if it has another shape
   */
  assign(value: Tensor<'float32'>): void {
    if (!sameShape(value.shape, this.shape)) {
      throw new ShapeError(
        `${this.name} is ${formatShape(this.shape)}; a value of ${formatShape(value.shape)} does not fit.`,
      );
    }
    if (value !== this.#value) this.#value?.dispose();
    this.#value = value;
  }

  /**
   * Puts another value in the place of this one, which the caller gets and owns.
   * @throws ShapeError if it has another shape
   */
  exchange(value: Tensor<'float32'>): Tensor<'float32'> {
    const before = this.value;
    this.#value = undefined;
    try {
      this.assign(value);
    } catch (error) {
      this.#value = before;
      throw error;
    }
    return before;
  }

  /** Replaces the gradient; the parameter owns what it is given. */
  setGradient(gradient: Tensor<'float32'>): void {
    if (gradient !== this.#gradient) this.clearGradient();
    this.#gradient = gradient;
  }

  /** Adds to the gradient, unless it is frozen; the parameter owns what it is given. */
  addGradient(gradient: Tensor<'float32'>): void {
    if (this.frozen) {
      gradient.dispose();
      return;
    }
    const before = this.#gradient;
    if (!before) {
      this.#gradient = gradient;
      return;
    }
    this.#gradient = add(before, gradient);
    before.dispose();
    gradient.dispose();
  }

  clearGradient(): void {
    this.#gradient?.dispose();
    this.#gradient = undefined;
  }

  dispose(): void {
    this.clearGradient();
    this.#value?.dispose();
    this.#value = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
