// Walks folders and finds picture files, with the names of one folder at a time in memory.
// Invariant: the result depends on names only, never on the order in which the file system lists them.

import type { Dirent } from 'node:fs';
import { opendir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { DataError } from '../errors.js';
import type { PathList } from './path-list.js';

/** Entries that are asked of the system at once. */
const ENTRIES_AT_ONCE = 256;
/** Endings that are counted; of a folder with more, the others go into one sum. */
const MOST_ENDINGS = 100;

/** Endings of picture files, in lower case. */
export const PICTURE_EXTENSIONS: readonly string[] = [
  '.jpg',
  '.jpeg',
  '.png',
  '.bmp',
  '.gif',
  '.tif',
  '.tiff',
];

/** What stands in one folder; hidden entries (names that begin with a dot) are left out. All sorted by code units. */
export interface FolderEntries {
  /** Names of folders. */
  readonly folders: readonly string[];
  /** Names of picture files. */
  readonly pictures: readonly string[];
  /** Names of all other files. */
  readonly others: readonly string[];
}

/** How many files that are no pictures, by their endings, in lower case. */
export type EndingCounts = Map<string, number>;

/**
 * Lists a folder, following symbolic links. A link that leads nowhere counts as a file.
 * @throws DataError if there is no such folder, if it is a file, or if it may not be read
 */
export async function listFolder(folder: string): Promise<FolderEntries> {
  const folders: string[] = [];
  const pictures: string[] = [];
  const others: string[] = [];
  for await (const entry of entriesOf(folder)) {
    if (entry.name.startsWith('.')) continue;
    const isFolder = entry.isSymbolicLink()
      ? await leadsToFolder(join(folder, entry.name))
      : entry.isDirectory();
    if (isFolder) folders.push(entry.name);
    else if (isPictureName(entry.name)) pictures.push(entry.name);
    else others.push(entry.name);
  }
  return { folders: folders.sort(), pictures: pictures.sort(), others: others.sort() };
}

/**
 * What stands in a folder, as the system lists it.
 * @throws DataError as {@link listFolder} does
 */
export async function* entriesOf(folder: string): AsyncGenerator<Dirent, void> {
  try {
    yield* await opendir(folder, { bufferSize: ENTRIES_AT_ONCE });
  } catch (cause) {
    throw new DataError(folderProblem(folder, cause as NodeJS.ErrnoException), { cause });
  }
}

/**
 * Finds the pictures in and below a folder, sorted folder by folder. Links are followed, but a folder is not entered
 * again from within itself.
 * @param found.paths  the pictures' paths are added here
 * @param found.others  other files are counted here
 * @returns the number of pictures
 * @throws DataError as {@link listFolder} does
 */
export async function findPictures(
  folder: string,
  found: { readonly paths: PathList; readonly others: EndingCounts },
): Promise<number> {
  const before = found.paths.length;
  const visit = async (at: string, above: readonly string[]): Promise<void> => {
    const real = await realpath(at).catch(() => at);
    if (above.includes(real)) return;
    const entries = await listFolder(at);
    for (const name of entries.pictures) found.paths.push(join(at, name));
    countEndings(entries.others, found.others);
    for (const name of entries.folders) await visit(join(at, name), [...above, real]);
  };
  await visit(folder, []);
  return found.paths.length - before;
}

export function countEndings(names: readonly string[], counts: EndingCounts): void {
  for (const name of names) {
    const own = extname(name).toLowerCase() || '(none)';
    const ending = counts.has(own) || counts.size < MOST_ENDINGS ? own : 'with other endings';
    counts.set(ending, (counts.get(ending) ?? 0) + 1);
  }
}

function isPictureName(name: string): boolean {
  return PICTURE_EXTENSIONS.includes(extname(name).toLowerCase());
}

async function leadsToFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

function folderProblem(folder: string, error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return `${folder}: there is no such folder; check the path`;
  if (error.code === 'ENOTDIR') {
    return `${folder}: it is a file; give the folder that holds one folder a class`;
  }
  if (error.code === 'EACCES' || error.code === 'EPERM') {
    return `${folder}: the folder may not be read; check its permissions`;
  }
  return `${folder}: the folder cannot be read (${error.message})`;
}
