// Loss and accuracies of a model over a dataset.
// Invariant: centre crops or the ten views, no dropout, every picture once; the model is not changed.
import { DataError, ArgumentError } from '../errors.js';
import { centreCrop, loadBatches, tenCrop, type ImageBatch, type ImageDataset } from '../data/index.js';
import { CrossEntropyLoss, type Loss } from '../layers/index.js';
import type { Model } from '../models/index.js';
import type { Metrics } from './events.js';
import { MetricsMeter } from './metrics.js';
import { submitEvaluation, type PendingBatch, type StepParts } from './step.js';
import { submitAveraged } from './views.js';

export type EvaluationViews = 'centre' | 'ten';

export interface EvaluateOptions {
  /** Default 128. */
  readonly batchSize?: number;
  /**
   * 'centre': the central crop (default). 'ten': the corners' and the central crop, straight and mirrored; the softmax
   * outputs of the ten are averaged, and loss and accuracies are those of the averages (Krizhevsky et al. 2012,
   * section 4.1). Takes ten times as long; the batches' memory stays the same.
   */
  readonly views?: EvaluationViews;
  /** Default: cross-entropy. It must be that for ten views. */
  readonly loss?: Loss;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: { readonly imagesDone: number; readonly images: number }) => void;
  /** Told of every picture of a batch, for accuracies of classes and the like. */
  readonly onBatch?: (batch: EvaluatedBatch) => void;
}

/** What became of each picture of a batch. */
export interface EvaluatedBatch {
  /** [n], indices into the dataset. */
  readonly indices: Int32Array;
  /** [n], class indices. */
  readonly labels: Int32Array;
  /** [n], how many classes scored higher than the picture's own; 0: it was recognised. */
  readonly ranks: Int32Array;
}

/**
 * @throws DataError if the dataset's classes are not the model's
 * @throws AbortedError
 */
export async function evaluate(
  model: Model,
  dataset: ImageDataset,
  options: EvaluateOptions = {},
): Promise<Metrics> {
  checkClasses(model, dataset);
  checkViews(options);
  const parts = {
    model,
    preprocessing: preprocessingFor(model, dataset),
    loss: options.loss ?? new CrossEntropyLoss(),
  };
  const meter = new MetricsMeter();
  let imagesDone = 0;
  for await (const { result, batch } of results(parts, dataset, options)) {
    meter.add(result);
    options.onBatch?.({ indices: batch.indices, labels: batch.labels, ranks: result.ranks });
    imagesDone += result.images;
    options.onProgress?.({ imagesDone, images: dataset.length });
  }
  if (imagesDone === 0) {
    const [failure] = dataset.failures;
    throw new DataError(
      `None of ${dataset.length} pictures could be read${failure ? `; the first: ${failure.path}: ${failure.reason}` : ''}.`,
    );
  }
  return meter.value;
}

/** One batch is submitted ahead of the one that is waited for, so that the device never idles. */
async function* results(parts: StepParts, dataset: ImageDataset, options: EvaluateOptions) {
  const { crop: size } = parts.preprocessing.options;
  const { batchSize: inputs = 128, signal, views = 'centre' } = options;
  const augmentation = [views === 'ten' ? tenCrop({ size }) : centreCrop({ size })];
  const batchSize = views === 'ten' ? Math.max(1, Math.floor(inputs / 10)) : inputs;
  const submit = views === 'ten' ? submitAveraged : submitEvaluation;
  let ahead: { readonly pending: PendingBatch; readonly batch: ImageBatch } | undefined;
  for await (const batch of loadBatches(dataset, { batchSize, seed: 0, epoch: 0, augmentation, signal })) {
    const next = { pending: submit(parts, batch), batch };
    if (ahead) yield { result: await ahead.pending.read(), batch: ahead.batch };
    ahead = next;
  }
  if (ahead) yield { result: await ahead.pending.read(), batch: ahead.batch };
}

function checkViews({ views = 'centre', loss }: EvaluateOptions): void {
  if (views !== 'centre' && views !== 'ten') {
    throw new ArgumentError(`evaluate: views is '${String(views)}', expected 'centre' or 'ten'.`);
  }
  if (views === 'ten' && loss && !(loss instanceof CrossEntropyLoss)) {
    throw new ArgumentError(
      "evaluate: views 'ten' averages probabilities, for which only the cross-entropy is defined; leave loss out.",
    );
  }
}

/** @throws DataError if the dataset's classes are not the model's, in number and name */
export function checkClasses(model: Model, dataset: ImageDataset): void {
  const { classNames } = dataset;
  if (classNames.length !== model.classes) {
    throw new DataError(
      `The model has ${model.classes} classes, the pictures ${classNames.length} (${preview(classNames)}).`,
    );
  }
  const unlike = classNames.findIndex((name, i) => name !== model.classNames[i]);
  if (unlike >= 0) {
    throw new DataError(
      `Class ${unlike} of the model is '${model.classNames[unlike]}', of the pictures '${classNames[unlike]}': ` +
        'they must be the same classes in the same order.',
    );
  }
}

/** @throws ArgumentError if the model was made for pictures of another stored size, or for none */
export function preprocessingFor(model: Model, dataset: ImageDataset) {
  const { preprocessing } = model;
  if (!preprocessing) {
    throw new ArgumentError('The model has no preprocessing: train it first, or set model.preprocessing.');
  }
  if (preprocessing.options.side !== dataset.side) {
    throw new ArgumentError(
      `The model was made for pictures of ${preprocessing.options.side} pixels, the dataset holds ${dataset.side}: ` +
        `open it with side: ${preprocessing.options.side}.`,
    );
  }
  return preprocessing;
}

function preview(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')}, ...`;
}
