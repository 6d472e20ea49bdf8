// The folder of a training: RUN/checkpoints/step-*.safetensors, and RUN/best.safetensors and RUN/last.safetensors.
// Invariant: each file is whole at any moment; best and last are second names of checkpoints, not copies.
import { access, copyFile, link, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { ArgumentError, FileFormatError, FileWriteError } from '../errors.js';
import { readCheckpoint, type Checkpoint } from './checkpoint.js';
import { RunLock, type RunLockOptions } from './run-lock.js';

export const LAST = 'last.safetensors';
export const BEST = 'best.safetensors';
/** The best weights in 8-bit integers, where they were quantised. */
export const INT8 = 'int8.safetensors';
const CHECKPOINTS = 'checkpoints';
const CHECKPOINT = /^step-(\d+)\.safetensors$/;
/** What a killed process leaves of a file that it was writing. */
const UNFINISHED = /^\.step-\d+\.safetensors\.[\da-f-]+\.tmp$/;

/** The weights files that a folder has, the best first; none if there is no such folder. */
export async function weightsIn(folder: string): Promise<string[]> {
  const paths = [BEST, LAST].map((name) => path.join(folder, name));
  const found = await Promise.all(
    paths.map((file) =>
      access(file).then(
        () => true,
        () => false,
      ),
    ),
  );
  return paths.filter((_, i) => found[i]);
}

/**
 * The weights to predict with: a run folder's best, else its last; a file is itself.
 * @param options.quantized  take what was made of them in 8-bit integers. Default false
 * @throws FileFormatError if there is nothing at `run`, or a folder without weights, or if what was quantised is older than
 * the weights
 */
export async function findWeights(
  run: string,
  { quantized = false }: { readonly quantized?: boolean } = {},
): Promise<string> {
  if (!(await statRun(run)).isDirectory()) return run;
  const [weights] = await weightsIn(run);
  if (quantized) return quantizedOf(run, weights);
  if (weights === undefined) {
    throw new FileFormatError(
      run,
      `the folder has neither ${BEST} nor ${LAST}; they are written at the end of the first epoch of a training`,
    );
  }
  return weights;
}

async function quantizedOf(run: string, weights: string | undefined): Promise<string> {
  const file = path.join(run, INT8);
  const made = await stat(file).catch(() => undefined);
  const learned = weights === undefined ? undefined : await stat(weights);
  if (made && (!learned || made.mtimeMs >= learned.mtimeMs)) return file;
  throw new FileFormatError(
    file,
    made
      ? `it is older than ${weights}: make it again with alexnet quantize ${run} DIR`
      : `there is no such file; make it with alexnet quantize ${run} DIR`,
  );
}

async function statRun(run: string): ReturnType<typeof stat> {
  try {
    return await stat(run);
  } catch (cause) {
    throw new FileFormatError(
      run,
      'there is no such folder or file; give the folder of a training, or its weights',
      { cause },
    );
  }
}

/** The checkpoints of a run folder, the newest first; none if there is no such folder. */
export async function checkpointsIn(
  run: string,
): Promise<{ readonly path: string; readonly step: number }[]> {
  const folder = path.join(run, CHECKPOINTS);
  const names = await readdir(folder).catch(() => []);
  return names
    .flatMap((name) => {
      const step = CHECKPOINT.exec(name)?.[1];
      return step === undefined ? [] : [{ path: path.join(folder, name), step: Number(step) }];
    })
    .sort((a, b) => b.step - a.step);
}

/**
 * The folder of a training: itself, or that of one of its checkpoints.
 * @throws FileFormatError if there is nothing at `run`
 */
export async function runFolderOf(run: string): Promise<string> {
  if ((await statRun(run)).isDirectory()) return run;
  const folder = path.dirname(path.resolve(run));
  return path.basename(folder) === CHECKPOINTS ? path.dirname(folder) : folder;
}

/**
 * The checkpoint to go on from: the newest of a run folder that is whole; a file is itself.
 * @throws FileFormatError if there is none; it says what is wrong with those that there are
 */
export async function findCheckpoint(run: string): Promise<Checkpoint> {
  const parent = await runFolderOf(run);
  if (parent !== run) {
    const found = await readCheckpoint(run);
    const later = await laterThan(found.state.step, parent);
    return { ...found, path: run, run: parent, skipped: [], later };
  }
  const skipped: FileFormatError[] = [];
  for (const candidate of await checkpointsIn(run)) {
    try {
      const found = await readCheckpoint(candidate.path);
      const later = skipped.map((error) => error.path);
      return { ...found, path: candidate.path, run, skipped, later };
    } catch (error) {
      if (!(error instanceof FileFormatError)) throw error;
      skipped.push(error);
    }
  }
  const reasons = skipped.map(({ message }) => `\n  ${message}`).join('');
  throw new FileFormatError(
    run,
    `there is no checkpoint to go on from in ${path.join(run, CHECKPOINTS)}${reasons === '' ? '' : `:${reasons}`}` +
      (await otherWayOn(run)),
  );
}

/** The last and best epochs are checkpoints too, and may be whole where the others are not. */
async function otherWayOn(run: string): Promise<string> {
  for (const name of [LAST, BEST]) {
    const file = path.join(run, name);
    const whole = await readCheckpoint(file).catch((error: unknown) => {
      if (error instanceof FileFormatError) return undefined;
      throw error;
    });
    if (whole) {
      const { step } = whole.state;
      return `\n${file} is whole, from step ${step}. Go on from there: alexnet train --resume ${file}`;
    }
  }
  return '';
}

async function laterThan(step: number, run: string): Promise<string[]> {
  const found = await checkpointsIn(run);
  return found.filter((each) => each.step > step).map((each) => each.path);
}

export interface OpenRunOptions extends RunLockOptions {
  /** The caller's, who keeps it. Default: one is taken until the folder is closed. */
  readonly lock: RunLock | undefined;
  /** Of this folder or of another one; checkpoints up to it are this training's own. */
  readonly resumed: Pick<Checkpoint, 'state' | 'later'> | undefined;
}

export class RunFolder {
  readonly folder: string;
  readonly #keep: number;
  #lock: RunLock | undefined;
  #isOwnLock = false;
  /** Checkpoints of this training, the oldest first. */
  #own: readonly string[] = [];

  /** @param options.keep  checkpoints that stay, 1 or more */
  constructor(folder: string, { keep }: { readonly keep: number }) {
    this.folder = folder;
    this.#keep = keep;
  }

  /**
   * Makes the folder, locks it, and removes what a killed process left half-written.
   * @throws InUseError if another process trains there; FileFormatError if one has since the checkpoint was found;
   *   FileWriteError
   */
  async open({ lock, resumed, ...options }: OpenRunOptions): Promise<void> {
    this.#isOwnLock = lock === undefined;
    this.#lock = lock ?? (await RunLock.take(this.folder, options));
    if (path.resolve(this.#lock.folder) !== path.resolve(this.folder)) {
      throw new ArgumentError(`Trainer: the lock is of ${this.#lock.folder}, out is ${this.folder}.`);
    }
    const folder = path.join(this.folder, CHECKPOINTS);
    try {
      await mkdir(folder, { recursive: true });
      for (const name of await readdir(folder)) {
        if (UNFINISHED.test(name)) await rm(path.join(folder, name), { force: true });
      }
    } catch (cause) {
      throw new FileWriteError(this.folder, `the folder cannot be made: ${(cause as Error).message}`, {
        cause,
      });
    }
    this.#own = resumed ? await this.#upTo(resumed) : [];
  }

  async #upTo({ state: { step }, later }: Pick<Checkpoint, 'state' | 'later'>): Promise<string[]> {
    const found = await checkpointsIn(this.folder);
    const known = new Set(later.map((each) => path.resolve(each)));
    const news = found.find((each) => each.step > step && !known.has(path.resolve(each.path)));
    if (news) {
      throw new FileFormatError(
        news.path,
        `another process has gone on with this training since the checkpoint of step ${step} was found. Resume again.`,
      );
    }
    return found
      .filter((each) => each.step <= step)
      .map((each) => each.path)
      .reverse();
  }

  /** @throws InUseError if the folder is another process's now */
  async check(): Promise<void> {
    await this.#lock?.check();
  }

  async close(): Promise<void> {
    if (this.#isOwnLock) await this.#lock?.[Symbol.asyncDispose]();
  }

  /** Where the checkpoint after a step goes; names sort by age. */
  checkpointPath(step: number): string {
    return path.join(this.folder, CHECKPOINTS, `step-${String(step).padStart(8, '0')}.safetensors`);
  }

  /** A checkpoint was written: older ones than are to stay go, and those of an earlier training in this folder. */
  async wrote(checkpoint: string): Promise<void> {
    this.#own = [...this.#own.filter((each) => each !== checkpoint), checkpoint].slice(-this.#keep);
    for (const { path: found } of await checkpointsIn(this.folder)) {
      // One that cannot be removed costs room, and nothing else.
      if (!this.#own.includes(found)) await rm(found, { force: true }).catch(() => undefined);
    }
  }

  /** Gives a checkpoint of this folder the names it ought to have. */
  async restoreNames(checkpoint: string, kinds: readonly ('best' | 'last')[]): Promise<void> {
    if (!this.#own.includes(checkpoint)) return;
    for (const kind of kinds) await this.name(checkpoint, kind);
  }

  /** Makes a checkpoint the run's best or last one too. @returns that path */
  async name(checkpoint: string, kind: 'best' | 'last'): Promise<string> {
    const target = path.join(this.folder, kind === 'best' ? BEST : LAST);
    await replaceWithCopy(checkpoint, target);
    return target;
  }
}

/** A second name for the same bytes is as good as a copy: files are replaced, never written into. */
async function replaceWithCopy(from: string, to: string): Promise<void> {
  const temporary = `${to}.${process.pid}.tmp`;
  try {
    await rm(temporary, { force: true });
    // Not every file system has hard links.
    await link(from, temporary).catch(() => copyFile(from, temporary));
    await rename(temporary, to);
    // Where both are names of the same bytes already, renaming does nothing, by POSIX.
    await rm(temporary, { force: true });
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new FileWriteError(to, `it cannot be written: ${(cause as Error).message}`, { cause });
  }
}
