// A quantised model from a dataset, and what it costs: accuracies and layers beside those of the model it was made of.
// Invariant: every model sees the same pictures, centre crops, prepared alike.
import { centreCrop, limitPerClass, loadBatches, type ImageDataset } from '../data/index.js';
import { Dropout, Flatten, MaxPool2d, ReLU, type Activations, type Layer } from '../layers/index.js';
import { quantizeModel, type Model } from '../models/index.js';
import type { InferencePrecision } from '../tensor/dtype.js';
import { preprocessingFor } from './evaluate.js';
import type { Metrics } from './events.js';
import { MetricsMeter } from './metrics.js';
import { predictDataset, type PredictionOptions } from './evaluate.js';
import { ranksBelow } from './step.js';

export interface QuantizeOnDatasetOptions {
  /** Pictures to calibrate with, as many of every class. Default 512. */
  readonly images?: number;
  /** Chooses them. Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Pictures that are looked at together: their activations are read back to the host. */
const CALIBRATION_BATCH = 32;

/**
 * `quantizeModel`, calibrated with pictures of a dataset: those that it was trained on, as a rule. Classes need not be the
 * model's. The caller owns the result.
 * @throws ArgumentError if the model has no preprocessing, or one for another stored size; as `quantizeModel`
 */
export async function quantizeOnDataset(
  model: Model,
  dataset: ImageDataset,
  { images = 512, seed = 0, signal }: QuantizeOnDatasetOptions = {},
): Promise<Model> {
  const perClass = Math.ceil(images / dataset.classNames.length);
  const pictures = limitPerClass(dataset, { perClass, seed });
  return quantizeModel(model, { calibration: inputs(model, pictures, signal) });
}

async function* inputs(
  model: Model,
  dataset: ImageDataset,
  signal?: AbortSignal,
): AsyncGenerator<Activations> {
  const preprocessing = preprocessingFor(model, dataset);
  const augmentation = [centreCrop({ size: preprocessing.options.crop })];
  const order = { batchSize: CALIBRATION_BATCH, seed: 0, epoch: 0, augmentation, signal };
  for await (const batch of loadBatches(dataset, order)) {
    using x = preprocessing.apply(model.device, batch);
    yield x;
  }
}

/** How a model does on a dataset. */
export interface PrecisionResult extends Metrics {
  readonly precision: InferencePrecision;
  /** Share of the pictures that it takes for the same class as the first model, 0..1. */
  readonly agreement: number;
}

/** How far a layer's output is from the first model's. */
export interface LayerDeviation {
  readonly name: string;
  /** Signal to noise: 10 log10(sum of y^2 / sum of (y - y')^2), in decibel; infinite for no difference. */
  readonly decibel: number;
  /** Of the angle between y and y', all values together. */
  readonly cosine: number;
}

/**
 * Loss and accuracies of several models on the same pictures, and how often they agree with the first.
 * @throws DataError, TrainingError as `evaluate`
 */
export async function comparePrecisions(
  models: readonly Model[],
  dataset: ImageDataset,
  options: PredictionOptions = {},
): Promise<PrecisionResult[]> {
  const results: PrecisionResult[] = [];
  let reference: readonly number[] | undefined;
  for (const model of models) {
    const meter = new MetricsMeter();
    const predicted: number[] = [];
    for await (const { labels, ranks, loss, predicted: likeliest } of predictDataset(
      model,
      dataset,
      options,
    )) {
      meter.add({ images: labels.length, loss, top1: ranksBelow(1, ranks), top5: ranksBelow(5, ranks) });
      predicted.push(...likeliest);
    }
    reference ??= predicted;
    const same = predicted.filter((label, i) => label === reference?.[i]).length;
    results.push({ precision: model.precision, ...meter.value, agreement: same / predicted.length });
  }
  return results;
}

/**
 * What the layers of two models of one architecture make of the same pictures: of layers that compute, where a ReLU
 * follows with it.
 * @param options.images  how many pictures, from the dataset's start. Default 32
 */
export async function compareLayers(
  reference: Model,
  other: Model,
  { dataset, images = 32 }: { readonly dataset: ImageDataset; readonly images?: number },
): Promise<LayerDeviation[]> {
  const deviations = comparedLayers(reference.network.layers).map((name) => new Deviation(name));
  let seen = 0;
  for await (const x of inputs(reference, dataset)) {
    for (const deviation of deviations) {
      using y = reference.forwardTo(x, { layer: deviation.name });
      using z = other.forwardTo(x, { layer: deviation.name });
      deviation.add(await y.data(), await z.data());
    }
    seen += x.shape[0] ?? 0;
    if (seen >= images) break;
  }
  return deviations.map((deviation) => deviation.value);
}

function comparedLayers(layers: readonly Layer[]): string[] {
  const moves = (layer: Layer) =>
    layer instanceof MaxPool2d || layer instanceof Flatten || layer instanceof Dropout;
  return layers
    .filter((layer, i) => !moves(layer) && !(layers[i + 1] instanceof ReLU))
    .map(({ name }) => name);
}

class Deviation {
  readonly name: string;
  #signal = 0;
  #noise = 0;
  #product = 0;
  #other = 0;

  constructor(name: string) {
    this.name = name;
  }

  add(y: Float32Array, other: Float32Array): void {
    for (const [i, value] of y.entries()) {
      const found = other[i]!;
      this.#signal += value ** 2;
      this.#noise += (value - found) ** 2;
      this.#product += value * found;
      this.#other += found ** 2;
    }
  }

  get value(): LayerDeviation {
    return {
      name: this.name,
      decibel: 10 * Math.log10(this.#signal / this.#noise),
      cosine: this.#product / Math.sqrt(this.#signal * this.#other),
    };
  }
}
