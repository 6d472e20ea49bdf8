// `alexnet train`: pictures in, weights out.
// Invariant: what an earlier training left is never replaced unless --overwrite says so.

import {
  AbortedError,
  ArgumentError,
  batchesPerEpoch,
  checkpointsIn,
  DecodePool,
  formatCount,
  openDevice,
  runFolderOf,
  RunLock,
  weightsIn,
  type Device,
  type Model,
} from '../index.js';
import { optionName } from './args.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { describeDevice } from './device-text.js';
import { counted, shellWord } from './output.js';
import { checkValidation, pictureCount, trainingPictures, type TrainingPictures } from './pictures.js';
import { StopRequest } from './signals.js';
import { options, positionals, type TrainArguments } from './train-options.js';
import { TrainingLoggers } from './train-loggers.js';
import { TrainingReport } from './train-report.js';
import { checkResumeOptions, planResume, type TrainPlan } from './train-resume.js';
import { augmentationOf, freshModel, makeTrainer, openCache, openDatasets, sizesOf } from './train-setup.js';
import { UsageError } from './usage-error.js';

export const train = command({
  name: 'train',
  summary: 'Train AlexNet on a folder of pictures.',
  positionals,
  options,
  details: [
    'Checkpoints are written to RUN/checkpoints, with all that is needed to go on: after every epoch, every ' +
      '--checkpoint-every steps, and when training is stopped. RUN/last.safetensors is the last epoch, ' +
      'RUN/best.safetensors the one with the lowest validation error so far.',
    'Ctrl-C ends training after the current step, with a checkpoint; a second Ctrl-C ends at once. Either way ' +
      'alexnet train --resume RUN goes on as if nothing had happened.',
    'RUN/log.jsonl has every event, RUN/report.html the curves, the first kernels and some predictions.',
  ],
  examples: [
    'alexnet train flowers',
    'alexnet train flowers --initialization lecun --epochs 30 --out flowers-run',
    'alexnet train --resume flowers-run',
    'alexnet train roses --from flowers-run --freeze conv1,conv2 --out roses-run',
    'alexnet train flowers --warm-up 5 --schedule cosine --label-smoothing 0.1',
    'alexnet train digits --no-mirror --json > digits.jsonl',
  ],
  run: runTraining,
});

async function runTraining(args: TrainArguments, given: ReadonlySet<string>): Promise<ExitCode> {
  checkUsage(args, given);
  using report = new TrainingReport(args);
  const warn = (message: string): void => report.handle({ type: 'warning', message });
  using stop = new StopRequest(() => warn('stopping after this step; Ctrl-C again ends at once'));
  const out = args.resume === undefined || given.has('out') ? args.out : await runFolderOf(args.resume);
  try {
    // Before anything is looked for there: another process may be changing it.
    await using lock = await RunLock.take(out, { signal: stop.signal, onWait: warn });
    const plan = args.resume === undefined ? await planFresh(args) : await planResume(args, { given, out });
    return await carryOut(plan, { report, stop, lock, warn });
  } catch (error) {
    report.fail();
    if (error instanceof AbortedError && stop.exitCode !== undefined) return stop.exitCode;
    throw error;
  }
}

interface Session {
  readonly report: TrainingReport;
  readonly stop: StopRequest;
  readonly lock: RunLock;
  readonly warn: (message: string) => void;
}

async function carryOut(plan: TrainPlan, { report, stop, lock, warn }: Session): Promise<ExitCode> {
  const pictures = await trainingPictures(plan.args);
  using device = openDevice(plan.args.device, defined({ threads: plan.args.threads }));
  const fresh = plan.checkpoint ? undefined : await freshModel(plan.args, { pictures, device });
  const sizes = plan.checkpoint ? plan.sizes : sizesOf(plan.args, fresh as Model);
  const pool = new DecodePool(defined({ side: sizes.side, workers: plan.args.workers }));
  const cache = await openCache(plan.args, { pictures, warn });
  try {
    const data = openDatasets(plan.args, { pictures, pool, cache });
    const { signal } = stop;
    const augmentation = await augmentationOf(plan.args, {
      ...{ size: sizes.size, pictures, dataset: data.train, signal },
    });
    const trainer = await makeTrainer(plan, { device, model: fresh, sizes, augmentation });
    using model = trainer.model;
    const { lines, facts } = describe(plan, { pictures, model, device });
    report.start(lines, facts);
    const loggers = await TrainingLoggers.open(plan, { model, data, facts, warn });
    report.say(loggers.places);
    const done = await loggers.follow((onEvent) =>
      trainer.run(data, {
        ...{ signal, lock },
        onEvent: (event) => {
          report.handle(event);
          onEvent(event);
        },
      }),
    );
    report.finish(done, {
      folder: plan.args.out,
      replaced: plan.earlier === 'replaced',
      resumed: plan.checkpoint?.run,
    });
    return done.reason === 'aborted' ? (stop.exitCode ?? 1) : 0;
  } finally {
    await Promise.all([pool.close(), cache?.close()]);
  }
}

