// Reads a store: datasets over its splits, without decoding and without keeping pictures in memory.
// Invariant: a picture is handed out only if it matches its checksum; the store is never written to.

import { stat } from 'node:fs/promises';
import { AbortedError, DataError, DisposedError, FileFormatError } from '../../errors.js';
import { formatCount } from '../../format.js';
import { throwIfAborted } from '../abort.js';
import { ColourSums, type ColourStatistics, type ColourSumsState } from '../colour.js';
import { chooseHeldOut, type SplitOptions } from '../labelled-files.js';
import { PictureSums } from '../mean.js';
import { bytesOf, pictureBytes, type PictureSize } from '../picture-size.js';
import { checkReadRequest } from '../read-request.js';
import type { Framing } from '../resize.js';
import type { DatasetMean, ImageDataset, PictureSizes } from '../types.js';
import {
  FILES_A_CHUNK,
  guarded,
  opened,
  openDatabase,
  readFiles,
  readMeta,
  readSizes,
  storedFiles,
  type StoreDatabase,
} from './database.js';
import {
  ANEW,
  copyOf,
  dataFile,
  describeFile,
  fromJson,
  META,
  readDescription,
  type Progress,
  type StoreDescription,
} from './layout.js';
import type { ManifestFile } from './manifest-files.js';
import type { ManifestHead, StoreSplit } from './manifest.js';
import type { StoreFailure } from './prepare.js';
import { checkTree } from './tree-pages.js';

/** Whether there is a store at `path`, whole or not, rather than an image folder. */
export async function isStore(path: string): Promise<boolean> {
  const found = await Promise.all(
    [dataFile(path), describeFile(path)].map((file) => stat(file).catch(() => undefined)),
  );
  return found.some((file) => file?.isFile());
}

/** A store of pictures that `prepareStore` has made, open for reading. */
export class ImageStore {
  readonly path: string;
  /** Class names; a label is an index into them. */
  readonly classNames: readonly string[];
  /** Side of the pictures, in pixels; the shorter side where the framing is 'full'. */
  readonly side: number;
  /** Whether the pictures are squares, or scaled but not cut. */
  readonly framing: Framing;
  /** The splits that the image folder had; without train/ and val/ in it, all its pictures are 'train'. */
  readonly splits: readonly StoreSplit[];
  /** Mean of the training pictures; of their central squares. */
  readonly mean: DatasetMean;
  /** Colours of the training pictures; of their central squares. */
  readonly colours: ColourStatistics;
  /** Size on the disk, in bytes. */
  readonly bytes: number;
  readonly #database: StoreDatabase;
  readonly #head: ManifestHead;
  readonly #labels: Int32Array;
  /** Height and width of each file's picture; undefined where all are squares. */
  readonly #sizes: Uint16Array | undefined;
  readonly #reading = new Set<Promise<unknown>>();
  #lastChunk: { readonly chunk: number; readonly files: readonly ManifestFile[] } | undefined;
  #closed = false;

  /**
   * @throws FileFormatError if there is no store, or it is unfinished, truncated, damaged or of another version
   */
  static async open(path: string): Promise<ImageStore> {
    const description = await readDescription(path);
    const size = await stat(dataFile(path)).then(
      (file) => file.size,
      () => undefined,
    );
    checkComplete(path, description, size);
    await checkTree(path);
    const database = openDatabase(path, { readOnly: true });
    try {
      return new ImageStore(path, { database, description, bytes: size! });
    } catch (error) {
      await database.root.close();
      throw error;
    }
  }

  private constructor(
    path: string,
    parts: { database: StoreDatabase; description: StoreDescription; bytes: number },
  ) {
    const { database, description } = parts;
    const json = (name: string): unknown => fromJson(readMeta(database, path, name));
    this.path = path;
    this.bytes = parts.bytes;
    this.#database = database;
    const done = json(META.done) as { readonly digest: number };
    if (done.digest !== description.digest) {
      throw new FileFormatError(path, `store.json and data.mdb are not of the same store. ${ANEW}`);
    }
    this.#head = json(META.manifest) as ManifestHead;
    this.classNames = this.#head.classNames;
    this.side = this.#head.side;
    this.framing = this.#head.framing;
    const { files } = this.#head;
    this.#sizes = this.framing === 'full' ? readSizes(database, path, { files, done: files }) : undefined;
    this.splits = this.#head.splits.map(({ name }) => name);
    this.#labels = new Int32Array(copyOf(readMeta(database, path, META.labels)));
    const { summed } = json(META.progress) as Progress;
    const sums = new Float64Array(copyOf(readMeta(database, path, META.sums)));
    this.mean = new PictureSums(sums, summed).mean!;
    this.colours = ColourSums.from(json(META.colours) as ColourSumsState).statistics!;
  }

