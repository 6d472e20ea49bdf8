// Trains one experiment with one seed and writes its result, epoch by epoch.
// Invariant: a run that has ended is not trained again; an interrupted one begins anew and gives the same numbers.
import { cpus } from 'node:os';
import {
  multiStepSchedule,
  openDevice,
  Trainer,
  TrainingError,
  type EpochEvent,
  type InMemoryDataset,
  type Model,
  type TrainerOptions,
} from '../lib/index.js';
import type { Experiment } from './experiments.js';
import { buildNet } from './nets.js';
import { readEnded, writeResult, type EpochResult, type Machine, type RunResult } from './results.js';

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
  const before = await readEnded(folder, { experiment, seed });
  if (before) {
    log(`${what}: was trained already, ${before.epochs.length} epochs`);
    return before;
  }
  const result = await train(experiment, options, async (soFar) => {
    await writeResult(folder, soFar);
    log(`${what}: ${describe(soFar)}`);
  });
  await writeResult(folder, result);
  log(`${what}: ${result.failure ?? result.ended}`);
  return result;
}

async function train(
  experiment: Experiment,
  { seed, data, threads }: RunOptions,
  onEpoch: (result: RunResult) => Promise<void>,
): Promise<RunResult> {
  using device = openDevice('cpu', threads === undefined ? {} : { threads });
  using model = buildNet(experiment.variant, data.train.classNames);
  model.initialize(device, { seed });
  const epochs: EpochResult[] = [];
  const result: RunResult = {
    experiment,
    seed,
    date: new Date().toISOString(),
    machine: describeMachine(device.info.properties),
    parameters: model.summary().parameters,
    trainImages: data.train.length,
    epochs,
  };
  try {
    for await (const epoch of epochsOf(model, { experiment, seed, data })) {
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

/** Batches of 128, pixels minus the mean image, no augmentation: the nets' `recipe` has the rest. */
async function* epochsOf(
  model: Model,
  { experiment, seed, data }: { experiment: Experiment; seed: number; data: Cifar10 },
): AsyncGenerator<EpochResult> {
  const { stages, learningRate, weightDecay } = experiment;
  const ends = stages.map((_, i) => stages.slice(0, i + 1).reduce((a, b) => a + b));
  const options: TrainerOptions = {
    epochs: ends.at(-1) as number,
    batchSize: 128,
    mirror: false,
    schedule: multiStepSchedule({ milestones: ends.slice(0, -1) }),
    seed,
    ...(learningRate !== undefined && { learningRate }),
    ...(weightDecay !== undefined && { weightDecay }),
  };
  const { train, test } = data;
  const trainer = new Trainer(model, options);
  for await (const event of trainer.fit({ train, ...(experiment.test && { validation: test }) })) {
    if (event.type === 'epoch') yield asResult(event);
  }
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
