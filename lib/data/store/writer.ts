// Writes a store: batches of decoded pictures, in the manifest's order, each batch with its sums in one transaction.
// Invariant: at any moment the store holds exactly the first `progress.done` files of its manifest, and their sums.

import { rmSync, statfsSync } from 'node:fs';
import {
  AlexnetError,
  ArgumentError,
  DataError,
  DisposedError,
  FileFormatError,
  FileWriteError,
} from '../../errors.js';
import { formatBytes, formatCount } from '../../format.js';
import { ColourSums, type ColourSumsState } from '../colour.js';
import { PictureSums } from '../mean.js';
import { centralSquare } from '../picture-size.js';
import { MOST_PROPORTION } from '../resize.js';
import type { RgbImage } from '../types.js';
import {
  FILES_A_CHUNK,
  giveBack,
  measureDatabase,
  openDatabase,
  peekMeta,
  readMeta,
  readSizes,
  reserve,
  storedFiles,
  type StoreDatabase,
} from './database.js';
import {
  ANEW,
  copyOf,
  dataFile,
  extendDigest,
  fromJson,
  lockFile,
  META,
  seal,
  toJson,
  type Progress,
} from './layout.js';
import {
  fileDifferences,
  optionDifferences,
  type Manifest,
  type ManifestHead,
  type StoreSplit,
} from './manifest.js';
import { toRow, type ManifestFile } from './manifest-files.js';
import { isAlive, thisProcess, type Owner } from './owner.js';

export interface WriterOptions {
  /** Folder of the store; it is there. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** Unique; names this opening. */
  readonly token: string;
  /** Tokens of openings in this process that have not ended. */
  readonly ownTokens: readonly string[];
  /** Whether a store that is there is thrown away first. */
  readonly overwrite: boolean;
}

/** What became of one file: its picture, which may be kept, or why there is none. */
export type Decoded = RgbImage | { readonly reason: string };

/** What a finished store holds. */
export interface WrittenStore {
  readonly failures: readonly { readonly position: number; readonly reason: string }[];
  readonly digest: number;
}

/** Files of the manifest that are put at once: some megabytes. */
const FILES_A_TRANSACTION = 64 * FILES_A_CHUNK;

const START: Progress = { done: 0, failures: 0, summed: 0, digest: 0 };

/** Pages of a store's tree, besides those of the pictures: 1 in 50 is ample. */
const TREE_SHARE = 1.02;
const PAGE_BYTES = 4096;
/** Width by height of most photographs. */
const USUAL_PROPORTION = 3 / 2;
/** LMDB's header of a large value, and the checksum. */
const RECORD_EXTRA_BYTES = 28;
/** Enough for a transaction that changes a few small values. */
const SMALL_CHANGE_BYTES = 2 ** 18;

/** What a picture takes on the disk. */
function recordBytes(bytes: number): number {
  return Math.ceil(Math.ceil((bytes + RECORD_EXTRA_BYTES) / PAGE_BYTES) * PAGE_BYTES * TREE_SHARE);
}

export class StoreWriter {
  readonly #folder: string;
  readonly #manifest: Manifest;
  readonly #owner: Owner;
  readonly #database: StoreDatabase;
  #progress: Progress = START;
  #sums: PictureSums;
  /** Of all files in turn: height and width; empty where all are squares. */
  readonly #sizes: Uint16Array;
  #colours = new ColourSums();
  #isDone = false;
  #failed = false;
  #closed = false;

  /**
   * Begins a store, or goes on with one.
   * @throws DataError if it was begun with other pictures, or is being written by another process
   * @throws ArgumentError if it was begun with other options
   * @throws FileFormatError if it is damaged
   * @throws FileWriteError if there is not enough space
   */
  static async open(options: WriterOptions): Promise<StoreWriter> {
    const { folder, ownTokens, overwrite } = options;
    if (overwrite) await discard(folder, ownTokens);
    const found = measureDatabase(folder);
    if (!found) discardFiles(folder);
    else if (found.bytes < found.needed) throw truncated(folder, found);
    const writer = new this(options, found?.bytes ?? 0);
    try {
      writer.#begin(ownTokens);
      return writer;
    } catch (error) {
      await writer.close();
      throw error;
    }
  }

  protected constructor({ folder, manifest, token }: WriterOptions, bytes: number) {
    this.#folder = folder;
    this.#manifest = manifest;
    this.#owner = thisProcess(token);
    this.#sums = new PictureSums(this.#values);
    this.#sizes = new Uint16Array(manifest.head.framing === 'full' ? 2 * manifest.files.length : 0);
    this.#database = openDatabase(folder, { readOnly: false, mapBytes: this.#mapBytes(bytes) });
  }

