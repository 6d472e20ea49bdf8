// How `alexnet train --resume RUN` knows everything else: the arguments are in the checkpoint.
// Invariant: what decides the course of training cannot be changed on the way; what decides its speed can.

import { resolve } from 'node:path';
import { ArgumentError, findCheckpoint, type Checkpoint } from '../index.js';
import { optionName } from './args.js';
import { options, type TrainArguments } from './train-options.js';
import { UsageError } from './usage-error.js';

/** Arguments with the folder of pictures, which is there now. */
export type PlannedArguments = TrainArguments & { readonly dir: string };

/** In pixels: of the stored pictures, and of the network's input. */
export interface Sizes {
  readonly side: number;
  readonly size: number;
}

/** What is to be trained. */
export type TrainPlan =
  | {
      readonly args: PlannedArguments;
      readonly checkpoint: undefined;
      /** What RUN held before. */
      readonly earlier: 'replaced' | undefined;
    }
  | {
      readonly args: PlannedArguments;
      readonly checkpoint: Checkpoint;
      readonly sizes: Sizes;
      readonly earlier: 'resumed';
    };

/** What a checkpoint of this command holds. */
interface Configuration {
  readonly command: 'alexnet train';
  readonly arguments: Omit<PlannedArguments, SessionOption>;
  readonly sizes: Sizes;
}

/** How a session shows itself, or where it writes: not part of the training. */
const SESSION = [
  ...(['resume', 'out', 'overwrite', 'quiet', 'json'] as const),
  ...(['dashboard', 'tensorboard', 'noReport', 'noLog'] as const),
] as const;
type SessionOption = (typeof SESSION)[number];
/** What may differ when training goes on: it leads to the same weights, or to later ones. */
const CHANGEABLE = [
  ...['val', 'epochs', 'checkpointEvery', 'keepCheckpoints', 'strict'],
  ...['device', 'threads', 'workers', 'cache', 'cacheSize'],
] as const;

export function configurationOf(args: PlannedArguments, sizes: Sizes): Configuration {
  const entries = Object.entries(args).filter(([key]) => !isSession(key));
  const rest = Object.fromEntries(entries) as Omit<PlannedArguments, SessionOption>;
  const { val, listDir, valLabels } = args;
  const cache = args.cache === 'none' ? undefined : args.cache;
  const named = Object.entries({ val, listDir, valLabels, cache });
  const given = named.filter((entry): entry is [string, string] => entry[1] !== undefined);
  const places = {
    dir: resolve(args.dir),
    ...Object.fromEntries(given.map(([name, path]) => [name, resolve(path)])),
  };
  return { command: 'alexnet train', arguments: { ...rest, ...places }, sizes };
}

/** @throws UsageError for an option that a resumed training cannot change */
export function checkResumeOptions(given: ReadonlySet<string>): void {
  const allowed: readonly string[] = [...SESSION, ...CHANGEABLE];
  for (const key of given) {
    if (allowed.includes(key) && key !== 'overwrite') continue;
    const name = optionName(key, options[key as keyof typeof options]);
    throw new UsageError(`--${name} and --resume exclude each other: a training goes on as it began`);
  }
}

/** @throws FileFormatError if there is no checkpoint that can be used */
export async function planResume(
  args: TrainArguments,
  { given, out }: { readonly given: ReadonlySet<string>; readonly out: string },
): Promise<TrainPlan> {
  const checkpoint = await findCheckpoint(args.resume as string);
  const { arguments: stored, sizes } = checkConfiguration(checkpoint);
  const changed = Object.fromEntries([...given].map((key) => [key, args[key as keyof TrainArguments]]));
  const entries = Object.entries(args).filter(([key]) => isSession(key));
  const session = Object.fromEntries(entries) as Pick<TrainArguments, SessionOption>;
  const dir = args.dir ?? stored.dir;
  return { args: { ...stored, ...changed, ...session, out, dir }, checkpoint, sizes, earlier: 'resumed' };
}

function isSession(key: string): key is SessionOption {
  return (SESSION as readonly string[]).includes(key);
}

function checkConfiguration({ path, configuration }: Checkpoint): Configuration {
  const found = configuration as Partial<Configuration> | null | undefined;
  if (found?.command === 'alexnet train') return found as Configuration;
  throw new ArgumentError(
    `${path}: this training was not begun by alexnet train, so its pictures are not known here; ` +
      'go on with it where it began: Trainer.resume(run, { device })',
  );
}
