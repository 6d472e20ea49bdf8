// Decoded pictures kept on the disk, so that a folder is decoded in the first epoch only, and not again in the next run.
// Invariant: a picture is handed out only for the file it was decoded from, unchanged, and if it matches its checksum;
// whatever is wrong with the cache costs time, never a training. It is written in segments, each by one process.

import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ArgumentError, FileWriteError } from '../errors.js';
import { CacheSegment, NewSegment, openSegments, type CacheEntry } from './cache-segment.js';
import { decoderInfo } from './codecs/index.js';
import type { DecodePool } from './decode-pool.js';
import { loadLmdb } from './lmdb.js';
import type { Paths } from './path-list.js';
import { seal } from './store/layout.js';

/** What is left free on the disk, whatever the limit. */
const KEPT_FREE_BYTES = 2 ** 31;

/** What is written together, and what may be on its way to the disk: memory for both is taken at most. */
const WRITE_BYTES = 2 ** 23;
const MOST_WRITING_BYTES = 2 ** 25;

/** LMDB's pages, and its header of a large value. */
const PAGE_BYTES = 4096;
const HEADER_BYTES = 16;

const KEY_BYTES = 16;

/**
 * A process that is killed loses the segment that it was writing. So one is sealed when it is as large as this and as a
 * quarter of those before it; or when so many pictures were found one after the other that the filling seems to be over.
 */
const LEAST_SEGMENT_BYTES = 2 ** 26;
const FOUND_IN_A_ROW = 256;

/** Each picture is looked for in all segments: beyond this many, the smallest are removed. */
const MOST_SEGMENTS = 48;

/** Caches that were not used for so long are removed. */
const STALE_MS = 30 * 24 * 3600 * 1000;

/** Marks the folder of a cache; when it was last written to says when the cache was last used. */
const MARK = 'picture-cache.json';

export interface PictureCacheOptions {
  /** Made if it is not there. For this cache alone. */
  readonly folder: string;
  /** The most that it may take, in bytes. Default: half of the space that is free, and what it has already. */
  readonly maxBytes?: number;
}

/** The folder for a user's caches: $XDG_CACHE_HOME/alexnet, or ~/.cache/alexnet. */
export function userCacheFolder(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'alexnet');
}

/**
 * The folder in `parent` for the pictures of `dir`. Caches beside it that were not used for 30 days are removed.
 * @param parent  e.g. `userCacheFolder()`
 */
export async function pictureCacheFolder(dir: string, parent: string): Promise<string> {
  const name = createHash('sha256').update(resolve(dir)).digest('hex').slice(0, 16);
  for (const other of await readdir(parent).catch(() => [])) {
    const used = await stat(join(parent, other, MARK)).catch(() => undefined);
    if (other !== name && used && Date.now() - used.mtimeMs > STALE_MS) {
      await rm(join(parent, other), { recursive: true, force: true });
    }
  }
  return join(parent, name);
}

/** Decoded squares on the disk, by the files that they are of. Several datasets and processes may share one. */
export class PictureCache {
  readonly folder: string;
  readonly #maxBytes: number;
  readonly #segments: CacheSegment[];
  /** What is being written; undefined while there is nothing to write. */
  #new: NewSegment | undefined;
  #waiting: CacheEntry[] = [];
  /** Of what waits, and of what is being written. */
  #waitingBytes = 0;
  #writingBytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #foundInARow = 0;
  #stopped: string | undefined;
  #closed = false;

  /**
   * Opens a cache, or makes one. What is damaged in it is thrown away.
   * @throws FileWriteError if the folder cannot be made, or the cache not opened
   * @throws ArgumentError if `maxBytes` is negative, or the folder holds something else
   */
  static async open({ folder, maxBytes }: PictureCacheOptions): Promise<PictureCache> {
    if (maxBytes !== undefined && !(maxBytes >= 0)) {
      throw new ArgumentError(`maxBytes is ${maxBytes}, expected 0 or more bytes`);
    }
    await takeFolder(folder);
    try {
      loadLmdb();
      const segments = await fewSegments(await openSegments(folder));
      const most = maxBytes ?? bytesIn(segments) + (await freeBytes(folder)) / 2;
      return new PictureCache(folder, most, segments);
    } catch (cause) {
      throw new FileWriteError(folder, `the cache cannot be opened (${(cause as Error).message})`, { cause });
    }
  }

