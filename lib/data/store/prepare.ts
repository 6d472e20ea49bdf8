// Decodes an image folder once, into a store that trainings read from.
// Invariant: however often it is stopped and started again, the store is the one that an undisturbed run would make.

import { randomUUID } from 'node:crypto';
import { mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { ArgumentError, DataError, DecodeError, FileFormatError, FileWriteError } from '../../errors.js';
import { throwIfAborted } from '../abort.js';
import { DecodePool } from '../decode-pool.js';
import { DEFAULT_MAX_PIXELS, reasonOf } from '../decode.js';
import { scanImageFolder, type ImageFolder } from '../image-folder.js';
import { DEFAULT_SIDE, type Framing } from '../resize.js';
import {
  dataFile,
  describeFile,
  failuresFile,
  readDescription,
  writeDescription,
  writeText,
  type Progress,
} from './layout.js';
import { readManifest, STORE_SPLITS, type Manifest, type StoreSplit } from './manifest.js';
import { ImageStore } from './image-store.js';
import { sealTree } from './tree-pages.js';
import { openWriterThread, type Writer } from './writer-thread.js';
import { unlike, type Decoded, type WriterOptions, type WrittenStore } from './writer.js';

export interface PrepareOptions {
  /** Folder of the store; made if it is not there. */
  readonly out: string;
  /** What the shorter side is scaled to, in pixels. Default 256. */
  readonly side?: number;
  /** What is kept of a scaled picture: the central square ('centre', default), or all of it ('full'). */
  readonly framing?: Framing;
  /** Number of decoding threads. Default: as many as the process may run at once. */
  readonly workers?: number;
  /** Pictures of more pixels than this count as unreadable. Default 64,000,000. */
  readonly maxPixels?: number;
  /** Whether a picture that cannot be decoded ends the work instead of being left out. Default false. */
  readonly strict?: boolean;
  /** Whether a store that is there already is replaced. Default false. */
  readonly overwrite?: boolean;
  /** Pictures that are committed together. Default: as many as fill 24 MiB, at most 256. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called as pictures are committed, and once at the start. */
  readonly onProgress?: (progress: PrepareProgress) => void;
}

export interface PrepareProgress {
  /** Files that are done, those of earlier runs included. */
  readonly done: number;
  /** Files to be done. */
  readonly total: number;
  /** Files among `done` that could not be decoded. */
  readonly failures: number;
}

/** What became of `prepareStore`. */
export interface PreparedStore {
  /** 'written', or 'complete': it was so before, and nothing was done. */
  readonly status: 'written' | 'complete';
  /** Stored pictures of each split; undefined for a split that the folder does not have. */
  readonly pictures: Readonly<Partial<Record<StoreSplit, number>>>;
  readonly failures: readonly StoreFailure[];
  /** Size of the store, in bytes. */
  readonly bytes: number;
}

/** A picture that was left out of a store. */
export interface StoreFailure {
  /** From the image folder, with slashes. */
  readonly path: string;
  readonly reason: string;
}

const BATCH_BYTES = 24 * 2 ** 20;
const MOST_BATCH = 256;

/** Batches that are decoded or wait, beside the one that is written. */
const BATCHES_AHEAD = 2;

/** Tokens of stores that this process is writing. */
const writing = new Set<string>();

/**
 * Decodes every picture of an image folder (all splits), scales and cuts it to a square as
 * `resizeToSquare` does, and keeps the squares in a store with their labels, names, checksums, and the mean and colour
 * statistics of the training pictures. Needs side * side * 3 bytes of disk a picture, rounded up to 4 KiB: 196 KiB at
 * 256. With the framing 'full', pictures are scaled but not cut, and the statistics are those of the central squares.
 *
 * Stopped at any point, even by SIGKILL, the same call goes on where the last commit was. On a complete store it
 * compares the folder's files (names, sizes, times) with those the store was made of, and does nothing.
 * @param pictures  a folder, scanned by `scanImageFolder`; or what another scan has found
 * @throws DataError if the folder cannot be used, has changed since the store was begun, or the store is being written by
 * another process
 * @throws ArgumentError if an option is out of range, or not what the store was begun with
 * @throws FileFormatError if `out` is something else than a store, or a damaged one
 * @throws FileWriteError if the disk is full; what was committed stays
 * @throws DecodeError in strict mode
 * @throws AbortedError
 */
export function prepareStore(
  pictures: string | ImageFolder,
  options: PrepareOptions,
): Promise<PreparedStore> {
  return prepareWith(pictures, options, openWriterThread);
}

/** {@link prepareStore} with a writer of the caller's. */
export async function prepareWith(
  pictures: string | ImageFolder,
  options: PrepareOptions,
  openWriter: (options: WriterOptions) => Promise<Writer>,
): Promise<PreparedStore> {
  const { out, side = DEFAULT_SIDE, maxPixels = DEFAULT_MAX_PIXELS, overwrite = false } = options;
  const { framing = 'centre' } = options;
  const { batchSize = Math.max(1, Math.min(MOST_BATCH, Math.floor(BATCH_BYTES / (side * side * 3)))) } =
    options;
  const { workers = availableParallelism() } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new ArgumentError(`batchSize is ${batchSize}, expected a positive integer`);
  }
  // Checks the other options; starts no thread before there is something to do.
  const pool = new DecodePool({ workers, side, framing, maxPixels });
  const token = randomUUID();
  writing.add(token);
  try {
    const folder = typeof pictures === 'string' ? await scanImageFolder(pictures) : pictures;
    const { dir } = folder;
    await checkApart(dir, out);
    const manifest = await readManifest(folder, { side, framing, maxPixels });
    const complete = await checkOut(out, { manifest, overwrite });
    if (complete) return complete;
    await beginFolder(out, { manifest, overwrite });
    const writer = await openWriter({ folder: out, manifest, token, ownTokens: [...writing], overwrite });
    let written: WrittenStore;
    try {
      await decodeInto(writer, { ...options, dir, manifest, pool, batchSize });
      written = await writer.finish();
    } finally {
      await writer.close();
    }
    return await describeResult(out, { manifest, written });
  } finally {
    writing.delete(token);
    await pool.close();
  }
}

