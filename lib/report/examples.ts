// Some held-out pictures, what the network says of them, and the training pictures that it finds most like them.
// Invariant: the pictures are chosen once, evenly over the set; the same ones are shown after every epoch.
import { setImmediate } from 'node:timers/promises';
import { centreCrop, loadBatches, subsetDataset, type ImageBatch, type ImageDataset } from '../data/index.js';
import { Linear, ReLU } from '../layers/index.js';
import type { Model } from '../models/index.js';
import { softmax, topK } from '../ops/index.js';
import { extractFeatures, type TrainingData } from '../train/index.js';
import { NearestPictures } from './nearest.js';
import type { Example, NamedPicture } from './state.js';
import { thumbnailsOf } from './thumbnails.js';

/** As many as in Figure 4 of the paper. */
const PICTURES = 8;
const NEIGHBOURS = 6;
const TOP = 5;
/** Pictures that are compared at a time: a few milliseconds of the event loop. */
const COMPARED = 16;

interface Shown {
  readonly dataset: ImageDataset;
  /** All pictures of the dataset. */
  readonly batch: ImageBatch;
  readonly thumbnails: readonly NamedPicture[];
}

export class ExamplePictures {
  readonly #model: Model;
  readonly #data: TrainingData;
  #choosing: Promise<Shown | undefined> | undefined;
  #shown: Shown | undefined;

  constructor(model: Model, data: TrainingData) {
    this.#model = model;
    this.#data = data;
  }

  /** Reads the pictures, once. The model must have its preprocessing. */
  async prepare(): Promise<void> {
    this.#shown = await (this.#choosing ??= this.#choose());
  }

  /** With the weights as they are after all that was submitted so far, if the pictures are prepared. */
  async predict(): Promise<Example[]> {
    if (!this.#shown) await this.prepare();
    const { preprocessing, device, classes, classNames } = this.#model;
    const shown = this.#shown;
    if (!preprocessing || !shown) return [];
    using x = preprocessing.apply(device, shown.batch);
    using logits = this.#model.forward(x);
    using probabilities = softmax(logits);
    const k = Math.min(TOP, classes);
    const best = topK(probabilities, { k });
    using values = best.values;
    using indices = best.indices;
    const [scores, found] = await Promise.all([values.data(), indices.data()]);
    return shown.thumbnails.map((picture, n) => ({
      ...picture,
      predictions: Array.from({ length: k }, (_, i) => ({
        className: classNames[found[n * k + i] as number] as string,
        probability: scores[n * k + i] as number,
      })),
      neighbours: [],
    }));
  }

  /**
   * The same, with neighbours among up to `pictures` of the training set, by the Euclidean distance of the outputs of
   * the last hidden layer, as in section 6.1 of the paper.
   * @returns undefined if the network has no hidden layer to compare by
   */
  async withNeighbours(
    pictures: number,
  ): Promise<
    { readonly examples: Example[]; readonly compared: { layer: string; pictures: number } } | undefined
  > {
    const layer = lastHiddenLayer(this.#model);
    const examples = await this.predict();
    if (layer === undefined || examples.length === 0) return undefined;
    const queries: Float32Array[] = [];
    const { dataset } = this.#shown as Shown;
    for await (const { features, indices } of extractFeatures(this.#model, dataset, { layer })) {
      const size = features.length / indices.length;
      indices.forEach((_, n) => queries.push(features.slice(n * size, (n + 1) * size)));
    }
    const train = evenly(this.#data.train, pictures);
    const nearest = new NearestPictures(queries, NEIGHBOURS);
    for await (const { features, indices } of extractFeatures(this.#model, train, { layer, batchSize: 64 })) {
      const size = features.length / indices.length;
      for (let at = 0; at < indices.length; at += COMPARED) {
        const some = indices.subarray(at, at + COMPARED);
        nearest.add(features.subarray(at * size, (at + some.length) * size), some);
        await setImmediate();
      }
    }
    const wanted = [...new Set(nearest.found.flatMap((list) => list.map(({ index }) => index)))];
    const thumbnails = await thumbnailsOf(train, wanted);
    const withNeighbours = examples.map((example, n) => ({
      ...example,
      neighbours: (nearest.found[n] ?? []).flatMap(({ index, distance }) => {
        const picture = thumbnails.get(index);
        return picture ? [{ ...picture, distance }] : [];
      }),
    }));
    return { examples: withNeighbours, compared: { layer, pictures: nearest.seen } };
  }

  async #choose(): Promise<Shown | undefined> {
    const { validation, train } = this.#data;
    const candidates = evenly(validation && validation.length > 0 ? validation : train, PICTURES);
    const all = Array.from({ length: candidates.length }, (_, i) => i);
    const thumbnails = await thumbnailsOf(candidates, all);
    const readable = all.filter((index) => thumbnails.has(index));
    const size = this.#model.preprocessing?.options.crop;
    if (size === undefined || readable.length === 0) return undefined;
    const dataset = subsetDataset(candidates, readable);
    const options = { batchSize: PICTURES, seed: 0, epoch: 0, augmentation: [centreCrop({ size })] };
    for await (const batch of loadBatches(dataset, options)) {
      return { dataset, batch, thumbnails: readable.map((index) => thumbnails.get(index) as NamedPicture) };
    }
    return undefined;
  }
}

/** Every n-th picture. */
function evenly(dataset: ImageDataset, most: number): ImageDataset {
  const count = Math.min(most, dataset.length);
  const indices = Array.from({ length: count }, (_, i) => Math.floor((i * dataset.length) / count));
  return subsetDataset(dataset, indices);
}

/** The last ReLU before the layer that scores the classes: 'relu7' of AlexNet. */
function lastHiddenLayer({ network }: Model): string | undefined {
  const { layers } = network;
  const output = layers.findLastIndex((layer) => layer instanceof Linear);
  return layers.slice(0, Math.max(0, output)).findLast((layer) => layer instanceof ReLU)?.name;
}
