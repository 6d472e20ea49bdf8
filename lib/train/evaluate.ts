// Loss, accuracies and confusions of one model, or of several whose predictions are averaged, over a dataset.
// Invariant: centre crops or the ten views, no dropout, every picture once; the models are not changed.
import { ArgumentError, DataError, TrainingError } from '../errors.js';
import {
  centreCrop,
  loadBatches,
  planAugmentation,
  tenCrop,
  type Augmentation,
  type ImageBatch,
  type ImageDataset,
} from '../data/index.js';
import { CrossEntropyLoss, type Loss } from '../layers/index.js';
import type { Model } from '../models/index.js';
import { ConfusionMatrix } from './confusion.js';
import type { Metrics } from './events.js';
import { MetricsMeter } from './metrics.js';
import { MistakeList, type Mistake } from './mistakes.js';
import { readEvaluation, submitEvaluation, type EvaluatedBatch, type PendingOutputs } from './predictions.js';
import { ranksBelow, type StepParts } from './step.js';

export type EvaluationViews = 'centre' | 'ten';

export interface PredictionOptions {
  /** Default 128. */
  readonly batchSize?: number;
  /**
   * 'centre': the central crop (default). 'ten': the corners' and the central crop, straight and mirrored; the softmax
   * outputs of the ten are averaged, and loss and accuracies are those of the averages (Krizhevsky et al. 2012,
   * section 4.1). Takes ten times as long; the batches' memory stays the same.
   */
  readonly views?: EvaluationViews;
  /** Default: cross-entropy. It must be that for ten views and for several models. */
  readonly loss?: Loss;
  readonly signal?: AbortSignal | undefined;
}

export interface EvaluateOptions extends PredictionOptions {
  /** How many of the surest mistakes are kept. Default 20. */
  readonly mistakes?: number;
  readonly onProgress?: (progress: { readonly imagesDone: number; readonly images: number }) => void;
}

/** What an evaluation found. As JSON it is plain data. */
export interface Evaluation extends Metrics {
  readonly confusion: ConfusionMatrix;
  /** Pictures that were taken for another class, the one with the highest probability first. */
  readonly mistakes: readonly Mistake[];
}

/**
 * @param models  one, or several whose softmax outputs are averaged, as the paper's five CNNs; they may have different
 *                inputs and lie on different devices, but must know the same classes and pictures of the same side
 * @throws DataError if the dataset's classes are not the models', or no picture can be read
 * @throws TrainingError [ERR_NON_FINITE] if an output is not a number
 * @throws AbortedError
 */
export async function evaluate(
  models: Model | readonly Model[],
  dataset: ImageDataset,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const { mistakes: most = 20, onProgress } = options;
  const meter = new MetricsMeter();
  const confusion = new ConfusionMatrix(dataset.classNames);
  const mistakes = new MistakeList(most);
  for await (const batch of predictDataset(models, dataset, options)) {
    const { labels, ranks, loss } = batch;
    meter.add({ images: labels.length, loss, top1: ranksBelow(1, ranks), top5: ranksBelow(5, ranks) });
    for (const [n, label] of labels.entries()) confusion.add(label, batch.predicted[n]!);
    addMistakes(mistakes, batch);
    onProgress?.({ imagesDone: meter.value.images, images: dataset.length });
  }
  if (confusion.total === 0) {
    const [failure] = dataset.failures;
    throw new DataError(
      `None of ${dataset.length} pictures could be read${failure ? `; the first: ${failure.path}: ${failure.reason}` : ''}.`,
    );
  }
  return { ...meter.value, confusion, mistakes: mistakes.describe(dataset) };
}

function addMistakes(mistakes: MistakeList, batch: EvaluatedBatch): void {
  const { indices, labels, predicted, probabilities } = batch;
  const classes = probabilities.length / labels.length;
  for (const [n, label] of labels.entries()) {
    const other = predicted[n]!;
    if (other === label) continue;
    const probabilityOf = (c: number) => probabilities[n * classes + c]!;
    mistakes.add({
      index: indices[n]!,
      ...{ label, predicted: other },
      probability: probabilityOf(other),
      labelProbability: probabilityOf(label),
    });
  }
}

/**
 * The predictions for every picture of a dataset, batch by batch; nothing but two batches is kept in memory.
 * One batch is submitted ahead of the one that is waited for, so that the devices never idle.
 * @throws the same as {@link evaluate}, at the first batch
 */
export async function* predictDataset(
  models: Model | readonly Model[],
  dataset: ImageDataset,
  options: PredictionOptions = {},
): AsyncGenerator<EvaluatedBatch, void> {
  const judges = judgesOf(models, dataset, options);
  const { augmentation, preprocessing } = judges[0]!;
  const { batchSize: inputs = 128, signal, views = 'centre' } = options;
  const batchSize = views === 'ten' ? Math.max(1, Math.floor(inputs / 10)) : inputs;
  let ahead: { readonly pending: readonly PendingOutputs[]; readonly batch: ImageBatch } | undefined;
  const read = async ({ pending, batch }: NonNullable<typeof ahead>) =>
    checkFinite(await readEvaluation(pending, batch), { judges, dataset });
  try {
    for await (const batch of loadBatches(dataset, { batchSize, seed: 0, epoch: 0, augmentation, signal })) {
      const submit = (judge: Judge) =>
        submitEvaluation(judge, seenBy(judge, batch, preprocessing.options.crop));
      const next = { pending: judges.map(submit), batch };
      const last = ahead;
      ahead = next;
      if (last) yield await read(last);
    }
    if (ahead) yield await read(ahead);
  } finally {
    for (const outputs of ahead?.pending ?? []) outputs[Symbol.dispose]();
  }
}

