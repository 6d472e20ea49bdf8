// A network with everything a prediction needs: its classes, its preprocessing, where it came from.
// Invariant: what save() writes, loadModel() turns into a model that predicts the same.
import { ArgumentError, DeviceError } from '../errors.js';
import { decodePictures, type PictureInput } from './pictures.js';
import { inference, type Activations, type Mode, type Parameter, type Sequential } from '../layers/index.js';
import { softmax, topK } from '../ops/index.js';
import type { Device } from '../tensor/device.js';
import type { InferencePrecision } from '../tensor/dtype.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { RandomStream } from '../random.js';
import { Preprocessing } from './preprocessing.js';
import { checkPrecision } from './precision.js';
import type { Recipe } from './presets.js';
import { summarize, type Summary } from './summary.js';

/** How a model was built, so that it can be built again from its file. */
export interface Architecture {
  /** Name of the function that builds it: 'alexnet', 'cifar80sec', ...; 'custom' for a user's own network. */
  readonly builder: string;
  /** That function's options. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface ModelOptions {
  readonly network: Sequential;
  /** Shape of one picture, [C, H, W]. */
  readonly inputShape: readonly [number, number, number];
  readonly architecture?: Architecture;
  /** Class names in the order of the logits. Default: their numbers. */
  readonly classNames?: readonly string[];
  /** How its authors trained it; the trainer's defaults. */
  readonly recipe?: Recipe;
  /** How the network differs from the paper's, in sentences. */
  readonly explanation?: readonly string[];
}

/** One class of a prediction. */
export interface ScoredClass {
  readonly className: string;
  readonly classIndex: number;
  /** 0..1 */
  readonly probability: number;
}

export interface PredictOptions {
  /** How many classes to return, best first. Default 5, or all if there are fewer. */
  readonly top?: number;
  /** Pictures that go through the network at a time. Default 64. */
  readonly batchSize?: number;
}

export interface FeaturesOptions {
  /** Name of the layer whose output is wanted, as `summary()` lists it: 'relu7', 'pool5'. */
  readonly layer: string;
  /** Pictures that go through the network at a time. Default 64. */
  readonly batchSize?: number;
}

export class Model implements Disposable {
  readonly network: Sequential;
  readonly inputShape: readonly [number, number, number];
  readonly architecture: Architecture;
  readonly recipe: Recipe | undefined;
  readonly classes: number;
  readonly #explanation: readonly string[];
  #classNames: readonly string[];
  #preprocessing: Preprocessing | undefined;
  #device: Device | undefined;
  /** Chains that end at a layer, by its name. */
  readonly #chains = new Map<string, Sequential>();

  /** @throws ShapeError if the input does not fit the network, ArgumentError if the class names do not */
  constructor(options: ModelOptions) {
    this.network = options.network;
    this.inputShape = options.inputShape;
    this.architecture = options.architecture ?? { builder: 'custom', options: {} };
    this.recipe = options.recipe;
    this.#explanation = options.explanation ?? [];
    const [, classes] = this.network.outputShape([1, ...this.inputShape]);
    this.classes = classes ?? 1;
    this.#classNames = Array.from({ length: this.classes }, (_, i) => String(i));
    if (options.classNames) this.classNames = options.classNames;
  }

  /** What the network computes in; in all but int8, which is for predictions, its weights are float32. */
  get precision(): InferencePrecision {
    return this.network.precision ?? 'float32';
  }

  /** Class names in the order of the logits. */
  get classNames(): readonly string[] {
    return this.#classNames;
  }

  set classNames(names: readonly string[]) {
    if (names.length !== this.classes) {
      throw new ArgumentError(`The model has ${this.classes} classes; ${names.length} names were given.`);
    }
    this.#classNames = [...names];
  }

  /** Set by the trainer, or by hand for a model that is fed pictures. Owned by the model. */
  get preprocessing(): Preprocessing | undefined {
    return this.#preprocessing;
  }

