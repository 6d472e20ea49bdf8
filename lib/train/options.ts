// What a training is told: its options, their checks, and the part of them that a checkpoint can hold.
// Invariant: what a checkpoint holds is plain data; functions and objects of the caller's are asked for again.
import { ArgumentError } from '../errors.js';
import {
  checkAugmentation,
  randomCrop,
  randomMirror,
  type Augmentation,
  type Sampler,
} from '../data/index.js';
import { checkSampler } from '../data/sampler.js';
import { CrossEntropyLoss, type Loss } from '../layers/index.js';
import type { Model } from '../models/index.js';
import {
  checkAveraging,
  checkClip,
  checkSchedule,
  EarlyStopping,
  ReduceOnPlateau,
  SGD,
  type AveragingOptions,
  type ClipOptions,
  type EarlyStoppingOptions,
  type PlateauOptions,
  type Schedule,
} from '../optim/index.js';

export interface TrainerOptions {
  /** Passes over the training set. Default 90, as in the paper. */
  readonly epochs?: number;
  /** Pictures a step. Default 128. */
  readonly batchSize?: number;
  /**
   * Parts that a batch goes through the network in, one after the other: the gradient is that of the whole batch, the
   * memory that of a part. Dropout draws for each part. Default 1.
   */
  readonly accumulate?: number;
  /** Default: the model's recipe, or 0.01. */
  readonly learningRate?: number;
  /** Default: the model's recipe, or 0.9. */
  readonly momentum?: number;
  /** Default: the model's recipe, or 5e-4. */
  readonly weightDecay?: number;
  /** The learning rate over time: `warmUp({ epochs: 5, next: cosineSchedule({ epochs: 85 }) })`. Default: constant. */
  readonly schedule?: Schedule;
  /**
   * When results make the learning rate fall, on top of the schedule; null: never. Default: by 10 on a plateau of the
   * validation error, three times; never, if there is a schedule.
   */
  readonly plateau?: PlateauOptions | null;
  /** Layers that learn at another pace. Default: none. */
  readonly groups?: readonly ParameterGroup[];
  /** Bounds on the gradients. Default: none. */
  readonly clip?: ClipOptions;
  /** Share of the target that goes to all classes in equal parts. Not with `loss`. Default 0. */
  readonly labelSmoothing?: number;
  /**
   * Keeps a moving average of the weights: with it the model is validated and saved, and left at the end. Default: the
   * weights themselves.
   */
  readonly averaging?: AveragingOptions;
  /** Ends training when the validation error has not improved for some epochs. Default: never. */
  readonly earlyStopping?: EarlyStoppingOptions;
  /** Decides order, crops, mirroring and dropout. Default 0. */
  readonly seed?: number;
  /**
   * What is done to the training pictures; its crop must have the size of the model's input.
   * Default: a random crop, and half of the pictures mirrored.
   */
  readonly augmentation?: Augmentation;
  /** How an epoch goes through the training pictures. Default 'shuffle'; 'balanced' takes each class equally often. */
  readonly sampler?: Sampler;
  /** false: the default augmentation without its mirror, for text, digits, traffic signs. Not with `augmentation`. */
  readonly mirror?: boolean;
  /** Folder for checkpoints, best.safetensors and last.safetensors. Default: nothing is written. */
  readonly out?: string;
  /** How often checkpoints are written to `out`, and how many stay. */
  readonly checkpoints?: CheckpointOptions;
  /** Remembered in checkpoints, for whoever resumes: plain data, such as where the pictures came from. */
  readonly configuration?: unknown;
  /** Default: cross-entropy. */
  readonly loss?: Loss;
  /** Steps without any learning after which training stops with an explanation; 0: never. Default 2000. */
  readonly deadStartSteps?: number;
  /** Steps between looks at the layers: their norms, their silent ReLUs; 0: never. Default 100. */
  readonly layerSteps?: number;
}

export interface CheckpointOptions {
  /** Steps between two checkpoints within an epoch; 0: only at its end. Default 1000. */
  readonly everySteps?: number;
  /** How many of the last ones stay; the best epoch's stays besides, as best.safetensors. Default 2. */
  readonly keep?: number;
}

/** Layers with a pace of their own. */
export interface ParameterGroup {
  /** Names of layers (all their parameters) or of parameters: 'conv1', 'fc8.bias'. */
  readonly layers: readonly string[];
  /** Factor on the learning rate. Default 1. */
  readonly rate?: number;
  /** Factor on the weight decay. Default 1. */
  readonly decay?: number;
  /** In place of the common schedule. */
  readonly schedule?: Schedule;
}

