// The output of a layer for every picture of a dataset.
// Invariant: centre crops, no dropout, in the order of the dataset; pictures that cannot be read are left out.
import { centreCrop, loadBatches, type ImageBatch, type ImageDataset } from '../data/index.js';
import type { Model } from '../models/index.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { preprocessingFor } from './evaluate.js';

export interface ExtractFeaturesOptions {
  /** Name of the layer whose output is wanted, as `model.summary()` lists it: 'relu7', 'pool5'. */
  readonly layer: string;
  /** Default 128. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Features of a batch of pictures. */
export interface ExtractedFeatures {
  /** [n], indices into the dataset. */
  readonly indices: Int32Array;
  /** [n], class indices. */
  readonly labels: Int32Array;
  /** [n, ...], row-major. */
  readonly features: Float32Array;
  /** [n, ...], that of `features`. */
  readonly shape: Shape;
}

/**
 * Goes through a dataset and gives the output of a layer, batch by batch. The dataset's classes need not be the
 * model's.
 * @throws ArgumentError if there is no such layer, or the model has no preprocessing or one for another stored size
 * @throws AbortedError
 */
export async function* extractFeatures(
  model: Model,
  dataset: ImageDataset,
  { layer, batchSize = 128, signal }: ExtractFeaturesOptions,
): AsyncGenerator<ExtractedFeatures, void> {
  const preprocessing = preprocessingFor(model, dataset);
  const augmentation = [centreCrop({ size: preprocessing.options.crop })];
  // One batch is submitted ahead of the one that is waited for, so that the device never idles.
  let ahead: { readonly batch: ImageBatch; readonly y: Tensor<'float32'> } | undefined;
  try {
    for await (const batch of loadBatches(dataset, { batchSize, seed: 0, epoch: 0, augmentation, signal })) {
      using x = preprocessing.apply(model.device, batch);
      const next = { batch, y: model.forwardTo(x, { layer }) };
      const ready = ahead;
      ahead = next;
      if (ready) yield await read(ready);
    }
    const last = ahead;
    ahead = undefined;
    if (last) yield await read(last);
  } finally {
    ahead?.y.dispose();
  }
}

async function read(pending: {
  readonly batch: ImageBatch;
  readonly y: Tensor<'float32'>;
}): Promise<ExtractedFeatures> {
  using y = pending.y;
  const { indices, labels } = pending.batch;
  return { indices, labels, features: await y.data(), shape: y.shape };
}
