// The files of a manifest, packed: some forty bytes each, in memory that the threads of a preparation share.
// Invariant: files are given in the order in which they were added.

import { PathList, type SharedPaths } from '../path-list.js';

/** One picture file. */
export interface ManifestFile {
  /** From the image folder, with slashes. */
  readonly path: string;
  readonly label: number;
  readonly bytes: number;
  /** When it was last changed, in milliseconds since 1970; -1 if the file is gone. */
  readonly modifiedMs: number;
}

/** A file as it is stored. */
export type ManifestRow = readonly [path: string, label: number, bytes: number, modifiedMs: number];

export function toRow({ path, label, bytes, modifiedMs }: ManifestFile): ManifestRow {
  return [path, label, bytes, modifiedMs];
}

export function fromRow([path, label, bytes, modifiedMs]: ManifestRow): ManifestFile {
  return { path, label, bytes, modifiedMs };
}

/** Files on their way to another thread, which sees the same memory. */
export interface SharedFiles {
  readonly paths: SharedPaths;
  readonly labels: Int32Array;
  readonly bytes: Float64Array;
  readonly modifiedMs: Float64Array;
}

export class ManifestFiles implements Iterable<ManifestFile> {
  readonly paths: PathList;
  readonly labels: Int32Array;
  readonly #bytes: Float64Array;
  readonly #modifiedMs: Float64Array;

  /** @param files  the most that there will be, or files that another thread has added */
  constructor(files: number | SharedFiles) {
    const { paths, labels, bytes, modifiedMs } = typeof files === 'number' ? room(files) : files;
    this.paths = PathList.fromShared(paths);
    this.labels = labels;
    this.#bytes = bytes;
    this.#modifiedMs = modifiedMs;
  }

  static from(files: readonly ManifestFile[]): ManifestFiles {
    const packed = new ManifestFiles(files.length);
    for (const file of files) packed.add(file);
    return packed;
  }

  get length(): number {
    return this.paths.length;
  }

  get shared(): SharedFiles {
    const { labels } = this;
    return { paths: this.paths.shared, labels, bytes: this.#bytes, modifiedMs: this.#modifiedMs };
  }

  add({ path, label, bytes, modifiedMs }: ManifestFile): void {
    const at = this.length;
    this.paths.push(path);
    this.labels[at] = label;
    this.#bytes[at] = bytes;
    this.#modifiedMs[at] = modifiedMs;
  }

  at(index: number): ManifestFile {
    return this.#with(index, this.paths.at(index)!);
  }

  /** @returns the files from `start` to before `end` */
  slice(start: number, end: number): ManifestFile[] {
    return this.paths.slice(start, end).map((path, i) => this.#with(start + i, path));
  }

  *[Symbol.iterator](): IterableIterator<ManifestFile> {
    let index = 0;
    for (const path of this.paths) yield this.#with(index++, path);
  }

  #with(index: number, path: string): ManifestFile {
    return {
      path,
      label: this.labels[index]!,
      bytes: this.#bytes[index]!,
      modifiedMs: this.#modifiedMs[index]!,
    };
  }
}

function room(files: number): SharedFiles {
  return {
    paths: new PathList().shared,
    labels: new Int32Array(new SharedArrayBuffer(4 * files)),
    bytes: new Float64Array(new SharedArrayBuffer(8 * files)),
    modifiedMs: new Float64Array(new SharedArrayBuffer(8 * files)),
  };
}
