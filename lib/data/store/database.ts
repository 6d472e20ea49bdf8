// The LMDB file of a store: opened, read and checked.
// Invariant: LMDB sees no file that is shorter than it claims to be: reading past the end of a mapping ends the process.

import { closeSync, fstatSync, openSync, readSync, truncateSync, writeSync } from 'node:fs';
import type { Database, RootDatabase } from 'lmdb';
import { FileFormatError } from '../../errors.js';
import { loadLmdb } from '../lmdb.js';
import { ANEW, copyOf, dataFile, fromJson, META, unseal } from './layout.js';
import { fromRow, type ManifestFile, type ManifestRow } from './manifest-files.js';

/** Files in one value of the manifest. */
export const FILES_A_CHUNK = 1024;

/** LMDB's meta page, lib/lmdb/mdb.c: where its fields are. */
const MAGIC = 0xbeefc0de;
export const META_FIELDS = {
  ...{ magic: 24, pageSize: 48, freeDatabase: 48, mainDatabase: 96, lastPage: 144, transaction: 152 },
  end: 160,
} as const;

export interface StoreDatabase {
  readonly root: RootDatabase<Buffer>;
  /** Position in the manifest -> sealed pixels. */
  readonly records: Database<Buffer, number>;
  /** Position in the manifest -> sealed reason. */
  readonly failures: Database<Buffer, number>;
  readonly meta: Database<Buffer, string>;
}

export interface OpenOptions {
  readonly readOnly: boolean;
  /** The most that the file may grow to; of address space, not of memory. */
  readonly mapBytes?: number;
}

/** @throws FileFormatError if it is not a database, or cannot be opened; AddonError if LMDB does not load */
export function openDatabase(folder: string, { readOnly, mapBytes }: OpenOptions): StoreDatabase {
  const path = dataFile(folder);
  const { open } = loadLmdb();
  try {
    const root = open<Buffer, string>({
      path,
      noSubdir: true,
      readOnly,
      encoding: 'binary',
      maxDbs: 4,
      // A commit is on the disk when it returns.
      overlappingSync: false,
      ...(mapBytes !== undefined && { mapSize: mapBytes }),
    });
    return {
      root,
      records: root.openDB<Buffer, number>('records', { keyEncoding: 'uint32', encoding: 'binary' }),
      failures: root.openDB<Buffer, number>('failures', { keyEncoding: 'uint32', encoding: 'binary' }),
      meta: root.openDB<Buffer, string>('meta', { encoding: 'binary' }),
    };
  } catch (cause) {
    throw new FileFormatError(path, `the store cannot be opened (${(cause as Error).message}). ${ANEW}`, {
      cause,
    });
  }
}

/**
 * Reads what LMDB has noted at the head of its file.
 * @returns the size of the file, and the least that it must have; undefined if there is nothing in the file yet
 * @throws FileFormatError if it is not LMDB's
 */
export function measureDatabase(folder: string): { bytes: number; needed: number } | undefined {
  const path = dataFile(folder);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FileFormatError(path, `it cannot be read (${(error as Error).message})`, { cause: error });
  }
  try {
    const bytes = fstatSync(file).size;
    const head = readMetaPage(file, 0);
    const pageSize = head.getUint32(META_FIELDS.pageSize, true);
    // LMDB writes both meta pages before anything else, in one go.
    if (bytes === 0 || (bytes < 2 * pageSize && isMetaPage(head))) return undefined;
    const { meta } = currentMetaPage(folder, file);
    const lastPage = meta.getBigUint64(META_FIELDS.lastPage, true);
    return { bytes, needed: (Number(lastPage) + 1) * pageSize };
  } finally {
    closeSync(file);
  }
}

/**
 * The newer of the two meta pages of an open data file.
 * @throws FileFormatError if there is none
 */
export function currentMetaPage(folder: string, file: number): { meta: DataView; pageSize: number } {
  const head = readMetaPage(file, 0);
  const pageSize = head.getUint32(META_FIELDS.pageSize, true);
  const isPlausible = isMetaPage(head) && pageSize >= 512 && pageSize <= 2 ** 16;
  const pages = isPlausible ? [head, readMetaPage(file, pageSize)].filter(isMetaPage) : [];
  if (pages.length === 0) {
    throw new FileFormatError(dataFile(folder), `it is damaged, or not of a store. ${ANEW}`);
  }
  return { meta: pages.reduce((a, b) => (transactionOf(b) > transactionOf(a) ? b : a)), pageSize };
}