  private constructor(folder: string, maxBytes: number, segments: CacheSegment[]) {
    this.folder = folder;
    this.#maxBytes = maxBytes;
    this.#segments = segments;
  }

  /** Why nothing more is kept; undefined while there is room. */
  get stopped(): string | undefined {
    return this.#stopped;
  }

  /** For pictures that a pool decodes. */
  async for(pool: DecodePool, paths: Paths): Promise<CachedPictures> {
    const { jimp, wasm, sharp } = await decoderInfo();
    // What decides about the pixels, besides the file.
    const how = [pool.side, pool.framing, pool.maxPixels, pool.decoder, jimp, wasm, sharp];
    return new CachedPictures(this, paths, JSON.stringify(how));
  }

  /** Brings what is kept under these keys into memory, in other threads. */
  async prefetch(keys: readonly Buffer[]): Promise<void> {
    if (!this.#closed) await Promise.all(this.#segments.map((segment) => segment.prefetch(keys)));
  }

  /** @returns a view that is good until the next call; undefined if there is none, or a damaged one */
  get(key: Buffer): Uint8Array | undefined {
    if (this.#closed) return undefined;
    try {
      const picture = this.#sealed(key) ?? this.#new?.get(key);
      if (picture && ++this.#foundInARow === FOUND_IN_A_ROW) void this.#settle();
      return picture;
    } catch (error) {
      this.#stopped ??= `the cache is damaged (${(error as Error).message})`;
      return undefined;
    }
  }

  /** Keeps a picture, if there is room. Resolves when another may be given: never rejects. */
  async add(key: Buffer, picture: Uint8Array): Promise<void> {
    if (this.#stopped !== undefined || this.#closed) return;
    const value = seal(picture);
    this.#waiting.push({ key, value });
    this.#waitingBytes += value.length;
    this.#foundInARow = 0;
    if (this.#waitingBytes < WRITE_BYTES) return;
    const before = this.#writing;
    this.#writing = this.#write(before);
    if (this.#writingBytes > MOST_WRITING_BYTES) await before;
  }

  /** Writes what waits, and closes. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#settle();
    await Promise.all(this.#segments.map((segment) => segment.close()));
  }

  #sealed(key: Buffer): Uint8Array | undefined {
    for (const segment of this.#segments) {
      const picture = segment.get(key);
      if (picture) return picture;
    }
    return undefined;
  }

  /** Writes what waits, and seals it. */
  async #settle(): Promise<void> {
    this.#writing = this.#write(this.#writing).then(() => this.#seal());
    await this.#writing;
  }

  async #write(before: Promise<void>): Promise<void> {
    const waiting = this.#waiting;
    const memory = this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#writingBytes += memory;
    await before;
    try {
      // While a segment is being sealed, its pictures are not found.
      const batch = waiting.filter(({ key }) => !this.#sealed(key));
      const bytes = batch.reduce((sum, { value }) => sum + diskBytes(value.length), 0);
      if (batch.length > 0) await this.#put(batch, bytes);
    } catch (error) {
      this.#stopped ??= `the cache cannot be written (${(error as Error).message})`;
    }
    this.#writingBytes -= memory;
  }

  async #put(batch: readonly CacheEntry[], bytes: number): Promise<void> {
    const room = await this.#roomFor(bytes);
    if (room !== undefined) {
      this.#stopped ??= room;
      return;
    }
    const most = Math.max(LEAST_SEGMENT_BYTES, bytesIn(this.#segments) / 4);
    this.#new ??= new NewSegment(this.folder, { mapBytes: 2 * (most + WRITE_BYTES + bytes) + 2 ** 28 });
    await this.#new.put(batch, { bytes });
    if (this.#new.bytes >= most) await this.#seal();
  }

  /** Opens what was written as another segment. Never rejects. */
  async #seal(): Promise<void> {
    const written = this.#new;
    if (!written) return;
    this.#new = undefined;
    try {
      await written.seal();
      this.#segments.push(await CacheSegment.open(written.folder));
    } catch (error) {
      this.#stopped ??= `the cache cannot be written (${(error as Error).message})`;
    }
  }

  /** @returns why there is none */
  async #roomFor(bytes: number): Promise<string | undefined> {
    const present = bytesIn(this.#segments) + (this.#new?.bytes ?? 0);
    if (present + bytes > this.#maxBytes) return 'the cache is as large as it may be';
    if ((await freeBytes(this.folder)) - bytes < KEPT_FREE_BYTES) return 'the disk is nearly full';
    return undefined;
  }
}

/** The pictures of one list of files in a cache. */
export class CachedPictures {
  readonly #cache: PictureCache;
  readonly #paths: Paths;
  readonly #how: string;
  /** Keys, one after the other; worked out when a picture is first read. */
  readonly #keys: Buffer;
  readonly #known: Uint8Array;

  constructor(cache: PictureCache, paths: Paths, how: string) {
    this.#cache = cache;
    this.#paths = paths;
    this.#how = how;
    this.#keys = Buffer.alloc(paths.length * KEY_BYTES);
    this.#known = new Uint8Array(paths.length);
  }

  /** To be awaited before `get`. */
  async look(indices: readonly number[]): Promise<void> {
    await Promise.all(indices.map((index) => this.#learnKey(index)));
    await this.#cache.prefetch(
      indices.filter((index) => this.#known[index]).map((index) => this.#key(index)),
    );
  }

  /** @returns a view that is good until the next call */
  get(index: number): Uint8Array | undefined {
    return this.#known[index] ? this.#cache.get(this.#key(index)) : undefined;
  }

  /** As {@link PictureCache.add}. */
  async add(index: number, picture: Uint8Array): Promise<void> {
    if (this.#known[index]) await this.#cache.add(this.#key(index), picture);
  }

  async #learnKey(index: number): Promise<void> {
    if (this.#known[index]) return;
    const path = this.#paths.at(index)!;
    const found = await stat(path).catch(() => undefined);
    if (!found) return; // decoding says why
    const text = JSON.stringify([resolve(path), found.size, found.mtimeMs, this.#how]);
    createHash('sha256')
      .update(text)
      .digest()
      .copy(this.#keys, index * KEY_BYTES, 0, KEY_BYTES);
    this.#known[index] = 1;
  }

  #key(index: number): Buffer {
    return this.#keys.subarray(index * KEY_BYTES, (index + 1) * KEY_BYTES);
  }
}

/** What a value takes on the disk, with its share of the tree. */
function diskBytes(bytes: number): number {
  return (Math.ceil((bytes + HEADER_BYTES) / PAGE_BYTES) + 1) * PAGE_BYTES;
}

function bytesIn(segments: readonly CacheSegment[]): number {
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function fewSegments(segments: readonly CacheSegment[]): Promise<CacheSegment[]> {
  const bySize = segments.toSorted((a, b) => b.bytes - a.bytes);
  for (const segment of bySize.slice(MOST_SEGMENTS)) {
    await segment.close();
    await rm(segment.folder, { recursive: true, force: true });
  }
  return bySize.slice(0, MOST_SEGMENTS);
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** Makes the folder, and notes that it is in use. */
async function takeFolder(folder: string): Promise<void> {
  const mark = join(folder, MARK);
  try {
    await mkdir(folder, { recursive: true });
    const names = await readdir(folder);
    if (names.length > 0 && !names.includes(MARK)) {
      throw new ArgumentError(`${folder}: there is something else in the folder; give a new or empty one`);
    }
    if (names.length === 0) await writeFile(mark, '{ "kind": "alexnet picture cache" }\n');
    const now = new Date();
    await utimes(mark, now, now);
  } catch (cause) {
    if (cause instanceof ArgumentError) throw cause;
    throw new FileWriteError(folder, `the cache's folder cannot be used: ${(cause as Error).message}`, {
      cause,
    });
  }
}
