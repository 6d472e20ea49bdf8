// Trains one experiment with one seed and writes its result, epoch by epoch.
// Invariant: a run that has ended is not trained again; an interrupted one goes on after its last whole epoch, to the same numbers.
import { rm } from 'node:fs/promises';
import { cpus } from 'node:os';
import {
  type Device,
  type EpochEvent,
  findCheckpoint,
  type InMemoryDataset,
  type Model,
  multiStepSchedule,
  openDevice,
  Trainer,
  type TrainerOptions,
  TrainingError,
} from '../lib/index.js';
import type { Experiment } from './experiments.js';
import { buildNet } from './nets.js';
import {
  readResult,
  resultFile,
  writeResult,
  type EpochResult,
  type Machine,
  type RunResult,
} from './results.js';

export interface Cifar10 {
  readonly train: InMemoryDataset;
  readonly test: InMemoryDataset;
}

export interface RunOptions {
  readonly seed: number;
  readonly data: Cifar10;
  /** For the results. */
  readonly folder: string;
  readonly threads?: number | undefined;
  readonly log: (line: string) => void;
}

export async function runExperiment(experiment: Experiment, options: RunOptions): Promise<RunResult> {
  const { seed, folder, log } = options;
  const what = `${experiment.title}, seed ${seed}`;
  const before = await readResult(folder, { experiment, seed });
  if (before?.ended) {
    log(`${what}: was trained already, ${before.epochs.length} epochs`);
    return before;
  }
  const onEpoch = async (soFar: RunResult) => {
    await writeResult(folder, soFar);
    log(`${what}: ${describe(soFar)}`);
  };
  const result = await train(experiment, options, { before, onEpoch });
  await writeResult(folder, result);
  await rm(checkpointFolder(folder, { experiment, seed }), { recursive: true, force: true });
  log(`${what}: ${result.failure ?? result.ended}`);
  return result;
}

/** Where an unfinished run has its checkpoints. */
function checkpointFolder(folder: string, run: Pick<RunResult, 'experiment' | 'seed'>): string {
  return resultFile(folder, run).replace(/\.json$/, '.run');
}

interface Course {
  /** An interrupted run. */
  readonly before: RunResult | undefined;
  readonly onEpoch: (result: RunResult) => Promise<void>;
}

async function train(
  experiment: Experiment,
  options: RunOptions,
  { before, onEpoch }: Course,
): Promise<RunResult> {
  const { seed, data, threads } = options;
  using device = openDevice('cpu', threads === undefined ? {} : { threads });
  using model = buildNet(experiment.variant, data.train.classNames);
  const { trainer, done } = await trainerOf(model, { experiment, options, device, before });
  const epochs: EpochResult[] = [...(before?.epochs.slice(0, done) ?? [])];
  const result: RunResult = {
    experiment,
    seed,
    date: new Date().toISOString(),
    machine: describeMachine(device.info.properties),
    parameters: model.summary().parameters,
    trainImages: data.train.length,
    epochs,
  };
  const { train, test: validation } = data;
  try {
    for await (const event of trainer.fit({ train, ...(experiment.test && { validation }) })) {
      if (event.type !== 'epoch') continue;
      const epoch = asResult(event);
      epochs.push(epoch);
      await onEpoch(result);
      if (epoch.trainError <= (experiment.untilTrainError ?? -1)) break;
    }
  } catch (error) {
    if (!(error instanceof TrainingError)) throw error;
    return { ...result, ended: 'failed', failure: error.message };
  }
  return { ...result, ended: 'completed' };
}

interface Beginning {
  readonly experiment: Experiment;
  readonly options: RunOptions;
  readonly device: Device;
  readonly before: RunResult | undefined;
}

/** A trainer that goes on where an interrupted run has a checkpoint, and how many epochs are behind it. */
async function trainerOf(
  model: Model,
  { experiment, options: { seed, folder }, device, before }: Beginning,
): Promise<{ trainer: Trainer; done: number }> {
  const out = checkpointFolder(folder, { experiment, seed });
  const checkpoint = before && (await findCheckpoint(out).catch(() => undefined));
  const done = checkpoint ? checkpoint.state.epoch - 1 : 0;
  if (checkpoint && done <= before.epochs.length) {
    return { trainer: await Trainer.resume(checkpoint, { device, model }), done };
  }
  await rm(out, { recursive: true, force: true });
  model.initialize(device, { seed });
  return { trainer: new Trainer(model, { ...trainerOptions(experiment), seed, out }), done: 0 };
}

/** Batches of 128, pixels minus the mean image, no augmentation: the nets' `recipe` has the rest. */
function trainerOptions({ stages, learningRate, weightDecay }: Experiment): TrainerOptions {
  const ends = stages.map((_, i) => stages.slice(0, i + 1).reduce((a, b) => a + b));
  return {
    epochs: ends.at(-1) as number,
    batchSize: 128,
    mirror: false,
    schedule: multiStepSchedule({ milestones: ends.slice(0, -1) }),
    checkpoints: { everySteps: 0, keep: 1 },
    ...(learningRate !== undefined && { learningRate }),
    ...(weightDecay !== undefined && { weightDecay }),
  };
}

function asResult({ epoch, learningRate, train, validation, durationMs }: EpochEvent): EpochResult {
  return {
    epoch,
    learningRate,
    trainError: 1 - train.top1,
    trainLoss: train.loss,
    ...(validation && { testError: 1 - validation.top1, testLoss: validation.loss }),
    seconds: durationMs / 1000,
  };
}

function describe({ epochs }: RunResult): string {
  const { epoch, trainError, testError, learningRate, seconds } = epochs.at(-1) as EpochResult;
  const percent = (fraction: number) => `${(fraction * 100).toFixed(2)} %`;
  const test = testError === undefined ? '' : `, test error ${percent(testError)}`;
  const rate = `learning rate ${Number(learningRate.toPrecision(3))}`;
  return `epoch ${epoch}, ${rate}: training error ${percent(trainError)}${test} (${seconds.toFixed(1)} s)`;
}

function describeMachine(properties: Readonly<Record<string, string>>): Machine {
  const text = (name: string) => properties[name] ?? 'unknown';
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    threads: text('threads'),
    instructionSet: text('instructionSet'),
    oneDnn: text('oneDNN'),
    node: process.version,
  };
}
