// A part of a picture cache: an LMDB file that one process writes, seals, and that is only read from then on.
// Invariant: LMDB opens a file that was there before only if every page of its tree matches its checksum; so a flipped
// bit costs the pictures of that file, never the process.

import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { FileFormatError } from '../errors.js';
import { loadLmdb } from './lmdb.js';
import { giveBack, measureDatabase, reserve } from './store/database.js';
import { dataFile, unseal } from './store/layout.js';
import { isAlive, thisProcess, type Owner } from './store/owner.js';
import { checkTree, isTreeSealed, sealTree } from './store/tree-pages.js';

/** segment_TOKEN_PID_START: of the process that writes it; the start has spaces and dashes. */
const NAME = /^segment_([0-9a-f-]+)_(\d+)_(.*)$/;

/** Tokens of the segments that this process is writing. */
const writing = new Set<string>();

export interface CacheEntry {
  readonly key: Buffer;
  /** Sealed. */
  readonly value: Buffer;
}

type CacheDatabase = RootDatabase<Buffer, Buffer>;

/** A part that is sealed. */
export class CacheSegment {
  readonly folder: string;
  readonly bytes: number;
  readonly #database: CacheDatabase;

  /** @throws FileFormatError if it is damaged; what LMDB throws if it cannot open it */
  static async open(folder: string): Promise<CacheSegment> {
    await checkTree(folder);
    const { bytes, needed } = measureDatabase(folder)!;
    if (bytes < needed) throw new FileFormatError(dataFile(folder), 'it is truncated');
    return new CacheSegment(folder, bytes);
  }

  private constructor(folder: string, bytes: number) {
    this.folder = folder;
    this.bytes = bytes;
    this.#database = openIn(folder, { readOnly: true });
  }

  /** Brings what is there under these keys into memory, in other threads. */
  prefetch(keys: readonly Buffer[]): Promise<void> {
    return this.#database.prefetch([...keys]);
  }

  /** @returns a view that is good until the next call; undefined if there is none, or a damaged one */
  get(key: Buffer): Uint8Array | undefined {
    return valueIn(this.#database, key);
  }

  async close(): Promise<void> {
    await this.#database.close();
  }
}

/** A part that this process writes. */
export class NewSegment {
  readonly folder: string;
  readonly #token = randomUUID();
  readonly #database: CacheDatabase;

  /** @param options.mapBytes  the most that it may grow to; of address space, not of memory or disk */
  constructor(cache: string, { mapBytes }: { readonly mapBytes: number }) {
    const { pid, started } = thisProcess(this.#token);
    this.folder = join(cache, `segment_${this.#token}_${pid}_${started}`);
    writing.add(this.#token);
    mkdirSync(this.folder);
    this.#database = openIn(this.folder, { readOnly: false, mapSize: mapBytes });
  }

  get bytes(): number {
    return measureDatabase(this.folder)?.needed ?? 0;
  }

  get(key: Buffer): Uint8Array | undefined {
    return valueIn(this.#database, key);
  }

  /** @param options.bytes  what the entries take at most */
  async put(entries: readonly CacheEntry[], { bytes }: { readonly bytes: number }): Promise<void> {
    reserve(this.folder, bytes);
    await Promise.all(entries.map(({ key, value }) => this.#database.put(key, value)));
  }

  /** Ends the writing; to be opened as a {@link CacheSegment} then. */
  async seal(): Promise<void> {
    try {
      await this.#database.close();
      giveBack(this.folder);
      await sealTree(this.folder);
    } finally {
      writing.delete(this.#token);
    }
  }
}

/** Opens the parts that are sealed. Those that are damaged, or whose writer did not live to seal them, are removed. */
export async function openSegments(cache: string): Promise<CacheSegment[]> {
  const segments: CacheSegment[] = [];
  for (const name of (await readdir(cache)).sort()) {
    const owner = ownerIn(name);
    if (!owner) continue;
    const segment = await openOrRemove(join(cache, name), owner);
    if (segment) segments.push(segment);
  }
  return segments;
}

async function openOrRemove(folder: string, owner: Owner): Promise<CacheSegment | undefined> {
  if (await isTreeSealed(folder)) {
    try {
      return await CacheSegment.open(folder);
    } catch (error) {
      // It is not the file that is to blame.
      if (!(error instanceof FileFormatError)) return undefined;
    }
  } else if (isAlive(owner, [...writing])) {
    return undefined;
  }
  await rm(folder, { recursive: true, force: true });
  return undefined;
}

function ownerIn(name: string): Owner | undefined {
  const [, token, pid, started] = NAME.exec(name) ?? [];
  return token === undefined ? undefined : { token, pid: Number(pid), started: started! };
}

function openIn(
  folder: string,
  options: { readonly readOnly: boolean; readonly mapSize?: number },
): CacheDatabase {
  return loadLmdb().open<Buffer, Buffer>({
    path: dataFile(folder),
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    ...options,
  });
}

function valueIn(database: CacheDatabase, key: Buffer): Uint8Array | undefined {
  const value = database.getBinaryFast(key);
  return value && unseal(value);
}
