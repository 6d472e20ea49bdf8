// What a store is on disk: a folder with store.json, data.mdb (LMDB), data.pages and failures.json, and the names inside.
// Invariant: every value in data.mdb ends with its checksum, and none is handed out before it was compared.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { FileFormatError } from '../../errors.js';
import { writeFileAtomically } from '../../io/atomic-file.js';
import type { Framing } from '../resize.js';
import type { StoreSplit } from './manifest.js';

const KIND = 'alexnet picture store';
const VERSION = 2;

const CRC_BYTES = 4;

/** A failed picture's share of the digest. */
const FAILED = 0xffffffff;

/** Names of the values in the database `meta`. */
export const META = {
  manifest: 'manifest',
  files: (chunk: number) => `files ${chunk}`,
  labels: 'labels',
  progress: 'progress',
  sums: 'sums',
  colours: 'colours',
  owner: 'owner',
  sizes: (chunk: number) => `sizes ${chunk}`,
  positions: (split: StoreSplit) => `positions ${split}`,
  done: 'done',
} as const;

export const describeFile = (folder: string): string => join(folder, 'store.json');
export const dataFile = (folder: string): string => join(folder, 'data.mdb');
export const lockFile = (folder: string): string => join(folder, 'data.mdb-lock');
export const failuresFile = (folder: string): string => join(folder, 'failures.json');

/** How far the pictures of a store have been written; committed together with them. */
export interface Progress {
  /** Files of the manifest that are done: pictures stored, or failures recorded. */
  readonly done: number;
  readonly failures: number;
  /** Pictures that are in the sums for the mean. */
  readonly summed: number;
  /** Checksum over the checksums of all records, in order. */
  readonly digest: number;
}

/** What store.json says: it is written when the store is begun, and again when it is complete. */
export interface StoreDescription {
  readonly state: 'unfinished' | 'complete';
  /** Side of the pictures, in pixels; the shorter side where the framing is 'full'. */
  readonly side: number;
  readonly framing: Framing;
  readonly classes: number;
  /** Files that were found. */
  readonly files: number;
  /** Of a complete store: size of data.mdb, pictures that could not be decoded, and checksum of all records. */
  readonly bytes?: number;
  readonly failures?: number;
  readonly digest?: number;
}

/** payload -> payload and checksum. */
export function seal(payload: Uint8Array): Buffer {
  const value = Buffer.allocUnsafe(payload.length + CRC_BYTES);
  value.set(payload);
  value.writeUInt32LE(crc32(payload), payload.length);
  return value;
}

/** @returns the payload (not copied), or undefined if it is not what was sealed */
export function unseal(value: Uint8Array): Uint8Array | undefined {
  if (value.length < CRC_BYTES) return undefined;
  const payload = value.subarray(0, value.length - CRC_BYTES);
  return crc32(payload) === checksumOf(value) ? payload : undefined;
}

/** The checksum at the end of a sealed value. */
export function checksumOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(
    value.length - CRC_BYTES,
    true,
  );
}

/** @param record undefined for a failure */
export function extendDigest(digest: number, position: number, record: Uint8Array | undefined): number {
  const entry = Uint32Array.of(position, record ? checksumOf(record) : FAILED);
  return crc32(new Uint8Array(entry.buffer), digest);
}

/** A payload in memory of its own, to be seen as numbers; `slice()` of a Buffer would not copy. */
export function copyOf(payload: Uint8Array): ArrayBuffer {
  return new Uint8Array(payload).buffer;
}

export function toJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function fromJson(payload: Uint8Array): unknown {
  return JSON.parse(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString());
}

/**
 * @returns undefined if there is no store.json
 * @throws FileFormatError if it is damaged, of another kind or of another version
 */
export async function readDescription(folder: string): Promise<StoreDescription | undefined> {
  const path = describeFile(folder);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw new FileFormatError(path, `it cannot be read (${error.message})`, { cause: error });
  });
  if (text === undefined) return undefined;
  let found: Partial<StoreDescription> & { readonly kind?: unknown; readonly version?: unknown };
  try {
    found = Object(JSON.parse(text)) as typeof found;
  } catch (cause) {
    throw new FileFormatError(path, `it is damaged (no JSON). ${ANEW}`, { cause });
  }
  if (found.kind !== KIND) throw new FileFormatError(path, 'it is not of a picture store of this package');
  if (found.version !== VERSION) {
    throw new FileFormatError(
      path,
      `the store has version ${String(found.version)}, this package reads ${VERSION}. ${ANEW}`,
    );
  }
  const numbers = [found.side, found.classes, found.files];
  if (found.state === 'complete') numbers.push(found.bytes, found.failures, found.digest);
  else if (found.state !== 'unfinished') numbers.push(undefined);
  if (!numbers.every((value) => Number.isSafeInteger(value))) {
    throw new FileFormatError(path, `it is damaged. ${ANEW}`);
  }
  return found as StoreDescription;
}

/** @throws FileWriteError */
export async function writeDescription(folder: string, description: StoreDescription): Promise<void> {
  await writeText(
    describeFile(folder),
    JSON.stringify({ kind: KIND, version: VERSION, ...description }, null, 2),
  );
}

/** @throws FileWriteError */
export async function writeText(path: string, text: string): Promise<void> {
  const bytes = Buffer.from(`${text}\n`);
  await writeFileAtomically(path, [bytes], { byteLength: bytes.length });
}

/** What to do about a store that cannot be used. */
export const ANEW = 'Make the store anew: alexnet prepare DIR --out STORE --overwrite.';