/** A model that is asked, and the views that it is shown. */
interface Judge extends StepParts {
  readonly augmentation: Augmentation;
}

function judgesOf(
  models: Model | readonly Model[],
  dataset: ImageDataset,
  { loss = new CrossEntropyLoss(), views = 'centre' }: PredictionOptions,
): Judge[] {
  const all = Array.isArray(models) ? (models as readonly Model[]) : [models as Model];
  if (all.length === 0) throw new ArgumentError('evaluate: there is no model; give at least one.');
  if (views !== 'centre' && views !== 'ten') {
    throw new ArgumentError(`evaluate: views is '${String(views)}', expected 'centre' or 'ten'.`);
  }
  if ((views === 'ten' || all.length > 1) && !(loss instanceof CrossEntropyLoss)) {
    throw new ArgumentError(
      'evaluate: ten views and several models have their probabilities averaged, for which only the cross-entropy ' +
        'is defined; leave loss out.',
    );
  }
  return all.map((model, i) => {
    const name = all.length === 1 ? 'The model' : `Model ${i + 1} of ${all.length}`;
    checkClasses(model, dataset, name);
    const preprocessing = preprocessingFor(model, dataset, name);
    const { crop: size } = preprocessing.options;
    const augmentation = [views === 'ten' ? tenCrop({ size }) : centreCrop({ size })];
    return { model, preprocessing, loss, augmentation };
  });
}

/** The batch as one of the models sees it: it was planned for inputs of `planned` pixels. */
function seenBy({ augmentation, preprocessing }: Judge, batch: ImageBatch, planned: number): ImageBatch {
  if (preprocessing.options.crop === planned) return batch;
  const { side, frames } = batch;
  const records = Array.from(batch.indices, (index, i) => {
    const [, height = side, width = side] = frames?.subarray(i * 3, i * 3 + 3) ?? [];
    return planAugmentation(augmentation, { seed: 0, epoch: 0, index, height, width });
  });
  return { ...batch, records: Float32Array.from(records.flatMap((record) => [...record])) };
}

/** @throws TrainingError if a picture's outputs are not numbers */
function checkFinite(
  batch: EvaluatedBatch,
  { judges, dataset }: { readonly judges: readonly Judge[]; readonly dataset: ImageDataset },
): EvaluatedBatch {
  const classes = dataset.classNames.length;
  const n = batch.ranks.indexOf(classes);
  if (n < 0) return batch;
  throw new TrainingError(
    'ERR_NON_FINITE',
    `The outputs for ${dataset.nameOf(batch.indices[n]!)} are not numbers: weights of the ` +
      `${judges.length === 1 ? 'model' : 'models'} are NaN or infinite. Take weights that were saved earlier, or train ` +
      'with a lower learning rate.',
  );
}

/**
 * @param name  of the model, for the message
 * @throws DataError if the dataset's classes are not the model's, in number and name
 */
export function checkClasses(model: Model, dataset: ImageDataset, name = 'The model'): void {
  const { classNames } = dataset;
  const [known, found] = [new Set(model.classNames), new Set(classNames)];
  const missing = model.classNames.filter((className) => !found.has(className));
  const strange = classNames.filter((className) => !known.has(className));
  if (missing.length > 0 || strange.length > 0) {
    throw new DataError(
      `${name} has ${model.classes} classes, the pictures ${classNames.length}.` +
        (missing.length > 0 ? ` Without pictures: ${preview(missing)}.` : '') +
        (strange.length > 0 ? ` Unknown to the model: ${preview(strange)}.` : '') +
        ' They must be the same classes in the same order.',
    );
  }
  const unlike = classNames.findIndex((className, i) => className !== model.classNames[i]);
  if (unlike < 0) return;
  throw new DataError(
    `${name}: class ${unlike} is '${model.classNames[unlike]}', of the pictures '${classNames[unlike]}': ` +
      'they must be the same classes in the same order.',
  );
}

/** @throws ArgumentError if the model was made for pictures of another stored size, or for none */
export function preprocessingFor(model: Model, dataset: ImageDataset, name = 'The model') {
  const { preprocessing } = model;
  if (!preprocessing) {
    throw new ArgumentError(`${name} has no preprocessing: train it first, or set model.preprocessing.`);
  }
  if (preprocessing.options.side !== dataset.side) {
    throw new ArgumentError(
      `${name} was made for pictures of ${preprocessing.options.side} pixels, the dataset holds ${dataset.side}: ` +
        `open it with side: ${preprocessing.options.side}.`,
    );
  }
  if (dataset.sizes && preprocessing.options.mean.length !== 3) {
    throw new ArgumentError(
      'The model subtracts a mean picture, which has no place in pictures of several sizes: take a store of squares ' +
        '(alexnet prepare --frame centre).',
    );
  }
  return preprocessing;
}

function preview(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 5).join(', ')}, ...`;
}