  /** Pictures that could not be decoded, and are not in the store. */
  get failures(): readonly StoreFailure[] {
    this.#checkOpen();
    return guarded(this.path, 'the list of failures', () =>
      [...this.#database.failures.getRange()].map(({ key, value }) => ({
        path: this.#fileAt(key).path,
        reason: Buffer.from(opened(value, this.path, 'a failure')).toString(),
      })),
    );
  }

  /** Number of pictures of a split; undefined if the store does not have it. */
  count(split: StoreSplit): number | undefined {
    return this.splits.includes(split) ? this.#positions(split).length : undefined;
  }

  /**
   * The pictures of a split. Closing the dataset leaves the store open; closing the store closes the dataset.
   * @throws DataError if the store does not have the split
   */
  dataset(split: StoreSplit): StoreDataset {
    if (!this.splits.includes(split)) {
      throw new DataError(
        `${this.path}: the store has no ${split} pictures; it has ${this.splits.join(', ')}`,
      );
    }
    const positions = this.#positions(split);
    return new StoreDataset(this, { positions, mean: split === 'train' ? this.mean : undefined });
  }

  /**
   * Holds out a part of the training pictures: the same ones as `splitDataset` does of the image folder.
   * @throws ArgumentError if `holdOut` is not between 0 and 1; DataError if no class has two pictures
   */
  holdOut(options: SplitOptions): { train: StoreDataset; validation: StoreDataset } {
    const { start, end } = this.#head.splits.find(({ name }) => name === 'train')!;
    // The choice is made among all files, decoded or not.
    const labels = this.#labels.subarray(start, end);
    const heldOut = chooseHeldOut({ classNames: this.classNames, labels }, options);
    const positions = this.#positions('train');
    const part = (value: number): StoreDataset =>
      new StoreDataset(this, { positions: positions.filter((at) => heldOut[at - start] === value) });
    return { train: part(0), validation: part(1) };
  }

  /** What the store was made of, but for the files. */
  get manifest(): ManifestHead {
    return this.#head;
  }

  /** The files that the store was made of, decoded or not. */
  files(): Generator<ManifestFile, void> {
    this.#checkOpen();
    return storedFiles(this.#database, this.path, this.#head);
  }

  /**
   * Reads every record, and compares it with its checksum.
   * @throws FileFormatError at the first that is damaged
   */
  async verify({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    for (const split of this.splits) {
      const dataset = this.dataset(split);
      for (let at = 0; at < dataset.length; at += 32) {
        const indices = Array.from({ length: Math.min(32, dataset.length - at) }, (_, i) => at + i);
        await dataset.read(indices, new Uint8Array(bytesOf(dataset, indices)), signal);
      }
    }
  }

  /** Waits for reads that are under way. Idempotent. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#reading);
    await this.#database.root.close();
  }

  /** Label of the file at a position of the manifest. */
  labelAt(position: number): number {
    return this.#labels[position]!;
  }

  /** Size of the picture of the file at a position of the manifest. */
  sizeAt(position: number): PictureSize {
    const sizes = this.#sizes;
    if (!sizes) return { height: this.side, width: this.side };
    return { height: sizes[2 * position]!, width: sizes[2 * position + 1]! };
  }

  /** Path of the file at a position of the manifest, from the image folder; its position when the store is closed. */
  nameAt(position: number): string {
    return this.#closed ? `#${position}` : this.#fileAt(position).path;
  }

  /** Copies the pictures at positions of the manifest into `out`, one after the other. */
  async readAt(positions: readonly number[], out: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.#checkOpen();
    throwIfAborted(signal, 'reading pictures');
    // Pages that are not in memory are brought there by other threads.
    const reading = this.#database.records.prefetch([...positions]);
    this.#reading.add(reading);
    try {
      await reading;
    } finally {
      this.#reading.delete(reading);
    }
    if (this.#closed) throw new AbortedError('reading pictures was aborted: the store was closed');
    throwIfAborted(signal, 'reading pictures');
    let at = 0;
    for (const position of positions) {
      const record = this.#record(position, pictureBytes(this.sizeAt(position)));
      out.set(record, at);
      at += record.length;
    }
  }

  #record(position: number, bytes: number): Uint8Array {
    const value = guarded(this.path, 'a picture', () => this.#database.records.getBinaryFast(position));
    const name = (): string => this.nameAt(position);
    if (value?.length !== bytes + 4) {
      const why = value ? `has ${value.length - 4} bytes, expected ${bytes}` : 'is missing';
      throw new FileFormatError(dataFile(this.path), `the store is damaged: ${name()} ${why}. ${ANEW}`);
    }
    return opened(value, this.path, name);
  }

  #positions(split: StoreSplit): Uint32Array {
    this.#checkOpen();
    return new Uint32Array(copyOf(readMeta(this.#database, this.path, META.positions(split))));
  }

  #fileAt(position: number): ManifestFile {
    return this.#filesAround(position)[position % FILES_A_CHUNK]!;
  }

  #filesAround(position: number): readonly ManifestFile[] {
    const chunk = Math.floor(position / FILES_A_CHUNK);
    if (this.#lastChunk?.chunk !== chunk) {
      this.#lastChunk = { chunk, files: readFiles(this.#database, this.path, META.files(chunk)) };
    }
    return this.#lastChunk.files;
  }

  #checkOpen(): void {
    if (this.#closed) throw new DisposedError(`${this.path}: the store is closed; open it again`);
  }
}

function checkComplete(
  path: string,
  description: StoreDescription | undefined,
  size: number | undefined,
): asserts description is StoreDescription {
  if (!description) {
    const what = size === undefined ? 'there is no picture store here' : 'store.json is missing';
    throw new FileFormatError(path, `${what}; make one: alexnet prepare DIR --out ${path}`);
  }
  if (description.state !== 'complete') {
    throw new FileFormatError(
      path,
      'the store is unfinished. Finish it: run the same alexnet prepare command again; it goes on where it stopped',
    );
  }
  if (size === undefined || size < description.bytes!) {
    const found = size === undefined ? 'is missing' : `has ${formatCount(size)} bytes`;
    throw new FileFormatError(
      dataFile(path),
      `it ${found}, expected ${formatCount(description.bytes!)}: the store is truncated. Copy it again. ${ANEW}`,
    );
  }
}

function sizesOf(store: ImageStore, positions: Uint32Array): PictureSizes {
  return {
    heights: Uint16Array.from(positions, (position) => store.sizeAt(position).height),
    widths: Uint16Array.from(positions, (position) => store.sizeAt(position).width),
  };
}

interface StorePart {
  /** Positions in the manifest of the pictures. */
  readonly positions: Uint32Array;
  readonly mean?: DatasetMean | undefined;
}

/**
 * Pictures of a store. Reading needs no memory but for what is read; the system keeps what it has room for. Make one with
 * {@link ImageStore.dataset}.
 */
export class StoreDataset implements ImageDataset {
  readonly classNames: readonly string[];
  readonly labels: Int32Array;
  readonly side: number;
  /** Undefined if the store holds squares. */
  readonly sizes: PictureSizes | undefined;
  readonly length: number;
  /** Of all training pictures; unknown for other splits and parts. */
  readonly mean: DatasetMean | undefined;
  /** Always empty: what could not be decoded is not in the store. */
  readonly failures: readonly never[] = [];
  readonly #store: ImageStore;
  readonly #positions: Uint32Array;
  #closed = false;

  /** @throws DataError if there are no pictures */
  constructor(store: ImageStore, { positions, mean }: StorePart) {
    if (positions.length === 0) throw new DataError(`${store.path}: there are no pictures to read`);
    this.#store = store;
    this.#positions = positions;
    this.classNames = store.classNames;
    this.side = store.side;
    this.length = positions.length;
    this.sizes = store.framing === 'full' ? sizesOf(store, positions) : undefined;
    this.labels = Int32Array.from(positions, (position) => store.labelAt(position));
    this.mean = mean;
  }

  /** The picture's path in the image folder, with slashes. */
  nameOf(index: number): string {
    const position = this.#positions[index];
    return position === undefined ? `#${index}` : this.#store.nameAt(position);
  }

  /**
   * Writes pictures `indices` into `out`, one after the other, each compared with its checksum: [indices.length, side,
   * side, 3] if the store holds squares.
   * @returns true for each index
   * @throws FileFormatError if a picture does not match its checksum
   * @throws AbortedError if the signal is aborted, or the store closed meanwhile
   * @throws DisposedError if the dataset or its store is closed
   * @throws ArgumentError if an index is no picture, or `out` has another size
   */
  async read(indices: readonly number[], out: Uint8Array, signal?: AbortSignal): Promise<boolean[]> {
    if (this.#closed) throw new DisposedError('the dataset is closed; make a new one');
    checkReadRequest(this, indices, out);
    await this.#store.readAt(
      indices.map((index) => this.#positions[index]!),
      out,
      signal,
    );
    return indices.map(() => true);
  }

  /** The store stays open. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
  }
}