/** A store within the image folder would be taken for one of its classes. */
async function checkApart(dir: string, out: string): Promise<void> {
  const [from, to] = await Promise.all([real(dir), real(out)]);
  const path = relative(from, to);
  if (path === '' || !(path === '..' || path.startsWith(`..${sep}`) || path.startsWith(sep))) {
    throw new ArgumentError(`${out}: the store cannot be in the folder of the pictures; give another place`);
  }
}

/** The path without links, as far as it is there. */
async function real(path: string): Promise<string> {
  const whole = resolve(path);
  const found = await realpath(whole).catch(() => undefined);
  if (found !== undefined || dirname(whole) === whole) return found ?? whole;
  return join(await real(dirname(whole)), basename(whole));
}

/**
 * What is at the store's place.
 * @returns what `prepareStore` does, if the store is complete and of the same pictures
 */
async function checkOut(
  out: string,
  { manifest, overwrite }: { readonly manifest: Manifest; readonly overwrite: boolean },
): Promise<PreparedStore | undefined> {
  const entries = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [] as string[];
    const why = error.code === 'ENOTDIR' ? 'it is a file' : `it cannot be read (${error.message})`;
    throw new FileFormatError(out, `${why}; give a new folder for the store`, { cause: error });
  });
  const ours = [describeFile(out), dataFile(out)].some((file) => entries.includes(basename(file)));
  if (entries.length > 0 && !ours) {
    throw new FileFormatError(out, 'there is something else in the folder; give a new or empty one');
  }
  if (!ours || overwrite) return undefined;
  const description = await readDescription(out);
  if (description?.state !== 'complete') return undefined;
  const store = await ImageStore.open(out);
  try {
    if (store.manifest.digest === manifest.head.digest) return resultOf(store);
    throw unlike(out, { head: store.manifest, files: store.files() }, manifest);
  } finally {
    await store.close();
  }
}