  set preprocessing(preprocessing: Preprocessing | undefined) {
    if (this.#preprocessing !== preprocessing) this.#preprocessing?.dispose();
    this.#preprocessing = preprocessing;
  }

  /** @throws DeviceError before the model is on a device */
  get device(): Device {
    if (!this.#device) {
      throw new DeviceError(
        'The model is on no device yet: call model.initialize(device, { seed }), or load its weights.',
      );
    }
    return this.#device;
  }

  /**
   * The parameters of layers, by their names or those of the parameters: 'conv1', 'fc8.bias'.
   * @throws ArgumentError if a name is neither
   */
  parametersOf(names: readonly string[]): Parameter[] {
    const { layers, parameters } = this.network;
    return names.flatMap((name) => {
      const layer = layers.find((each) => each.name === name && each.parameters.length > 0);
      const found = layer?.parameters ?? parameters.filter((parameter) => parameter.name === name);
      if (found.length > 0) return found;
      const learning = layers.filter((each) => each.parameters.length > 0).map((each) => each.name);
      throw new ArgumentError(`There is no layer '${name}' that learns; there are ${learning.join(', ')}.`);
    });
  }

  /**
   * Keeps layers as they are: no gradient, no update, and backward passes end above them where nothing below learns.
   * @throws ArgumentError if there is no such layer
   */
  freeze(layers: readonly string[]): this {
    for (const parameter of this.parametersOf(layers)) parameter.frozen = true;
    return this;
  }

  /** Lets layers learn again. Default: all. */
  unfreeze(layers?: readonly string[]): this {
    const parameters = layers ? this.parametersOf(layers) : this.network.parameters;
    for (const parameter of parameters) parameter.frozen = false;
    return this;
  }

  /**
   * Puts the model on a device with fresh weights: a pure function of the seed.
   * @throws DeviceError if the device does not compute in the model's precision faster than in float32
   */
  initialize(device: Device, { seed }: { readonly seed: number }): this {
    checkPrecision(this.precision, device);
    for (const [i, parameter] of this.network.parameters.entries()) {
      parameter.initialize(device, { seed, stream: RandomStream.parameters + i });
    }
    this.#device = device;
    return this;
  }

  /** @internal Puts the model on a device whose parameters are assigned by a loader. @throws DeviceError */
  attach(device: Device): void {
    checkPrecision(this.precision, device);
    this.#device = device;
  }

  /**
   * @internal A model of the same classes, preprocessing and origin around another network, on the same device.
   * @throws DeviceError if the device does not compute in the network's precision faster than in float32
   */
  withNetwork(network: Sequential, device: Device): Model {
    checkPrecision(network.precision ?? 'float32', device);
    const { architecture, classNames, inputShape, preprocessing, recipe } = this;
    const model = new Model({
      ...{ network, architecture, classNames, inputShape, explanation: this.#explanation },
      ...(recipe && { recipe }),
    });
    if (preprocessing) model.preprocessing = new Preprocessing(preprocessing.options);
    model.attach(device);
    return model;
  }

  /** x: [N, ...inputShape] -> logits [N, classes], owned by the caller. Default mode: prediction. */
  forward(x: Activations, mode: Mode = inference): Tensor<'float32', readonly [number, number]> {
    const { y, saved } = this.network.forward(x, { ...mode, gradient: false });
    saved?.[Symbol.dispose]();
    return y as Tensor<'float32', readonly [number, number]>;
  }

  /**
   * The likeliest classes of one or several pictures: file paths, encoded bytes, or decoded RGB.
   * @throws DecodeError that names a picture that cannot be decoded
   */
  predict(input: PictureInput, options?: PredictOptions): Promise<ScoredClass[]>;
  predict(input: readonly PictureInput[], options?: PredictOptions): Promise<ScoredClass[][]>;
  async predict(
    input: PictureInput | readonly PictureInput[],
    options: PredictOptions = {},
  ): Promise<ScoredClass[] | ScoredClass[][]> {
    const inputs = Array.isArray(input) ? (input as readonly PictureInput[]) : [input as PictureInput];
    const { batchSize = 64, top = Math.min(5, this.classes) } = options;
    if (!Number.isInteger(top) || top < 1 || top > this.classes) {
      throw new ArgumentError(
        `predict: top must be from 1 to ${this.classes}, the number of classes; got ${top}.`,
      );
    }
    const predictions: ScoredClass[][] = [];
    for (const batch of inBatches(inputs, { batchSize, what: 'predict' })) {
      predictions.push(...(await this.#predictBatch(batch, top)));
    }
    return Array.isArray(input) ? predictions : (predictions[0] as ScoredClass[]);
  }

  /**
   * The output of a layer for one or several pictures, prepared as for predictions: a descriptor to compare pictures
   * by, or to learn something else from. [product of the layer's shape], row-major, for each picture. A layer's name
   * means its own output: before the ReLU for 'fc7', after it for 'relu7', the last hidden layer of the paper.
   * @throws ArgumentError if there is no such layer
   * @throws DecodeError that names a picture that cannot be decoded
   */
  features(input: PictureInput, options: FeaturesOptions): Promise<Float32Array>;
  features(input: readonly PictureInput[], options: FeaturesOptions): Promise<Float32Array[]>;
  async features(
    input: PictureInput | readonly PictureInput[],
    { layer, batchSize = 64 }: FeaturesOptions,
  ): Promise<Float32Array | Float32Array[]> {
    const inputs = Array.isArray(input) ? (input as readonly PictureInput[]) : [input as PictureInput];
    this.#upTo(layer);
    const features: Float32Array[] = [];
    for (const batch of inBatches(inputs, { batchSize, what: 'features' })) {
      using x = await this.#prepare(batch, 'features');
      using y = this.forwardTo(x, { layer });
      const values = await y.data();
      const size = values.length / batch.length;
      for (let i = 0; i < values.length; i += size) features.push(values.slice(i, i + size));
    }
    return Array.isArray(input) ? features : (features[0] as Float32Array);
  }

  /**
   * The output of a layer. x: [N, ...inputShape] -> [N, ...], owned by the caller. Default mode: prediction.
   * @throws ArgumentError if there is no such layer
   */
  forwardTo(x: Activations, { layer, mode = inference }: { layer: string; mode?: Mode }): Tensor<'float32'> {
    const { y, saved } = this.#upTo(layer).forward(x, { ...mode, gradient: false });
    saved?.[Symbol.dispose]();
    return y as Tensor<'float32'>;
  }

  /** A chain of its own, since what is fused depends on where it ends. */
  #upTo(layer: string): Sequential {
    let chain = this.#chains.get(layer);
    if (!chain) {
      chain = this.network.upTo(layer);
      this.#chains.set(layer, chain);
    }
    return chain;
  }

  /** Pictures -> [N, ...inputShape]; the caller owns it. */
  async #prepare(inputs: readonly PictureInput[], what: string): Promise<Activations> {
    const { device, preprocessing } = this;
    if (!preprocessing) {
      throw new ArgumentError(
        `${what}: the model does not know how its input is prepared; set model.preprocessing, or train it on pictures.`,
      );
    }
    return preprocessing.apply(device, await decodePictures(inputs, preprocessing.options));
  }

  async #predictBatch(inputs: readonly PictureInput[], top: number): Promise<ScoredClass[][]> {
    using x = await this.#prepare(inputs, 'predict');
    using logits = this.forward(x);
    using probabilities = softmax(logits);
    const best = topK(probabilities, { k: top });
    using values = best.values;
    using indices = best.indices;
    const [scores, classes] = await Promise.all([values.data(), indices.data()]);
    return inputs.map((_, n) =>
      Array.from({ length: top }, (__, k) => {
        const classIndex = classes[n * top + k] as number;
        const className = this.#classNames[classIndex] as string;
        return { className, classIndex, probability: scores[n * top + k] as number };
      }),
    );
  }

  /** Output shape, parameters and multiply-accumulates of each layer; prints as a table. */
  summary(): Summary {
    return summarize(this.network, [1, ...this.inputShape] as Shape);
  }

  /** How this network differs from the paper's, a line for each difference. */
  explain(): string {
    return this.#explanation.length > 0
      ? this.#explanation.join('\n')
      : 'No description: this is not one of the presets.';
  }

  /** Releases weights and constants; the device stays open. */
  dispose(): void {
    this.network.dispose();
    this.#preprocessing?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** @throws ArgumentError, at once, if the batch size is no positive integer */
function inBatches<T>(
  items: readonly T[],
  { batchSize, what }: { readonly batchSize: number; readonly what: string },
): T[][] {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ArgumentError(`${what}: batchSize must be a positive integer, got ${batchSize}.`);
  }
  return Array.from({ length: Math.ceil(items.length / batchSize) }, (_, i) =>
    items.slice(i * batchSize, (i + 1) * batchSize),
  );
}
