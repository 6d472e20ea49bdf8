// The list of what goes into a store: every file of an image folder, with what tells whether it has changed.
// Invariant: two manifests have the same digest if and only if the same store would be made from them.

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import type { ImageFolder } from '../image-folder.js';
import { PathIndex } from '../path-index.js';
import type { Paths } from '../path-list.js';
import type { Framing } from '../resize.js';
import { ManifestFiles, toRow, type ManifestFile } from './manifest-files.js';

export type StoreSplit = 'train' | 'validation' | 'test';

export const STORE_SPLITS: readonly StoreSplit[] = ['train', 'validation', 'test'];

/** Everything but the files. */
export interface ManifestHead {
  readonly side: number;
  readonly framing: Framing;
  readonly maxPixels: number;
  readonly classNames: readonly string[];
  /** Files from `start` to before `end`. A split that the folder does not have is missing. */
  readonly splits: readonly { readonly name: StoreSplit; readonly start: number; readonly end: number }[];
  /** Number of files. */
  readonly files: number;
  /** sha256 of all of this and of the files. */
  readonly digest: string;
}

export interface Manifest {
  readonly head: ManifestHead;
  /** Training files first, then validation, then test, each in the order in which they were found. */
  readonly files: ManifestFiles;
}

/** Files whose state is asked for at once. */
const STATS_AT_ONCE = 64;

/**
 * Asks the system for the state of every file.
 */
export async function readManifest(
  folder: ImageFolder,
  options: Pick<ManifestHead, 'side' | 'framing' | 'maxPixels'>,
): Promise<Manifest> {
  const { dir } = folder;
  const found = STORE_SPLITS.flatMap((name) => (folder[name] ? [{ name, ...folder[name] }] : []));
  let count = 0;
  const splits = found.map(({ name, paths }) => ({ name, start: count, end: (count += paths.length) }));
  const head = { ...options, classNames: folder.train.classNames, splits, files: count };
  const digest = createHash('sha256').update(JSON.stringify(head));
  const files = new ManifestFiles(count);
  for (const { paths, labels } of found) {
    for await (const file of describeAll(dir, paths, labels)) {
      files.add(file);
      digest.update(JSON.stringify(toRow(file)));
    }
  }
  return { head: { ...head, digest: digest.digest('hex') }, files };
}

/** In their order, some at once. */
async function* describeAll(dir: string, paths: Paths, labels: Int32Array): AsyncGenerator<ManifestFile> {
  let some: Promise<ManifestFile>[] = [];
  let position = 0;
  for (const path of paths) {
    some.push(describe(dir, path, labels[position++]!));
    if (some.length < STATS_AT_ONCE) continue;
    yield* await Promise.all(some);
    some = [];
  }
  yield* await Promise.all(some);
}

async function describe(dir: string, path: string, label: number): Promise<ManifestFile> {
  // A file that went away meanwhile fails when it is decoded, with its reason.
  const found = await stat(path).catch(() => undefined);
  return {
    path: relative(dir, path).replaceAll(sep, '/'),
    label,
    bytes: found?.size ?? 0,
    modifiedMs: found ? Math.trunc(found.mtimeMs) : -1,
  };
}

/** How the options of two manifests differ, in words; undefined if they do not. */
export function optionDifferences(stored: ManifestHead, asked: ManifestHead): string | undefined {
  const unlike = (['side', 'framing', 'maxPixels'] as const).filter((name) => stored[name] !== asked[name]);
  if (unlike.length === 0) return undefined;
  return unlike.map((name) => `${name} ${stored[name]}, not ${asked[name]}`).join(' and ');
}

/**
 * What has changed since a manifest was stored, in words.
 * @param stored  its files, in any order
 */
export function fileDifferences(stored: Iterable<ManifestFile>, found: ManifestFiles): string {
  const index = new PathIndex(found.paths);
  const state = new Uint8Array(found.length).fill(ADDED);
  const removed = new Named();
  for (const file of stored) {
    const position = index.find(file.path);
    if (position < 0) removed.add(file.path);
    else state[position] = isSame(file, found.at(position)) ? SAME : CHANGED;
  }
  const [added, changed] = [new Named(), new Named()];
  state.forEach((value, position) => {
    if (value !== SAME) (value === ADDED ? added : changed).add(found.paths.at(position)!);
  });
  const parts = [...added.inWords('added'), ...removed.inWords('removed'), ...changed.inWords('written to')];
  return parts.length > 0 ? parts.join(', ') : 'its folders are arranged in another way';
}

const [SAME, ADDED, CHANGED] = [0, 1, 2];

function isSame(a: ManifestFile, b: ManifestFile): boolean {
  return a.bytes === b.bytes && a.modifiedMs === b.modifiedMs;
}

/** Counts pictures, and knows the first three. */
class Named {
  #count = 0;
  readonly #names: string[] = [];

  add(path: string): void {
    if (++this.#count <= 3) this.#names.push(path);
  }

  inWords(what: string): string[] {
    if (this.#count === 0) return [];
    const more = this.#count > this.#names.length ? ', ...' : '';
    const pictures = this.#count === 1 ? 'picture' : 'pictures';
    return [`${this.#count} ${pictures} ${what} (${this.#names.join(', ')}${more})`];
  }
}
