// The list of what goes into a store: every file of an image folder, with what tells whether it has changed.
// Invariant: two manifests have the same digest if and only if the same store would be made from them.

import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import type { ImageFolder } from '../image-folder.js';
import type { Framing } from '../resize.js';

export type StoreSplit = 'train' | 'validation' | 'test';

export const STORE_SPLITS: readonly StoreSplit[] = ['train', 'validation', 'test'];

/** One picture file. */
export interface ManifestFile {
  /** From the image folder, with slashes. */
  readonly path: string;
  readonly label: number;
  readonly bytes: number;
  /** When it was last changed, in milliseconds since 1970; -1 if the file is gone. */
  readonly modifiedMs: number;
}

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
  readonly files: readonly ManifestFile[];
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
  const files: ManifestFile[] = [];
  const splits: ManifestHead['splits'][number][] = [];
  for (const name of STORE_SPLITS) {
    const found = folder[name];
    if (!found) continue;
    const start = files.length;
    for (let at = 0; at < found.paths.length; at += STATS_AT_ONCE) {
      const part = found.paths.slice(at, at + STATS_AT_ONCE);
      files.push(...(await Promise.all(part.map((path, i) => describe(dir, path, found.labels[at + i]!)))));
    }
    splits.push({ name, start, end: files.length });
  }
  const head = { ...options, classNames: folder.train.classNames, splits, files: files.length };
  return { head: { ...head, digest: digestOf(head, files) }, files };
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

function digestOf(head: Omit<ManifestHead, 'digest'>, files: readonly ManifestFile[]): string {
  const hash = createHash('sha256').update(JSON.stringify(head));
  for (const file of files) hash.update(JSON.stringify(toRow(file)));
  return hash.digest('hex');
}

/** A file as it is stored. */
export type ManifestRow = readonly [path: string, label: number, bytes: number, modifiedMs: number];

export function toRow({ path, label, bytes, modifiedMs }: ManifestFile): ManifestRow {
  return [path, label, bytes, modifiedMs];
}

export function fromRow([path, label, bytes, modifiedMs]: ManifestRow): ManifestFile {
  return { path, label, bytes, modifiedMs };
}

/** How the options of two manifests differ, in words; undefined if they do not. */
export function optionDifferences(stored: ManifestHead, asked: ManifestHead): string | undefined {
  const unlike = (['side', 'framing', 'maxPixels'] as const).filter((name) => stored[name] !== asked[name]);
  if (unlike.length === 0) return undefined;
  return unlike.map((name) => `${name} ${stored[name]}, not ${asked[name]}`).join(' and ');
}

/** What has changed between two manifests, in words. */
export function fileDifferences(stored: Manifest, found: Manifest): string {
  const before = new Map(stored.files.map((file) => [file.path, file]));
  const added = found.files.filter(({ path }) => !before.has(path));
  const changed = found.files.filter((file) => {
    const old = before.get(file.path);
    return old && (old.bytes !== file.bytes || old.modifiedMs !== file.modifiedMs);
  });
  const now = new Set(found.files.map(({ path }) => path));
  const removed = stored.files.filter(({ path }) => !now.has(path));
  const parts = [
    ...inWords('added', added),
    ...inWords('removed', removed),
    ...inWords('written to', changed),
  ];
  return parts.length > 0 ? parts.join(', ') : 'its folders are arranged in another way';
}

function inWords(what: string, files: readonly ManifestFile[]): string[] {
  if (files.length === 0) return [];
  const names = files.slice(0, 3).map(({ path }) => path);
  const more = files.length > names.length ? ', ...' : '';
  return [
    `${files.length} ${files.length === 1 ? 'picture' : 'pictures'} ${what} (${names.join(', ')}${more})`,
  ];
}
