// Image file directories (TIFF 6.0, section 2), as they stand in TIFF files and in the EXIF block of JPEG and PNG.
// Invariant: offsets and counts are checked against the bytes given; nothing outside them is read.

import { viewOf } from './header.js';

/** One entry of a directory, whose values are known to lie within the bytes. */
export interface DirectoryEntry {
  /** The 12 bytes of the entry. */
  readonly raw: Uint8Array;
  /** Reads the values. */
  readonly values: () => number[];
}

/** One image file directory. */
export interface ImageFileDirectory {
  readonly littleEndian: boolean;
  /** The BYTE, SHORT, LONG and UNDEFINED entries by tag number; without those whose values lie outside the bytes. */
  readonly entries: ReadonlyMap<number, DirectoryEntry>;
}

const BYTES_OF_TYPE: Readonly<Record<number, 1 | 2 | 4>> = { 1: 1, 3: 2, 4: 4, 7: 1 };
const ORIENTATION = 0x0112;

/**
 * Reads the first directory of a TIFF structure.
 * @param bytes the structure, from its byte order mark (II or MM) on
 * @returns undefined if the bytes are no TIFF structure or end before the directory does
 */
export function readFirstDirectory(bytes: Uint8Array): ImageFileDirectory | undefined {
  const view = viewOf(bytes);
  if (bytes.length < 8) return undefined;
  const mark = view.getUint16(0);
  const littleEndian = mark === 0x4949;
  if ((!littleEndian && mark !== 0x4d4d) || view.getUint16(2, littleEndian) !== 42) return undefined;
  const start = view.getUint32(4, littleEndian);
  if (start + 2 > bytes.length) return undefined;
  const count = view.getUint16(start, littleEndian);
  if (start + 2 + count * 12 > bytes.length) return undefined;
  const entries = new Map<number, DirectoryEntry>();
  for (let i = 0; i < count; i++) {
    const at = start + 2 + i * 12;
    const entry = readEntry(bytes, at, littleEndian);
    if (entry) entries.set(view.getUint16(at, littleEndian), entry);
  }
  return { littleEndian, entries };
}

function readEntry(bytes: Uint8Array, at: number, littleEndian: boolean): DirectoryEntry | undefined {
  const view = viewOf(bytes);
  const width = BYTES_OF_TYPE[view.getUint16(at + 2, littleEndian)];
  if (width === undefined) return undefined;
  const count = view.getUint32(at + 4, littleEndian);
  const start = width * count <= 4 ? at + 8 : view.getUint32(at + 8, littleEndian);
  if (start + width * count > bytes.length) return undefined;
  const read = {
    1: (byte: number) => view.getUint8(byte),
    2: (byte: number) => view.getUint16(byte, littleEndian),
    4: (byte: number) => view.getUint32(byte, littleEndian),
  }[width];
  return {
    raw: bytes.subarray(at, at + 12),
    values: () => Array.from({ length: count }, (_, i) => read(start + i * width)),
  };
}

/** The orientation tag, 1..8; 1 (upright) if it is absent or makes no sense, as viewers do. */
export function orientationOf(directory: ImageFileDirectory | undefined): number {
  const value = directory?.entries.get(ORIENTATION)?.values()[0] ?? 1;
  return value >= 1 && value <= 8 ? value : 1;
}
