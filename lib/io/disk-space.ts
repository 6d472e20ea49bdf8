// Room on a disk, asked for before large files are written.
// Invariant: a file system that does not say how full it is counts as having room; nothing here fails a training.
import { statfs } from 'node:fs/promises';
import { formatBytes, formatCount } from '../format.js';

/** Bytes that this process may still write in a folder; undefined if the system does not say. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

export interface DiskNeeds {
  /** One file, written beside the one that it replaces. */
  readonly fileBytes: number;
  /** Files for which there should be room. Default 3. */
  readonly files?: number;
  /** Default: what the system says. */
  readonly free?: (folder: string) => Promise<number | undefined>;
}

/** @returns a warning if the disk of a folder has room for fewer files than it should; else undefined */
export async function diskWarning(
  folder: string,
  { fileBytes, files = 3, free = freeBytes }: DiskNeeds,
): Promise<string | undefined> {
  const available = await free(folder);
  if (available === undefined || available >= files * fileBytes) return undefined;
  const room = Math.floor(available / fileBytes);
  return (
    `The disk of ${folder} is nearly full: ${formatBytes(available)} are free, room for ${formatCount(room)} more ` +
    `file${room === 1 ? '' : 's'} of ${formatBytes(fileBytes)}. Free some space: when there is none left, a file is not ` +
    'written, and the one before it stays.'
  );
}
