// The folder of a training: RUN/last.safetensors and RUN/best.safetensors.
// Invariant: each file is whole at any moment; a new one replaces the old in one step.
import { access, copyFile, link, mkdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { FileFormatError, FileWriteError } from '../errors.js';
import { saveModel, type Model } from '../models/index.js';

export const LAST = 'last.safetensors';
export const BEST = 'best.safetensors';

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
 * @throws FileFormatError if there is nothing at `run`, or a folder without weights
 */
export async function findWeights(run: string): Promise<string> {
  const found = await stat(run).catch((cause: unknown) => {
    throw new FileFormatError(
      run,
      'there is no such folder or file; give the folder of a training, or its weights',
      {
        cause,
      },
    );
  });
  if (!found.isDirectory()) return run;
  const [weights] = await weightsIn(run);
  if (weights === undefined) {
    throw new FileFormatError(
      run,
      `the folder has neither ${BEST} nor ${LAST}; they are written at the end of the first epoch of a training`,
    );
  }
  return weights;
}

export class RunFolder {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Makes the folder.
   * @throws FileWriteError
   */
  async create(): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true });
    } catch (cause) {
      throw new FileWriteError(this.folder, `the folder cannot be made: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** Writes the last weights, and makes them the best if they are. @returns the paths that were written */
  async save(
    model: Model,
    options: { readonly best: boolean; readonly notes: Readonly<Record<string, unknown>> },
  ): Promise<{ readonly last: string; readonly best: string | undefined }> {
    const last = path.join(this.folder, LAST);
    await saveModel(model, last, { notes: options.notes });
    if (!options.best) return { last, best: undefined };
    const best = path.join(this.folder, BEST);
    await replaceWithCopy(last, best);
    return { last, best };
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
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new FileWriteError(to, `it cannot be written: ${(cause as Error).message}`, { cause });
  }
}