function checkUsage(args: TrainArguments, given: ReadonlySet<string>): void {
  if (args.resume !== undefined) {
    checkResumeOptions(given);
    return;
  }
  if (args.dir === undefined) throw new UsageError(`DIR is missing: ${positionals.dir.help}`);
  checkValidation(args);
  if (args.trunkRate !== undefined && args.from === undefined) {
    throw new UsageError('--trunk-rate: it is for --from, which says what the trunk begins with');
  }
  if (args.from !== undefined) checkNetworkIsNotGiven(given);
  if (args.cache === 'none' && args.cacheSize !== undefined) {
    throw new UsageError('--cache-size: --cache none keeps nothing; leave one of them away');
  }
  if (args.accumulate > args.batchSize) {
    throw new UsageError(`--accumulate: a batch of ${args.batchSize} has no ${args.accumulate} parts`);
  }
}

/** The network is that of the weights. */
function checkNetworkIsNotGiven(given: ReadonlySet<string>): void {
  for (const key of ['preset', 'initialization', 'groups', 'inputSize'] as const) {
    if (!given.has(key)) continue;
    const name = optionName(key, options[key]);
    throw new UsageError(
      `--${name} and --from exclude each other: the network is the one whose weights are taken`,
    );
  }
}

async function planFresh(args: TrainArguments): Promise<TrainPlan> {
  const earlier = (await checkOut(args)) ? 'replaced' : undefined;
  return { args: { ...args, dir: args.dir as string }, checkpoint: undefined, earlier };
}

/** @returns whether there are weights that will be replaced */
async function checkOut({ out, overwrite }: TrainArguments): Promise<boolean> {
  const [weights] = await weightsIn(out);
  const [checkpoint] = await checkpointsIn(out);
  const found = weights ?? checkpoint?.path;
  if (found === undefined || overwrite) return found !== undefined;
  const goOn = checkpoint ? `go on with it: alexnet train --resume ${shellWord(out)}; or ` : '';
  throw new ArgumentError(
    `${found} is there already: ${out} holds an earlier training. ` +
      `To keep it, ${goOn}give another folder with --out; to replace it, give --overwrite`,
  );
}

interface Parts {
  readonly pictures: TrainingPictures;
  readonly model: Model;
  readonly device: Device;
}

/** The header: lines for people, and the same for programs. */
function describe(
  { args, checkpoint }: TrainPlan,
  parts: Parts,
): { readonly lines: string[]; readonly facts: Record<string, unknown> } {
  const { pictures, model, device } = parts;
  const { dir, epochs, seed, out, preset, initialization, from } = args;
  const { classNames } = pictures.train;
  const count = { train: pictureCount(pictures.train), validation: pictureCount(pictures.validation) };
  const batchSize = Math.min(args.batchSize, count.train);
  const steps = batchesPerEpoch(count.train, { batchSize, dropLast: true });
  const learningRate = args.learningRate ?? model.recipe?.learningRate;
  const { parameters } = model.summary();
  const [, , size] = model.inputShape;
  const images = (n: number): string => counted(formatCount(n), 'picture');
  const begin = from ?? (initialization === 'preset' ? undefined : initialization);
  const lines = [
    `model: AlexNet (${from === undefined ? preset : 'fine-tuned'}), ${formatCount(parameters)} parameters, ` +
      `input ${size}x${size}${begin === undefined ? '' : `, initial weights: ${begin}`}`,
    `data: ${images(count.train)} of ${formatCount(classNames.length)} classes from ${dir}; ` +
      `validation with ${images(count.validation)} (${pictures.source})`,
    `device: ${describeDevice(device.info)}`,
    `training: ${counted(formatCount(epochs), 'epoch')} of ${counted(formatCount(steps), 'step')} of ${images(batchSize)}, ` +
      `learning rate ${learningRate}, seed ${seed}; weights go to ${shellWord(out)}`,
  ];
  const shape = { preset, initialization, inputSize: size, parameters, classNames };
  const run = { pictures: count, epochs, batchSize, stepsPerEpoch: steps, learningRate, seed, out };
  const resumed = checkpoint && { resumed: checkpoint.path };
  return { lines, facts: { data: dir, ...shape, ...run, ...resumed, device: device.info } };
}