/** What of the options a checkpoint holds. */
export type StoredOptions = Omit<TrainerOptions, 'augmentation' | 'loss' | 'out' | 'configuration'>;

export function storedOptions(options: TrainerOptions): StoredOptions {
  const { augmentation: _, loss: __, out: ___, configuration: ____, ...stored } = options;
  return stored;
}

/** @throws ArgumentError if an option is out of range, or two exclude each other */
export function checkOptions(model: Model, options: TrainerOptions): void {
  const { epochs = 90, batchSize = 128, accumulate = 1, clip, schedule, groups = [] } = options;
  const { everySteps = 1000, keep = 2 } = options.checkpoints ?? {};
  for (const [name, value] of Object.entries({ epochs, batchSize, accumulate, keep })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new ArgumentError(`Trainer: ${name} must be a positive integer, got ${value}.`);
    }
  }
  const { layerSteps = 100, deadStartSteps = 2000, seed = 0 } = options;
  for (const [name, value] of Object.entries({ everySteps, layerSteps, deadStartSteps, seed })) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new ArgumentError(`Trainer: ${name} must be an integer of 0 or more, got ${value}.`);
    }
  }
  if (options.sampler !== undefined) checkSampler(options.sampler);
  if (accumulate > batchSize) {
    throw new ArgumentError(`Trainer: a batch of ${batchSize} has no ${accumulate} parts; accumulate fewer.`);
  }
  if (options.loss && options.labelSmoothing !== undefined) {
    throw new ArgumentError(
      'Trainer: loss and labelSmoothing exclude each other: give the loss its smoothing.',
    );
  }
  if (clip) checkClip(clip);
  if (clip?.value !== undefined && model.precision === 'float16') {
    throw new ArgumentError('Trainer: in float16 gradients are scaled: clip them by norm, not by value.');
  }
  if (schedule) checkSchedule(schedule);
  checkParts(options);
  for (const group of groups) checkGroup(model, group);
  if (model.network.parameters.every(({ frozen }) => frozen)) {
    throw new ArgumentError('Trainer: all layers are frozen, so nothing would learn; unfreeze the last one.');
  }
  checkTrainingAugmentation(model, options);
}

/** Makes what the run will be made of, before pictures are read: each part knows what it can follow. */
function checkParts(options: TrainerOptions): void {
  const { learningRate = 0.01, momentum = 0.9, weightDecay = 5e-4, labelSmoothing = 0 } = options;
  new SGD([], { learningRate, momentum, weightDecay });
  new CrossEntropyLoss({ smoothing: labelSmoothing });
  if (options.earlyStopping) new EarlyStopping(options.earlyStopping);
  if (options.plateau) new ReduceOnPlateau(options.plateau);
  if (options.averaging) checkAveraging(options.averaging);
}

function checkGroup(model: Model, group: ParameterGroup): void {
  for (const [name, factor] of [
    ['rate', group.rate ?? 1],
    ['decay', group.decay ?? 1],
  ] as const) {
    if (!(factor >= 0 && factor < Infinity)) {
      throw new ArgumentError(`Trainer: a group's ${name} must not be negative, got ${factor}.`);
    }
  }
  if (group.schedule) checkSchedule(group.schedule);
  model.parametersOf(group.layers);
}

/** The paper's, unless another one is given. */
export function trainingAugmentation(
  model: Model,
  { augmentation, mirror = true }: TrainerOptions,
): Augmentation {
  if (augmentation) return augmentation;
  const [, , size] = model.inputShape;
  return [randomCrop({ size }), ...(mirror ? [randomMirror()] : [])];
}

/** @throws ArgumentError if the augmentation makes something else than one input of the model's size */
function checkTrainingAugmentation(model: Model, { augmentation, mirror }: TrainerOptions): void {
  if (!augmentation) return;
  if (mirror !== undefined) {
    throw new ArgumentError(
      'Trainer: augmentation and mirror exclude each other: put randomMirror() into the augmentation, or leave it out.',
    );
  }
  const { size, views } = checkAugmentation(augmentation, Infinity);
  const [, , input] = model.inputShape;
  if (size !== input || views !== 1) {
    throw new ArgumentError(
      `Trainer: the augmentation makes ${views} input(s) of ${size} pixels, the model takes one of ${input} pixels.`,
    );
  }
}
