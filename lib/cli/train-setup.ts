// What `alexnet train` makes of its arguments: model, datasets, augmentation, trainer.
// Invariant: a default that is not written in train-options.ts is the library's or the preset's own.

import { totalmem } from 'node:os';
import {
  alexnet,
  ArgumentError,
  computeColourStatistics,
  DEFAULT_SIDE,
  findWeights,
  formatBytes,
  formatCount,
  loadPretrained,
  PictureCache,
  pictureCacheFolder,
  presets,
  Trainer,
  userCacheFolder,
  type Augmentation,
  type DecodePool,
  type Device,
  type ImageDataset,
  type Model,
  type ParameterGroup,
  type TrainerOptions,
  type TrainingData,
} from '../index.js';
import { augmentationFrom } from './augmentation-options.js';
import { defined } from './defined.js';
import { openPictures, type Pictures, type TrainingPictures } from './pictures.js';
import { scheduleOptions } from './schedule-option.js';
import { configurationOf, type PlannedArguments, type Sizes, type TrainPlan } from './train-resume.js';

/** Factor on the learning rate of a trunk that has learned already. */
const TRUNK_RATE = 0.1;

/** A model with weights: drawn, or those of an earlier training. */
export async function freshModel(
  args: PlannedArguments,
  { pictures, device }: { readonly pictures: TrainingPictures; readonly device: Device },
): Promise<Model> {
  const { preset, initialization, groups, inputSize, seed, from, freeze, precision } = args;
  const { classNames } = pictures.train;
  const model =
    from === undefined
      ? alexnet({ preset, initialization, classNames, ...defined({ groups, inputSize, precision }) })
      : await loadPretrained(await findWeights(from), {
          device,
          classNames,
          seed,
          ...defined({ precision }),
        });
  if (from === undefined) {
    checkFits(model, device);
    model.initialize(device, { seed });
  }
  return freeze ? model.freeze(freeze) : model;
}

/** Of a parameter: its value, gradient and velocity. */
const BYTES_OF_A_PARAMETER = 12;

/** @throws ArgumentError where the system would end the process for want of memory, minutes later and without a word */
function checkFits(model: Model, device: Device): void {
  const { parameters } = model.summary();
  const [needed, there] = [BYTES_OF_A_PARAMETER * parameters, totalmem()];
  if (device.info.kind !== 'cpu' || needed <= there) return;
  throw new ArgumentError(
    `the network has ${formatCount(parameters)} parameters: training takes ${formatBytes(needed)} of memory at least, ` +
      `this machine has ${formatBytes(there)}; give a smaller --input-size`,
  );
}

/** Pictures are stored larger than the input by as much as the preset's source does, so that crops can move. */
export function sizesOf({ preset }: PlannedArguments, { inputShape, preprocessing }: Model): Sizes {
  const [, , size] = inputShape;
  const side = preprocessing?.options.side ?? Math.round((size * DEFAULT_SIDE) / presets[preset].inputSize);
  return { side, size };
}

/** Both share the threads that decode, and the cache. */
export function openDatasets(
  { strict }: PlannedArguments,
  parts: { pictures: TrainingPictures; pool: DecodePool; cache: PictureCache | undefined },
): TrainingData {
  const { pictures, pool, cache } = parts;
  const open = (from: Pictures) => openPictures(from, { side: pool.side, files: { pool, strict, cache } });
  return { train: open(pictures.train), validation: open(pictures.validation) };
}

/** Where decoded pictures are kept; nowhere if there is nothing to decode, or no place for them. */
export async function openCache(
  { dir, cache: place, cacheSize }: PlannedArguments,
  { pictures, warn }: { readonly pictures: TrainingPictures; readonly warn: (message: string) => void },
): Promise<PictureCache | undefined> {
  if (place === 'none' || !('paths' in pictures.train)) return undefined;
  try {
    const folder = await pictureCacheFolder(dir, place ?? userCacheFolder());
    return await PictureCache.open({ folder, ...defined({ maxBytes: cacheSize }) });
  } catch (error) {
    if (place !== undefined) throw error;
    warn(`decoding in every epoch: ${(error as Error).message}; give a folder with --cache DIR`);
    return undefined;
  }
}

/** Colours are learned from this many pictures at most: more do not change their components. */
const COLOUR_PICTURES = 2000;

export async function augmentationOf(
  args: PlannedArguments,
  parts: {
    readonly size: number;
    readonly pictures: TrainingPictures;
    readonly dataset: ImageDataset;
    readonly signal: AbortSignal;
  },
): Promise<Augmentation> {
  const { size, pictures, dataset, signal } = parts;
  if (!args.pcaColour) return augmentationFrom(args, { size });
  const statistics =
    pictures.colours ?? (await computeColourStatistics(dataset, { maxPictures: COLOUR_PICTURES, signal }));
  return augmentationFrom(args, { size, statistics });
}

interface TrainerParts {
  readonly device: Device;
  /** For a training that begins. */
  readonly model: Model | undefined;
  readonly sizes: Sizes;
  readonly augmentation: Augmentation;
}

export async function makeTrainer(
  { args, checkpoint }: TrainPlan,
  { device, model, sizes, augmentation }: TrainerParts,
): Promise<Trainer> {
  const { epochs, out } = args;
  const configuration = configurationOf(args, sizes);
  if (checkpoint) {
    const checkpoints = checkpointOptions(args);
    return Trainer.resume(checkpoint, { device, augmentation, epochs, out, checkpoints, configuration });
  }
  const options = { ...trainerOptions(args, model as Model), augmentation, configuration };
  return new Trainer(model as Model, options);
}

function checkpointOptions({ checkpointEvery, keepCheckpoints }: PlannedArguments) {
  return { everySteps: checkpointEvery, keep: keepCheckpoints };
}

function trainerOptions(args: PlannedArguments, model: Model): TrainerOptions {
  const { epochs, batchSize, seed, out, accumulate, learningRate, momentum, weightDecay } = args;
  const { labelSmoothing, averaging, earlyStopping, clipNorm, clipValue } = args;
  return {
    ...{ epochs, batchSize, seed, out, accumulate, sampler: args.balanced ? 'balanced' : 'shuffle' },
    ...defined({ learningRate, momentum, weightDecay, labelSmoothing }),
    ...scheduleOptions(args),
    ...(averaging !== undefined && { averaging: { decay: averaging } }),
    ...(earlyStopping !== undefined && { earlyStopping: { patience: earlyStopping } }),
    clip: defined({ norm: clipNorm, value: clipValue }),
    groups: args.from === undefined ? [] : [trunkOf(model, args.trunkRate ?? TRUNK_RATE)],
    checkpoints: checkpointOptions(args),
  };
}

/** All layers that learn but the last. */
function trunkOf({ network }: Model, rate: number): ParameterGroup {
  const learning = network.layers.filter(({ parameters }) => parameters.length > 0);
  return { layers: learning.slice(0, -1).map(({ name }) => name), rate };
}
