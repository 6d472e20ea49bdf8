// What both commands take on their command line, and the data they open.
// Invariant: nothing is guessed: without a folder of CIFAR-10 there is a message that says how to give one.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readCifar10 } from '../lib/index.js';
import type { Cifar10 } from './train.js';

export interface Arguments {
  /** cifar-10-batches-bin; undefined: only the report is to be made. */
  readonly dir: string | undefined;
  readonly seeds: readonly number[];
  readonly threads: number | undefined;
  /** Names of the experiments to train; undefined: all. */
  readonly only: readonly string[] | undefined;
  /** Every stage of the schedules is divided by it. */
  readonly shorten: number;
  readonly results: string;
}

const USAGE = `usage: npm run reproduce:COMMAND -- DIR [options]

DIR: the folder cifar-10-batches-bin of CIFAR-10's binary version (or the variable CIFAR10_DIR).

  --seeds 1,2,3    one run each (default 1)
  --only NAME,...  train only these experiments
  --shorten N      divide the epochs of every stage by N (default 1)
  --threads N      of the device (default: all cores)
  --results DIR    where results lie (default: reproduce/results of this checkout)
  --report         train nothing, make the report from the results that there are

A run that has ended is not repeated; interrupt at any time, and give the same command again.`;

export function parseArguments(command: 'cifar' | 'figure1'): Arguments {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '1' },
      only: { type: 'string' },
      shorten: { type: 'string', default: '1' },
      threads: { type: 'string' },
      results: { type: 'string', default: path.join(root(), 'reproduce', 'results') },
      report: { type: 'boolean', default: false },
    },
  });
  const dir = positionals[0] ?? process.env['CIFAR10_DIR'];
  if (dir === undefined && !values.report) {
    console.error(USAGE.replace('COMMAND', command));
    process.exit(2);
  }
  return {
    dir: values.report ? undefined : dir,
    seeds: values.seeds.split(',').map((seed) => integer('--seeds', seed)),
    threads: values.threads === undefined ? undefined : integer('--threads', values.threads),
    only: values.only?.split(','),
    shorten: integer('--shorten', values.shorten),
    results: path.join(values.results, command),
  };
}

function integer(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  console.error(`${name}: '${text}' is not an integer of 1 or more`);
  process.exit(2);
}

/** This file runs from dist/reproduce. */
function root(): string {
  return path.join(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
}

export async function openCifar10(dir: string): Promise<Cifar10> {
  const [train, test] = await Promise.all([
    readCifar10(dir, { split: 'train' }),
    readCifar10(dir, { split: 'test' }),
  ]);
  return { train, test };
}

/** A line with the time, for a log that is left alone for hours. */
export function log(line: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${line}`);
}
