// Walks folders and finds picture files.
// Invariant: the result depends on names only, never on the order in which the file system lists them.

import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { DataError } from '../errors.js';

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

/** The pictures in and below a folder. */
export interface FolderPictures {
  /** Paths, sorted folder by folder. */
  readonly pictures: readonly string[];
  /** Paths of files that are no pictures, by their endings. */
  readonly others: readonly string[];
}

/**
 * Lists a folder, following symbolic links. A link that leads nowhere counts as a file.
 * @throws DataError if there is no such folder, if it is a file, or if it may not be read
 */
export async function listFolder(folder: string): Promise<FolderEntries> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw new DataError(folderProblem(folder, error), { cause: error });
  });
  const folders: string[] = [];
  const pictures: string[] = [];
  const others: string[] = [];
  for (const entry of entries) {
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
 * Finds the pictures in and below a folder. Links are followed, but a folder is not entered again from within itself.
 * @throws DataError as {@link listFolder} does
 */
export async function findPictures(folder: string): Promise<FolderPictures> {
  const pictures: string[] = [];
  const others: string[] = [];
  const visit = async (at: string, above: readonly string[]): Promise<void> => {
    const real = await realpath(at).catch(() => at);
    if (above.includes(real)) return;
    const entries = await listFolder(at);
    for (const name of entries.pictures) pictures.push(join(at, name));
    for (const name of entries.others) others.push(join(at, name));
    for (const name of entries.folders) await visit(join(at, name), [...above, real]);
  };
  await visit(folder, []);
  return { pictures, others };
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
