// A dataset over picture files: decoded in threads when first read, then kept in memory as far as the limit allows.
// Invariant: what read() gives depends on the files only, not on the cache, the number of threads or their timing.

import { AbortedError, ArgumentError, DataError, DecodeError, DisposedError } from '../errors.js';
import type { Decoder } from './codecs/index.js';
import { DecodePool } from './decode-pool.js';
import { reasonOf } from './decode.js';
import type { LabelledFiles } from './labelled-files.js';
import { checkReadRequest } from './read-request.js';
import type { ImageDataset } from './types.js';

/** 1 GiB: 5,461 pictures at 256 x 256. */
export const DEFAULT_CACHE_BYTES = 2 ** 30;

export interface ImageFolderDatasetOptions {
  /** Side of the squares that pictures are scaled to, in pixels. Default 256. Not together with `pool`. */
  readonly side?: number;
  /** Number of decoding threads. Default: as many as the process may run at once, at most 8. Not together with `pool`. */
  readonly workers?: number;
  /** Pictures of more pixels than this count as unreadable. Default 64,000,000. Not together with `pool`. */
  readonly maxPixels?: number;
  /** What decodes. Default 'auto': the fastest that works here; see `decoderInfo`. Not together with `pool`. */
  readonly decoder?: Decoder;
  /** Decode in this pool, which stays the caller's: close() leaves it open. Default: a pool of the dataset's own. */
  readonly pool?: DecodePool;
  /**
   * Memory for decoded squares, in bytes; a picture takes side * side * 3 (196,608 at 256). The first pictures read fill
   * it and stay, so that later epochs decode only what did not fit. Default 1 GiB; 0 keeps nothing.
   */
  readonly cacheBytes?: number;
  /** Whether a picture that cannot be decoded makes read() reject instead of being left out. Default false. */
  readonly strict?: boolean;
}

/** The pictures of an image folder (see `scanImageFolder`), or of any list of files. */
export class ImageFolderDataset implements ImageDataset {
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
  readonly side: number;
  readonly #paths: readonly string[];
  readonly #pool: DecodePool;
  readonly #ownsPool: boolean;
  readonly #strict: boolean;
  readonly #mostCached: number;
  readonly #cache = new Map<number, Uint8Array>();
  readonly #failures = new Map<number, DecodeError>();
  #closed = false;

  /**
   * @throws ArgumentError if an option is out of range
   * @throws DataError if there are no files
   */
  constructor(files: LabelledFiles, options: ImageFolderDatasetOptions = {}) {
    const { pool, cacheBytes = DEFAULT_CACHE_BYTES, strict = false, ...poolOptions } = options;
    if (!(cacheBytes >= 0)) throw new ArgumentError(`cacheBytes is ${cacheBytes}, expected 0 or more bytes`);
    const given = Object.entries(poolOptions).filter(([, value]) => value !== undefined);
    if (pool && given.length > 0) {
      throw new ArgumentError(
        `${given.map(([name]) => name).join(', ')} cannot be set: the pool has its own`,
      );
    }
    if (files.paths.length === 0) throw new DataError('there are no picture files; give at least one');
    this.classNames = files.classNames;
    this.labels = files.labels;
    this.#paths = files.paths;
    this.#pool = pool ?? new DecodePool(poolOptions);
    this.#ownsPool = !pool;
    this.#strict = strict;
    this.side = this.#pool.side;
    this.#mostCached = Math.floor(cacheBytes / (this.side * this.side * 3));
  }

  get length(): number {
    return this.#paths.length;
  }

  nameOf(index: number): string {
    return this.#paths[index] ?? `#${index}`;
  }

  /** In the order in which the pictures were found to be unreadable; each stands here once. */
  get failures(): readonly { readonly path: string; readonly reason: string }[] {
    return [...this.#failures.values()].map((error) => ({ path: error.path, reason: reasonOf(error) }));
  }

  /**
   * Writes pictures `indices` into `out` ([indices.length, side, side, 3]). A picture that cannot be decoded is tried
   * once, recorded in `failures`, and left out from then on.
   * @returns for each index whether it could be read; `out` is left untouched where not
   * @throws DecodeError in strict mode, for the first of `indices` that cannot be decoded
   * @throws AbortedError if the signal is aborted, or the dataset closed meanwhile
   * @throws DisposedError if the dataset is closed
   * @throws ArgumentError if an index is no picture, or `out` has another size
   */
  async read(indices: readonly number[], out: Uint8Array, signal?: AbortSignal): Promise<boolean[]> {
    if (this.#closed) throw new DisposedError('the dataset is closed; make a new one');
    checkReadRequest(this, indices, out);
    const fresh = await this.#decode(
      indices.filter((index) => !this.#isKnown(index)),
      signal,
    );
    if (this.#closed) throw new AbortedError('reading pictures was aborted: the dataset was closed');
    const bytes = this.side * this.side * 3;
    return indices.map((index, position) => {
      const square = this.#cache.get(index) ?? fresh.get(index);
      if (square) out.set(square, position * bytes);
      else if (this.#strict) throw this.#failures.get(index)!;
      return square !== undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cache.clear();
    if (this.#ownsPool) await this.#pool.close();
  }

  #isKnown(index: number): boolean {
    return this.#cache.has(index) || this.#failures.has(index);
  }

  /** Decodes pictures, keeps what the cache has room for, records what failed, and returns the rest. */
  async #decode(
    indices: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<Map<number, Uint8Array>> {
    const wanted = [...new Set(indices)];
    const results = await this.#pool.decode(
      wanted.map((index) => this.#paths[index]!),
      { signal },
    );
    const squares = new Map<number, Uint8Array>();
    for (const [position, index] of wanted.entries()) {
      const result = results[position]!;
      if (result instanceof DecodeError) this.#failures.set(index, result);
      else if (this.#cache.size < this.#mostCached) this.#cache.set(index, result.data);
      else squares.set(index, result.data);
    }
    return squares;
  }
}
