// What became of a run, as a JSON file: the reports are made of these files alone.
// Invariant: a file is replaced whole after every epoch; `ended` says whether its run came to its end.
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Experiment } from './experiments.js';

export interface EpochResult {
  readonly epoch: number;
  readonly learningRate: number;
  /** Fractions and nats; over the epoch's batches while they train. */
  readonly trainError: number;
  readonly trainLoss: number;
  /** After the epoch, centre view. */
  readonly testError?: number;
  readonly testLoss?: number;
  readonly seconds: number;
}

export interface Machine {
  readonly cpu: string;
  readonly threads: string;
  readonly instructionSet: string;
  readonly oneDnn: string;
  readonly node: string;
}

export interface RunResult {
  readonly experiment: Experiment;
  readonly seed: number;
  /** ISO 8601, of the beginning. */
  readonly date: string;
  readonly machine: Machine;
  readonly parameters: number;
  readonly trainImages: number;
  readonly epochs: readonly EpochResult[];
  /** undefined: it was interrupted. 'failed': training stopped itself. */
  readonly ended?: 'completed' | 'failed';
  readonly failure?: string;
}

/** The file of a run; another schedule or learning rate is another file. */
export function resultFile(
  folder: string,
  { experiment, seed }: Pick<RunResult, 'experiment' | 'seed'>,
): string {
  const { name, stages } = experiment;
  return path.join(folder, `${name}.${stages.join('+')}-epochs.seed${seed}.json`);
}

export async function writeResult(folder: string, result: RunResult): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = resultFile(folder, result);
  await writeFile(`${file}.tmp`, `${JSON.stringify(result, null, 2)}\n`);
  await rename(`${file}.tmp`, file);
}

/** The result of the very same experiment, ended or not, if there is one. */
export async function readResult(
  folder: string,
  run: Pick<RunResult, 'experiment' | 'seed'>,
): Promise<RunResult | undefined> {
  const text = await readFile(resultFile(folder, run), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const result = JSON.parse(text) as RunResult;
  const same = JSON.stringify(result.experiment) === JSON.stringify(run.experiment);
  return same ? result : undefined;
}

/** All results of a folder, in the order of their files' names. */
export async function readResults(folder: string): Promise<RunResult[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  const files = names.filter((name) => name.endsWith('.json')).sort();
  return Promise.all(
    files.map(async (name) => JSON.parse(await readFile(path.join(folder, name), 'utf8')) as RunResult),
  );
}
