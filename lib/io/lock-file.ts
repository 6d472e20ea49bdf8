// A lock that one process holds: a file that names it, and that it touches every few seconds.
// Invariant: the lock of a process that lives is never taken away; of all that want the lock of a dead one, one gets it.
import { randomUUID } from 'node:crypto';
import { link, open, readdir, readFile, rename, rm, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { AbortedError, FileFormatError, FileWriteError, InUseError } from '../errors.js';
import { currentProcess, livenessOf, type ProcessIdentity } from './process-identity.js';

/** Who holds a lock, as its file says. */
export interface LockOwner extends ProcessIdentity {
  /** Names one taking of a lock. */
  readonly token: string;
  /** ISO 8601. */
  readonly since: string;
}

export interface LockOptions {
  /** Ends the wait for the sign of life of a process that cannot be seen from here. */
  readonly signal?: AbortSignal | undefined;
  /** Told of such a wait. */
  readonly onWait?: (owner: LockOwner, waitMs: number) => void;
  /** Time between two signs of life. Default 5,000. */
  readonly beatMs?: number;
  /** Silence after which a process that cannot be seen from here counts as ended. Default 30,000. */
  readonly silenceMs?: number;
}

export class LockFile {
  readonly path: string;
  readonly #owner: LockOwner;
  readonly #handle: FileHandle;
  readonly #beat: NodeJS.Timeout;
  #released = false;

  private constructor(
    file: string,
    { owner, handle, beatMs }: { owner: LockOwner; handle: FileHandle; beatMs: number },
  ) {
    this.path = file;
    this.#owner = owner;
    this.#handle = handle;
    this.#beat = setInterval(() => {
      const now = new Date();
      // By its handle: another process's file under the same name is not touched.
      handle.utimes(now, now).catch(() => {});
    }, beatMs).unref();
  }

  /**
   * Takes the lock, also one that a process left that has ended. Whether that is so is seen at once where it ran in
   * the same system; the file of a process of another machine or container is watched for signs of life.
   * @throws InUseError if its process lives; FileFormatError if the file names no process; FileWriteError; AbortedError
   */
  static async take(file: string, options: LockOptions = {}): Promise<LockFile> {
    const { beatMs = 5000 } = options;
    const owner = { ...currentProcess(), token: randomUUID(), since: new Date().toISOString() };
    for (;;) {
      const handle = (await createWhole(file, owner)) ?? (await inherit(file, owner, options));
      if (!handle) continue;
      await tidy(file);
      return new LockFile(file, { owner, handle, beatMs });
    }
  }

  /** @throws InUseError if another process took this one for dead, e.g. because it was suspended for long */
  async check(): Promise<void> {
    const owner = await readOwner(this.path);
    if (owner && owner.token !== this.#owner.token) throw inUse(this.path, owner);
  }

  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    clearInterval(this.#beat);
    try {
      const owner = await readOwner(this.path);
      if (owner?.token === this.#owner.token) await rm(this.path, { force: true });
    } catch {
      // A file that stays names a process that will have ended.
    }
    await this.#handle.close();
  }
}

/** Takes the place of an owner that has ended. @returns undefined if it is to be tried again */
async function inherit(
  file: string,
  owner: LockOwner,
  options: LockOptions,
): Promise<FileHandle | undefined> {
  const first = await readOwner(file);
  if (!first) return undefined;
  let last = { file, owner: first };
  // A process may have been killed between becoming the heir and moving in.
  for (let heir: LockOwner | undefined; ; last = { file: heirOf(file, last.owner), owner: heir }) {
    heir = await readOwner(heirOf(file, last.owner));
    if (!heir) break;
  }
  if (!(await hasEnded(last, options))) throw inUse(file, last.owner);
  const heir = heirOf(file, last.owner);
  // There is one heir of each owner, as there is one file of a name.
  const handle = await createWhole(heir, owner);
  if (!handle) return undefined;
  // What was read above may have been overtaken: then the file is somebody's who has moved in.
  if ((await readOwner(file))?.token !== first.token) {
    await handle.close();
    await rm(heir, { force: true });
    return undefined;
  }
  await attempt(file, rename(heir, file));
  return handle;
}

async function hasEnded(
  { file, owner }: { readonly file: string; readonly owner: LockOwner },
  { signal, onWait, beatMs = 5000, silenceMs = 30_000 }: LockOptions,
): Promise<boolean> {
  const liveness = livenessOf(owner);
  if (liveness !== 'unknown') return liveness === 'ended';
  onWait?.(owner, silenceMs);
  const touched = await touchedAt(file);
  const end = performance.now() + silenceMs;
  while (performance.now() < end) {
    await sleep(beatMs / 5, undefined, { signal }).catch((cause: unknown) => {
      throw new AbortedError(`Waiting for ${file} was stopped.`, { cause });
    });
    if ((await touchedAt(file)) !== touched) return false;
  }
  return true;
}

/** Opened before it is asked: what other machines wrote is seen only then on some network disks. */
async function touchedAt(file: string): Promise<number | undefined> {
  const handle = await open(file, 'r').catch(() => undefined);
  try {
    return (await handle?.stat())?.mtimeMs;
  } finally {
    await handle?.close();
  }
}

/**
 * Creates a file that is whole from its first moment on, and on the disk.
 * @returns its handle; undefined if there is such a file
 */
async function createWhole(file: string, owner: LockOwner): Promise<FileHandle | undefined> {
  const text = `${JSON.stringify(owner)}\n`;
  const temporary = `${file}.${randomUUID()}.tmp`;
  const handle = await attempt(file, open(temporary, 'wx'));
  try {
    await attempt(file, handle.writeFile(text));
    await attempt(file, handle.sync());
    try {
      await link(temporary, file);
      return handle;
    } catch (error) {
      await handle.close();
      const { code } = error as NodeJS.ErrnoException;
      // ENOENT: the temporary file was tidied away by a process that has just got the lock.
      if (code === 'EEXIST' || code === 'ENOENT') return undefined;
      return await createDirectly(file, text);
    }
  } catch (error) {
    await handle.close();
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Where there are no hard links. */
async function createDirectly(file: string, text: string): Promise<FileHandle | undefined> {
  const handle = await open(file, 'wx').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw unwritable(file, error);
  });
  if (!handle) return undefined;
  await attempt(file, handle.writeFile(text));
  await attempt(file, handle.sync());
  return handle;
}

/** @returns undefined if there is no such file. @throws FileFormatError if it names no process */
async function readOwner(file: string): Promise<LockOwner | undefined> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FileFormatError(file, `it cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    const found = JSON.parse(text) as Partial<LockOwner>;
    const { pid, host, token } = found;
    if (Number.isInteger(pid) && typeof host === 'string' && typeof token === 'string') {
      return { started: '', namespace: '', since: '', ...found } as LockOwner;
    }
  } catch {
    // As below.
  }
  throw new FileFormatError(file, 'it does not say which process holds this lock. If none does, delete it.');
}

function heirOf(file: string, { token }: LockOwner): string {
  return `${file}.${token}`;
}

/** Removes what killed processes left beside the lock. */
async function tidy(file: string): Promise<void> {
  const folder = path.dirname(file);
  for (const name of await readdir(folder).catch(() => [])) {
    const isOld = name.startsWith(`${path.basename(file)}.`);
    if (isOld) await rm(path.join(folder, name), { force: true }).catch(() => {});
  }
}

async function attempt<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw unwritable(file, cause as Error);
  }
}

function unwritable(file: string, cause: Error): FileWriteError {
  return new FileWriteError(file, `it cannot be written: ${cause.message}`, { cause });
}

function inUse(file: string, owner: LockOwner): InUseError {
  const { pid, host, since } = owner;
  const who = pid === process.pid && host === currentProcess().host ? 'this process' : `process ${pid}`;
  const far = livenessOf(owner) === 'unknown' ? ` If it has ended all the same, delete ${file}.` : '';
  return new InUseError(
    path.dirname(file),
    `${who} on ${host} has been writing here since ${since}. Wait for it, stop it, or take another folder.${far}`,
    { pid, host },
  );
}
