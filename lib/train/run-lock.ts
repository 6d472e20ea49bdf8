// One training at a time writes to a run folder.
// Invariant: whoever has the lock may write there until it is released or check throws.
import { mkdir, rmdir } from 'node:fs/promises';
import path from 'node:path';
import { FileWriteError } from '../errors.js';
import { LockFile, type LockOptions, type LockOwner } from '../io/lock-file.js';

const LOCK = 'training.lock';

export interface RunLockOptions extends Pick<LockOptions, 'signal'> {
  /** Told, in words, of a wait for the sign of life of a process that cannot be seen from here. */
  readonly onWait?: (message: string) => void;
}

/** A run folder that is this process's to write to. */
export class RunLock implements AsyncDisposable {
  readonly folder: string;
  readonly #file: LockFile;
  /** Whether there was no such folder. */
  readonly #isNew: boolean;

  private constructor(folder: string, { file, isNew }: { readonly file: LockFile; readonly isNew: boolean }) {
    this.folder = folder;
    this.#file = file;
    this.#isNew = isNew;
  }

  /**
   * Makes the folder if there is none. A lock that a killed process left is taken over; one of another machine or
   * container only after half a minute without a sign of life.
   * @throws InUseError that names the process which trains there; FileWriteError
   */
  static async take(folder: string, { signal, onWait }: RunLockOptions = {}): Promise<RunLock> {
    let made: string | undefined;
    try {
      made = await mkdir(folder, { recursive: true });
    } catch (cause) {
      throw new FileWriteError(folder, `the folder cannot be made: ${(cause as Error).message}`, { cause });
    }
    const file = await LockFile.take(path.join(folder, LOCK), {
      signal,
      onWait: (owner, waitMs) => onWait?.(waiting(folder, { owner, waitMs })),
    });
    return new RunLock(folder, { file, isNew: made !== undefined });
  }

  /** @throws InUseError if another process has taken over, because this one gave no sign of life for long */
  async check(): Promise<void> {
    await this.#file.check();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.release();
    // It stays unless it is empty.
    if (this.#isNew) await rmdir(this.folder).catch(() => {});
  }
}

function waiting(folder: string, { owner, waitMs }: { readonly owner: LockOwner; readonly waitMs: number }) {
  const { pid, host, since } = owner;
  return (
    `process ${pid} on ${host} has been training in ${folder} since ${since}; ` +
    `waiting ${Math.round(waitMs / 1000)} s for a sign that it still does`
  );
}