async function beginFolder(
  out: string,
  { manifest: { head }, overwrite }: { readonly manifest: Manifest; readonly overwrite: boolean },
): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
  } catch (cause) {
    throw new FileWriteError(out, `the folder cannot be made: ${(cause as Error).message}`, { cause });
  }
  if (!overwrite && (await readDescription(out))) return;
  await writeDescription(out, {
    state: 'unfinished',
    side: head.side,
    framing: head.framing,
    classes: head.classNames.length,
    files: head.files,
  });
}

interface Work extends PrepareOptions {
  readonly dir: string;
  readonly manifest: Manifest;
  readonly pool: DecodePool;
  readonly batchSize: number;
}

/** Batches are decoded ahead of the one that is written, and committed in order. */
async function decodeInto(writer: Writer, work: Work): Promise<void> {
  const { manifest, batchSize, onProgress, signal, strict = false } = work;
  const total = manifest.files.length;
  const report = ({ done, failures }: Progress): void => onProgress?.({ done, total, failures });
  if (strict && writer.progress.failures > 0) {
    throw new DataError(
      `${work.out}: ${writer.progress.failures} pictures were left out by a run that was not strict. ` +
        'Replace the store with --overwrite, or go on without --strict',
    );
  }
  report(writer.progress);
  const ahead: Promise<Decoded[]>[] = [];
  for (let next = writer.progress.done; next < total || ahead.length > 0;) {
    for (; next < total && ahead.length <= BATCHES_AHEAD; next += batchSize) {
      const batch = decodeBatch(work, next, Math.min(next + batchSize, total));
      batch.catch(() => {}); // reported when it is awaited
      ahead.push(batch);
    }
    const batch = await ahead.shift()!;
    throwIfAborted(signal, 'preparing pictures');
    report(await writer.commit(batch));
  }
}

async function decodeBatch(work: Work, start: number, end: number): Promise<Decoded[]> {
  const { dir, manifest, pool, signal, strict } = work;
  const paths = manifest.files.paths.slice(start, end).map((path) => join(dir, path));
  return (await pool.decode(paths, { signal })).map((result) => {
    if (!(result instanceof DecodeError)) return result;
    if (strict) throw result;
    return { reason: reasonOf(result) };
  });
}

/** The marks of a complete store, and what the caller is told. */
async function describeResult(
  out: string,
  { manifest, written }: { readonly manifest: Manifest; readonly written: WrittenStore },
): Promise<PreparedStore> {
  const { head, files } = manifest;
  const { failures, digest } = written;
  const failed = failures.map(({ position, reason }) => ({ path: files.paths.at(position)!, reason }));
  await sealTree(out);
  const { size } = await stat(dataFile(out));
  if (failed.length === 0) await rm(failuresFile(out), { force: true });
  else await writeText(failuresFile(out), JSON.stringify(failed, null, 2));
  await writeDescription(out, {
    state: 'complete',
    side: head.side,
    framing: head.framing,
    classes: head.classNames.length,
    files: head.files,
    bytes: size,
    failures: failed.length,
    digest,
  });
  const store = await ImageStore.open(out);
  try {
    return { ...resultOf(store), status: 'written' };
  } finally {
    await store.close();
  }
}

function resultOf(store: ImageStore): PreparedStore {
  const pictures: Partial<Record<StoreSplit, number>> = {};
  for (const split of STORE_SPLITS) {
    const count = store.count(split);
    if (count !== undefined) pictures[split] = count;
  }
  return { status: 'complete', pictures, failures: store.failures, bytes: store.bytes };
}
