// Writes a file so that its path holds, at every moment, either all of the old contents or all of the new.
// Invariant: the bytes go to a temporary file beside the target, to the disk, and only then under the target's name.

import { randomUUID } from 'node:crypto';
import { open, realpath, rename, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FileWriteError } from '../errors.js';
import { formatBytes, formatCount } from '../format.js';

/** The most that one system call is given, so that a slow disk never holds a thread for long. */
const WRITE_LIMIT_BYTES = 16 * 2 ** 20;

/**
 * Replaces the file at `path`, or creates it, with the given pieces one after the other. A symbolic link is followed.
 * Pieces are asked for one at a time and written before the next, so they need not be in memory together.
 * @param byteLength of all pieces together; only for the message when the disk is full
 * @throws FileWriteError if the system refuses; whatever `pieces` throws comes out as it is.
 *   Either way the file that was at `path` is untouched, and nothing else is left in its folder.
 */
export async function writeFileAtomically(
  path: string,
  pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { byteLength }: { readonly byteLength: number },
): Promise<void> {
  const attempt = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (cause) {
      throw new FileWriteError(path, describe(cause, { path, byteLength }), { cause });
    }
  };
  const target = await realpath(path).catch(() => path);
  // Names are limited to 255 bytes; 40 characters of the target's own are enough to recognise it.
  const temporary = join(dirname(target), `.${basename(target).slice(0, 40)}.${randomUUID()}.tmp`);
  const handle = await attempt(open(temporary, 'wx'));
  try {
    try {
      for await (const piece of pieces) await attempt(writeAll(handle, piece));
      await attempt(handle.sync());
    } finally {
      await attempt(handle.close());
    }
    await attempt(rename(temporary, target));
  } catch (error) {
    // The first failure is the one to report; a file that cannot be removed has the same cause.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(target));
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.byteLength) {
    const { bytesWritten } = await handle.write(
      bytes,
      at,
      Math.min(WRITE_LIMIT_BYTES, bytes.byteLength - at),
    );
    at += bytesWritten;
  }
}

/**
 * Brings the new name to the disk. Not every file system and platform can; then a power cut may bring back the
 * previous file, whole, which is no reason to fail.
 */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // See above.
  }
}

function describe(cause: unknown, file: { path: string; byteLength: number }): string {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const folder = dirname(file.path);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return (
        `not written: no space left (${code}). ${formatCount(file.byteLength)} bytes ` +
        `(${formatBytes(file.byteLength)}) are needed beside the previous file, which is intact if there was one. ` +
        `Free some space, or write to another disk.`
      );
    case 'ENOENT':
    case 'ENOTDIR':
      return `not written: there is no folder ${folder} (${code}). Create it first.`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `not written: no permission to create files in ${folder} (${code}).`;
    case 'EISDIR':
      return `not written: it is a folder (${code}). Give the path of a file.`;
    default:
      return `not written: ${cause instanceof Error ? cause.message : String(cause)}. The previous file is intact.`;
  }
}
