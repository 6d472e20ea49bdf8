// `alexnet train`: pictures in, weights out.
// Invariant: weights of an earlier training are never replaced unless --overwrite says so.

import {
  alexnet,
  ArgumentError,
  batchesPerEpoch,
  computeColourStatistics,
  DecodePool,
  DEFAULT_CACHE_BYTES,
  DEFAULT_SIDE,
  formatCount,
  openDevice,
  pcaColour,
  presets,
  randomCrop,
  randomMirror,
  Trainer,
  weightsIn,
  type Augmentation,
  type Device,
  type ImageDataset,
  type Model,
  type TrainingData,
} from '../index.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { describeDevice } from './device-text.js';
import { counted, shellWord } from './output.js';
import {
  openPictures,
  pictureCount,
  trainingPictures,
  type Pictures,
  type TrainingPictures,
} from './pictures.js';
import { StopRequest } from './signals.js';
import { options, positionals, type TrainArguments } from './train-options.js';
import { TrainingReport } from './train-report.js';
import { UsageError } from './usage-error.js';

export const train = command({
  name: 'train',
  summary: 'Train AlexNet on a folder of pictures.',
  positionals,
  options,
  details: [
    'After every epoch the weights are written to RUN/last.safetensors, and to RUN/best.safetensors if the ' +
      'validation error is the lowest so far.',
    'Ctrl-C ends training after the current step; the weights of whole epochs are kept. A second Ctrl-C ends at once.',
  ],
  examples: [
    'alexnet train flowers',
    'alexnet train flowers --initialization lecun --epochs 30 --out flowers-run',
    'alexnet train digits --no-mirror --json > digits.jsonl',
  ],
  run: runTraining,
});

async function runTraining(args: TrainArguments): Promise<ExitCode> {
  if (args.val !== undefined && args.holdOut !== undefined) {
    throw new UsageError('--val and --hold-out exclude each other: give the folder, or the part to hold out');
  }
  using report = new TrainingReport(args);
  using stop = new StopRequest(() =>
    report.handle({ type: 'warning', message: 'stopping after this step; Ctrl-C again ends at once' }),
  );
  const hadWeights = await checkOut(args);
  const pictures = await trainingPictures(args);
  using device = openDevice(args.device, defined({ threads: args.threads }));
  using model = buildModel(args, pictures);
  model.initialize(device, { seed: args.seed });
  const pool = new DecodePool(defined({ side: storedSide(args, model), workers: args.workers }));
  try {
    report.start(...describe(args, { pictures, model, device }));
    const data = openDatasets(args, { pictures, pool });
    const { epochs, batchSize, learningRate, momentum, weightDecay, seed, out } = args;
    const recipe = defined({ learningRate, momentum, weightDecay });
    const augmentation = await augmentationOf(args, { model, dataset: data.train, signal: stop.signal });
    const trainer = new Trainer(model, { epochs, batchSize, seed, out, augmentation, ...recipe });
    const done = await trainer.run(data, { signal: stop.signal, onEvent: (event) => report.handle(event) });
    report.finish(done, { folder: out, hadWeights });
    return done.reason === 'aborted' ? (stop.exitCode ?? 1) : 0;
  } catch (error) {
    report.fail();
    throw error;
  } finally {
    await pool.close();
  }
}

/** @returns whether there are weights that will be replaced */
async function checkOut({ out, overwrite }: TrainArguments): Promise<boolean> {
  const [weights] = await weightsIn(out);
  if (weights === undefined || overwrite) return weights !== undefined;
  throw new ArgumentError(
    `${weights} is there already: ${out} holds the weights of an earlier training. ` +
      `Give another folder with --out, or replace them with --overwrite`,
  );
}

function buildModel(args: TrainArguments, { train: { classNames } }: TrainingPictures): Model {
  const { preset, initialization, groups, inputSize, precision } = args;
  return alexnet({ preset, initialization, classNames, ...defined({ groups, inputSize, precision }) });
}

/** Pictures are stored larger than the input by as much as the preset's source does, so that crops can move. */
function storedSide({ preset }: TrainArguments, { inputShape: [, , size] }: Model): number {
  return Math.round((size * DEFAULT_SIDE) / presets[preset].inputSize);
}

/** Both share the threads that decode, and the memory, by their numbers of pictures. */
function openDatasets(
  { cacheSize = DEFAULT_CACHE_BYTES, strict }: TrainArguments,
  { pictures, pool }: { readonly pictures: TrainingPictures; readonly pool: DecodePool },
): TrainingData {
  const { train: training, validation } = pictures;
  const all = pictureCount(training) + pictureCount(validation);
  const open = (pictures: Pictures) =>
    openPictures(pictures, {
      side: pool.side,
      files: { pool, strict, cacheBytes: (cacheSize * pictureCount(pictures)) / all },
    });
  return { train: open(training), validation: open(validation) };
}

/** Colours are learned from this many pictures at most: more do not change their components. */
const COLOUR_PICTURES = 2000;

async function augmentationOf(
  { noMirror, pcaColour: noise }: TrainArguments,
  { model, dataset, signal }: { model: Model; dataset: ImageDataset; signal: AbortSignal },
): Promise<Augmentation> {
  const [, , size] = model.inputShape;
  const crop = [randomCrop({ size }), ...(noMirror ? [] : [randomMirror()])];
  if (!noise) return crop;
  const statistics = await computeColourStatistics(dataset, { maxPictures: COLOUR_PICTURES, signal });
  return [...crop, pcaColour({ statistics })];
}

interface Parts {
  readonly pictures: TrainingPictures;
  readonly model: Model;
  readonly device: Device;
}

/** The header: lines for people, and the same for programs. */
function describe(args: TrainArguments, parts: Parts): [lines: string[], facts: Record<string, unknown>] {
  const { pictures, model, device } = parts;
  const { dir, epochs, seed, out, preset, initialization } = args;
  const { classNames } = pictures.train;
  const count = { train: pictureCount(pictures.train), validation: pictureCount(pictures.validation) };
  const batchSize = Math.min(args.batchSize, count.train);
  const steps = batchesPerEpoch(count.train, { batchSize, dropLast: true });
  const learningRate = args.learningRate ?? model.recipe?.learningRate;
  const { parameters } = model.summary();
  const [, , size] = model.inputShape;
  const images = (n: number): string => counted(formatCount(n), 'picture');
  const initial = initialization === 'preset' ? '' : `, initial weights: ${initialization}`;
  const lines = [
    `model: AlexNet (${preset}), ${formatCount(parameters)} parameters, input ${size}x${size}${initial}`,
    `data: ${images(count.train)} of ${formatCount(classNames.length)} classes from ${dir}; ` +
      `validation with ${images(count.validation)} (${pictures.source})`,
    `device: ${describeDevice(device.info)}`,
    `training: ${counted(formatCount(epochs), 'epoch')} of ${counted(formatCount(steps), 'step')} of ${images(batchSize)}, ` +
      `learning rate ${learningRate}, seed ${seed}; weights go to ${shellWord(out)}`,
  ];
  const shape = { preset, initialization, inputSize: size, parameters, classNames };
  const run = { pictures: count, epochs, batchSize, stepsPerEpoch: steps, learningRate, seed, out };
  return [lines, { ...shape, ...run, device: device.info }];
}
