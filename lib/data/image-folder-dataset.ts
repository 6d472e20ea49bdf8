// A dataset over picture files: decoded in threads when they are read, or taken from a cache on the disk.
// Invariant: what read() gives depends on the files only, not on the cache, the number of threads or their timing.

import { AbortedError, ArgumentError, DataError, DecodeError, DisposedError } from '../errors.js';
import type { Decoder } from './codecs/index.js';
import { DecodePool } from './decode-pool.js';
import { reasonOf } from './decode.js';
import type { LabelledFiles } from './labelled-files.js';
import type { Paths } from './path-list.js';
import type { CachedPictures, PictureCache } from './picture-cache.js';
import { checkReadRequest } from './read-request.js';
import type { ImageDataset } from './types.js';

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
   * Where decoded squares are kept, so that later epochs, and later runs, need not decode. It stays the caller's.
   * Default: none; every read decodes.
   */
  readonly cache?: PictureCache | undefined;
  /** Whether a picture that cannot be decoded makes read() reject instead of being left out. Default false. */
  readonly strict?: boolean;
}

/** The pictures of an image folder (see `scanImageFolder`), or of any list of files. */
export class ImageFolderDataset implements ImageDataset {
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
  readonly side: number;
  readonly #paths: Paths;
  readonly #pool: DecodePool;
  readonly #ownsPool: boolean;
  readonly #strict: boolean;
  readonly #cache: PictureCache | undefined;
  #cached: Promise<CachedPictures> | undefined;
  readonly #failures = new Map<number, DecodeError>();
  #closed = false;

  /**
   * @throws ArgumentError if an option is out of range
   * @throws DataError if there are no files
   */
  constructor(files: LabelledFiles, options: ImageFolderDatasetOptions = {}) {
    const { pool, cache, strict = false, ...poolOptions } = options;
    if (pool && pool.framing !== 'centre') {
      throw new ArgumentError(
        `the pool has the framing '${pool.framing}', expected 'centre': pictures are squares here`,
      );
    }
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
    this.#cache = cache;
  }

  get length(): number {
    return this.#paths.length;
  }

  nameOf(index: number): string {
    return (index < 0 ? undefined : this.#paths.at(index)) ?? `#${index}`;
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
    const cached = await (this.#cached ??= this.#cache?.for(this.#pool, this.#paths));
    await cached?.look(indices);
    this.#checkStillOpen();
    const bytes = this.side * this.side * 3;
    const missing = indices.filter((index, position) => {
      if (this.#failures.has(index)) return false;
      const square = cached?.get(index);
      if (square?.length !== bytes) return true;
      out.set(square, position * bytes);
      return false;
    });
    const fresh = await this.#decode(missing, { cached, signal });
    this.#checkStillOpen();
    return indices.map((index, position) => {
      const square = fresh.get(index);
      if (square) out.set(square, position * bytes);
      else if (this.#strict && this.#failures.has(index)) throw this.#failures.get(index)!;
      return !this.#failures.has(index);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#ownsPool) await this.#pool.close();
  }

  #checkStillOpen(): void {
    if (this.#closed) throw new AbortedError('reading pictures was aborted: the dataset was closed');
  }

  /** Decodes pictures, gives them to the cache, and records what failed. */
  async #decode(
    indices: readonly number[],
    options: { readonly cached: CachedPictures | undefined; readonly signal: AbortSignal | undefined },
  ): Promise<Map<number, Uint8Array>> {
    const { cached, signal } = options;
    const wanted = [...new Set(indices)];
    const results = await this.#pool.decode(
      wanted.map((index) => this.#paths.at(index)!),
      { signal },
    );
    const squares = new Map<number, Uint8Array>();
    for (const [position, index] of wanted.entries()) {
      const result = results[position]!;
      if (result instanceof DecodeError) this.#failures.set(index, result);
      else {
        squares.set(index, result.data);
        await cached?.add(index, result.data);
      }
    }
    return squares;
  }
}