  get progress(): Progress {
    return this.#progress;
  }

  get #values(): number {
    return this.#manifest.head.side ** 2 * 3;
  }

  /** Twice what is needed at most: pages that are replaced are free only two transactions later. */
  #mapBytes(bytes: number): number {
    const { head, files } = this.#manifest;
    const most = head.framing === 'full' ? MOST_PROPORTION : 1;
    return 2 * bytes + 2 * most * this.#bytesFor(files.length) + 2 ** 28;
  }

  /** What `files` more pictures take on the disk; of pictures that are not cut, by the usual proportion. */
  #bytesFor(files: number): number {
    const proportion = this.#manifest.head.framing === 'full' ? USUAL_PROPORTION : 1;
    return files * recordBytes(this.#values * proportion) + 8 * this.#values + SMALL_CHANGE_BYTES;
  }

  #begin(ownTokens: readonly string[]): void {
    if (this.#hasManifest) this.#progress = this.#storedProgress();
    else this.#checkSpace();
    this.#transaction(SMALL_CHANGE_BYTES, () =>
      claim(this.#database, this.#folder, { owner: this.#owner, ownTokens }),
    );
    // Another process may have put it there before the claim.
    if (this.#hasManifest) this.#resume();
    else this.#putManifest();
  }

  get #hasManifest(): boolean {
    return peekMeta(this.#database, this.#folder, META.manifest) !== undefined;
  }

  /** Its files in pieces, and then its head, without which they are nothing and are put anew. */
  #putManifest(): void {
    const { head, files } = this.#manifest;
    for (let at = 0; at < files.length; at += FILES_A_TRANSACTION) {
      const end = Math.min(at + FILES_A_TRANSACTION, files.length);
      const chunks: Buffer[] = [];
      for (let from = at; from < end; from += FILES_A_CHUNK) {
        chunks.push(toJson(files.slice(from, Math.min(from + FILES_A_CHUNK, end)).map(toRow)));
      }
      const bytes = chunks.reduce((sum, { length }) => sum + recordBytes(length), SMALL_CHANGE_BYTES);
      this.#transaction(bytes, () => {
        this.#checkOwner();
        chunks.forEach((chunk, i) => this.#put(META.files(at / FILES_A_CHUNK + i), chunk));
      });
    }
    const text = toJson(head);
    this.#transaction(recordBytes(text.length) + 8 * this.#values + SMALL_CHANGE_BYTES, () => {
      this.#checkOwner();
      this.#removeFilesFrom(Math.ceil(files.length / FILES_A_CHUNK));
      this.#put(META.manifest, text);
      this.#putProgress(START);
    });
  }

  /** What is left of a longer manifest that was not put to its end. */
  #removeFilesFrom(chunk: number): void {
    const { meta } = this.#database;
    for (let more = chunk; meta.doesExist(META.files(more)); more++) void meta.remove(META.files(more));
  }

  #resume(): void {
    const database = this.#database;
    const folder = this.#folder;
    const stored = fromJson(readMeta(database, folder, META.manifest)) as ManifestHead;
    this.#checkSame(stored);
    // Another process may have gone on before the claim.
    this.#progress = this.#storedProgress();
    const sums = new Float64Array(copyOf(readMeta(database, folder, META.sums)));
    this.#sums = new PictureSums(sums, this.#progress.summed);
    this.#colours = ColourSums.from(fromJson(readMeta(database, folder, META.colours)) as ColourSumsState);
    this.#sizes.set(
      readSizes(database, folder, { files: this.#sizes.length / 2, done: this.#progress.done }),
    );
    this.#isDone = peekMeta(database, folder, META.done) !== undefined;
    if (!this.#isDone) this.#checkSpace();
  }

  #storedProgress(): Progress {
    return fromJson(readMeta(this.#database, this.#folder, META.progress)) as Progress;
  }

  #checkSame(stored: ManifestHead): void {
    if (stored.digest === this.#manifest.head.digest) return;
    const files = storedFiles(this.#database, this.#folder, stored);
    throw unlike(this.#folder, { head: stored, files }, this.#manifest);
  }

  /** @throws FileWriteError if there is too little space for what is left to be written */
  #checkSpace(): void {
    const left = this.#manifest.files.length - this.#progress.done;
    const available = freeBytes(this.#folder);
    if (left > 0 && available < this.#bytesFor(left)) throw this.#diskFull(available);
  }

  #diskFull(available: number, cause?: unknown): FileWriteError {
    const { done } = this.#progress;
    const needed = this.#bytesFor(this.#manifest.files.length - done);
    return new FileWriteError(
      dataFile(this.#folder),
      `no space left: ${formatCount(needed)} bytes (${formatBytes(needed)}) more are needed, ` +
        `${formatCount(available)} (${formatBytes(available)}) are available. ` +
        `${formatCount(done)} of ${formatCount(this.#manifest.files.length)} pictures are stored and stay so. ` +
        'Free some space and run the same command again',
      { cause },
    );
  }

  /**
   * Stores what the next files of the manifest were decoded to.
   * @throws FileWriteError if the disk is full or fails; nothing of the batch is stored then, all before it is
   * @throws DataError if another process has taken the store over
   */
  commit(batch: readonly Decoded[]): Progress {
    if (this.#closed || this.#failed) throw new DisposedError('the store is closed, or a commit has failed');
    // Until the commit has succeeded, the sums are ahead of the store.
    this.#failed = true;
    const from = this.#progress.done;
    let { done, failures, summed, digest } = this.#progress;
    let bytes = 8 * this.#values + SMALL_CHANGE_BYTES;
    const records: { position: number; value: Buffer; failed: boolean }[] = [];
    for (const decoded of batch) {
      const position = done++;
      const failed = 'reason' in decoded;
      const value = seal(failed ? Buffer.from(decoded.reason) : decoded.data);
      bytes += recordBytes(value.length);
      records.push({ position, value, failed });
      digest = extendDigest(digest, position, failed ? undefined : value);
      if (failed) failures++;
      else this.#noteSize(position, decoded);
      if (!failed && this.#isTraining(position)) {
        const square = centralSquare(decoded.data, decoded, this.#manifest.head.side);
        this.#sums.add(square);
        this.#colours.add(square);
        summed++;
      }
    }
    const progress = { done, failures, summed, digest };
    this.#transaction(bytes, () => {
      this.#checkOwner();
      for (const { position, value, failed } of records) {
        const { failures: reasons, records: pictures } = this.#database;
        void (failed ? reasons : pictures).put(position, value);
      }
      this.#putSizes(from, done);
      this.#putProgress(progress);
    });
    this.#failed = false;
    this.#progress = progress;
    return progress;
  }

  #noteSize(position: number, { height, width }: RgbImage): void {
    if (this.#sizes.length > 0) this.#sizes.set([height, width], 2 * position);
  }

  /** The chunks that files `from` to before `end` are in. */
  #putSizes(from: number, end: number): void {
    if (this.#sizes.length === 0) return;
    for (let chunk = Math.floor(from / FILES_A_CHUNK); chunk * FILES_A_CHUNK < end; chunk++) {
      const [first, last] = [chunk * FILES_A_CHUNK, (chunk + 1) * FILES_A_CHUNK];
      const part = this.#sizes.slice(2 * first, 2 * last);
      this.#put(META.sizes(chunk), new Uint8Array(part.buffer));
    }
  }

  #isTraining(position: number): boolean {
    const training = this.#manifest.head.splits.find(({ name }) => name === 'train');
    return training !== undefined && position >= training.start && position < training.end;
  }

  #putProgress(progress: Progress): void {
    this.#put(META.progress, toJson(progress));
    this.#put(META.sums, bytesOf(this.#sums.sums));
    this.#put(META.colours, toJson(this.#colours.state));
  }

  #put(name: string, payload: Uint8Array): void {
    void this.#database.meta.put(name, seal(payload));
  }

  /**
   * Marks the store as whole, and gives it up.
   * @throws DataError if not all files are done, or none could be decoded
   */
  finish(): WrittenStore {
    const { done, digest } = this.#progress;
    const { files } = this.#manifest;
    if (done !== files.length) throw new DataError(`the store has ${done} of ${files.length} files`);
    const failures = this.#readFailures();
    if (!this.#isDone) {
      const failed = new Uint8Array(files.length);
      for (const { position } of failures) failed[position] = 1;
      this.#transaction(16 * files.length + SMALL_CHANGE_BYTES, () => {
        this.#checkOwner();
        this.#putIndex(failed);
        this.#put(META.done, toJson({ digest }));
      });
      this.#isDone = true;
    }
    giveBack(this.#folder);
    return { failures, digest };
  }

  #readFailures(): WrittenStore['failures'] {
    return [...this.#database.failures.getRange()].map(({ key, value }) => ({
      position: key,
      reason: value.subarray(0, -4).toString(),
    }));
  }

  /** Labels of all files, and for each split which of them have a record. */
  #putIndex(failed: Uint8Array): void {
    const { head, files } = this.#manifest;
    this.#put(META.labels, bytesOf(files.labels));
    for (const { name, start, end } of head.splits) {
      const all = Uint32Array.from({ length: end - start }, (_, i) => start + i);
      const positions = all.filter((position) => failed[position] === 0);
      if (positions.length === 0) throw noneDecoded(this.#folder, name, files.at(start));
      this.#put(META.positions(name), bytesOf(positions));
    }
  }

  /** Gives the store up; what is committed stays. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
    await this.#database.root.close();
  }

  #release(): void {
    try {
      // A finished store has room within; its size is settled.
      if (!this.#isDone) reserve(this.#folder, SMALL_CHANGE_BYTES);
      this.#database.root.transactionSync(() => {
        const owner = ownerOf(this.#database, this.#folder);
        if (owner?.token === this.#owner.token) void this.#database.meta.remove(META.owner);
      });
    } catch {
      // On a full disk, say. The claim ends with the process.
    }
  }

  #checkOwner(): void {
    const owner = ownerOf(this.#database, this.#folder);
    if (owner?.token !== this.#owner.token) {
      throw new DataError(
        `${this.#folder}: the store was taken over by another process${owner ? ` (pid ${owner.pid})` : ''}`,
      );
    }
  }

  /** @param bytes  the most that it adds to the store */
  #transaction(bytes: number, action: () => void): void {
    try {
      const available = freeBytes(this.#folder);
      if (available < bytes) throw this.#diskFull(available);
      reserve(this.#folder, bytes);
      this.write(action);
    } catch (cause) {
      if (cause instanceof AlexnetError) throw cause;
      if (isDiskFull(cause)) throw this.#diskFull(freeBytes(this.#folder), cause);
      throw new FileWriteError(
        dataFile(this.#folder),
        `the store cannot be written (${(cause as Error).message}); what was committed is intact. ` +
          'Run the same command again to go on',
        { cause },
      );
    }
  }

  /** All that `action` puts, on the disk, or nothing of it. */
  protected write(action: () => void): void {
    this.#database.root.transactionSync(action);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: NodeJS.TypedArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT';
}

function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

function ownerOf(database: StoreDatabase, folder: string): Owner | undefined {
  const payload = peekMeta(database, folder, META.owner);
  return payload && (fromJson(payload) as Owner);
}

/** Within a transaction, which only one process can be in. @throws DataError if another process writes the store */
function claim(
  database: StoreDatabase,
  folder: string,
  { owner, ownTokens }: { readonly owner: Owner; readonly ownTokens: readonly string[] },
): void {
  const other = ownerOf(database, folder);
  if (other && isAlive(other, ownTokens)) throw beingWritten(folder, other);
  void database.meta.put(META.owner, seal(toJson(owner)));
}

/** Throws a store away, unless a process is writing it. One that cannot be opened is nobody's. */
async function discard(folder: string, ownTokens: readonly string[]): Promise<void> {
  let owner: Owner | undefined;
  try {
    const found = measureDatabase(folder);
    if (found && found.bytes >= found.needed) {
      const database = openDatabase(folder, { readOnly: true });
      try {
        owner = ownerOf(database, folder);
      } finally {
        await database.root.close();
      }
    }
  } catch (error) {
    if (!(error instanceof FileFormatError)) throw error;
  }
  if (owner && isAlive(owner, ownTokens)) throw beingWritten(folder, owner);
  discardFiles(folder);
}

function discardFiles(folder: string): void {
  for (const file of [dataFile(folder), lockFile(folder)]) rmSync(file, { force: true });
}

function beingWritten(folder: string, { pid }: Owner): DataError {
  return new DataError(
    `${folder}: the store is being written by another process (pid ${pid}); wait for it, or stop it`,
  );
}

function truncated(folder: string, { bytes, needed }: { bytes: number; needed: number }): FileFormatError {
  return new FileFormatError(
    dataFile(folder),
    `it has ${formatCount(bytes)} bytes, expected ${formatCount(needed)}: it is truncated. ${ANEW}`,
  );
}

function noneDecoded(folder: string, split: StoreSplit, first: ManifestFile): DataError {
  return new DataError(
    `${folder}: no ${split} picture can be decoded, from ${first.path} on. Are they pictures?`,
  );
}

/** The error for a store that was begun with other options or pictures. */
export function unlike(
  folder: string,
  stored: { readonly head: ManifestHead; readonly files: Iterable<ManifestFile> },
  found: Manifest,
): ArgumentError | DataError {
  const options = optionDifferences(stored.head, found.head);
  if (options !== undefined) {
    return new ArgumentError(
      `${folder}: the store was begun with ${options}. Give the same again, or replace it with --overwrite`,
    );
  }
  return new DataError(
    `${folder}: the pictures have changed since the store was begun: ${fileDifferences(stored.files, found.files)}. ` +
      'Put them back as they were, or replace the store with --overwrite',
  );
}