const ZEROS = new Uint8Array(2 ** 20);

/**
 * Makes the file so long that `bytes` more can be written without asking the system for space: where LMDB itself finds
 * the disk full, it may end the process. Appends only, so that two processes cannot harm each other.
 * @throws what the system says, if there is no space
 */
export function reserve(folder: string, bytes: number): void {
  const target = (measureDatabase(folder)?.needed ?? 0) + bytes;
  const file = openSync(dataFile(folder), 'a');
  try {
    for (;;) {
      const missing = target - fstatSync(file).size;
      if (missing <= 0) return;
      writeSync(file, ZEROS.subarray(0, Math.min(missing, ZEROS.length)));
    }
  } finally {
    closeSync(file);
  }
}

/** Gives back what {@link reserve} took and nothing was written to. Only for the process that owns the store. */
export function giveBack(folder: string): void {
  const found = measureDatabase(folder);
  if (found && found.bytes > found.needed) truncateSync(dataFile(folder), found.needed);
}

function readMetaPage(file: number, at: number): DataView {
  const page = new Uint8Array(META_FIELDS.end);
  readSync(file, page, 0, page.length, at);
  return new DataView(page.buffer);
}

function isMetaPage(page: DataView): boolean {
  return page.getUint32(META_FIELDS.magic, true) === MAGIC;
}

function transactionOf(page: DataView): bigint {
  return page.getBigUint64(META_FIELDS.transaction, true);
}

/**
 * A checked value of `meta`; a view that is good until the next one is read.
 * @throws FileFormatError if it is not there, or damaged
 */
export function readMeta(database: StoreDatabase, folder: string, name: string): Uint8Array {
  const payload = peekMeta(database, folder, name);
  if (payload) return payload;
  throw new FileFormatError(dataFile(folder), `the store is damaged: it has no ${name}. ${ANEW}`);
}

/** As {@link readMeta}, but undefined if it is not there. */
export function peekMeta(database: StoreDatabase, folder: string, name: string): Uint8Array | undefined {
  return guarded(folder, name, () => {
    const value = database.meta.getBinaryFast(name);
    return value && opened(value, folder, name);
  });
}

/** @throws FileFormatError if `value` is not what was sealed */
export function opened(value: Uint8Array, folder: string, what: string | (() => string)): Uint8Array {
  const payload = unseal(value);
  if (payload) return payload;
  throw new FileFormatError(
    dataFile(folder),
    `the store is damaged: ${typeof what === 'string' ? what : what()} does not match its checksum. Check the disk. ${ANEW}`,
  );
}

/** LMDB's own failures become this package's. */
export function guarded<T>(folder: string, what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof FileFormatError) throw cause;
    const why = `the store is damaged: ${what} cannot be read (${(cause as Error).message}). ${ANEW}`;
    throw new FileFormatError(dataFile(folder), why, { cause });
  }
}

/**
 * Heights and widths of pictures that are no squares, in turn: [2 * files].
 * @param options.done  files that are in the store; the others have no sizes yet
 */
export function readSizes(
  database: StoreDatabase,
  folder: string,
  { files, done }: { readonly files: number; readonly done: number },
): Uint16Array {
  const sizes = new Uint16Array(2 * files);
  for (let at = 0, chunk = 0; at < Math.min(files, done); at += FILES_A_CHUNK, chunk++) {
    sizes.set(new Uint16Array(copyOf(readMeta(database, folder, META.sizes(chunk)))), 2 * at);
  }
  return sizes;
}

/** Files of a manifest, from the database; one value of them at a time is in memory. */
export function* storedFiles(
  database: StoreDatabase,
  folder: string,
  { files }: { readonly files: number },
): Generator<ManifestFile, void> {
  for (let at = 0, chunk = 0; at < files; at += FILES_A_CHUNK, chunk++) {
    yield* readFiles(database, folder, META.files(chunk));
  }
}

/** One value of the manifest. */
export function readFiles(database: StoreDatabase, folder: string, name: string): ManifestFile[] {
  return (fromJson(readMeta(database, folder, name)) as ManifestRow[]).map(fromRow);
}
