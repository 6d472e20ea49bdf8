// IDX files, the format of MNIST and its family (LeCun, Cortes, Burges: "THE IDX FILE FORMAT"), plain or gzipped.
// Invariant: a dataset comes out only if magic numbers, sizes and counts agree with each other to the byte.

import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gunzip, type ZlibOptions } from 'node:zlib';
import { ArgumentError, DataError } from '../errors.js';
import { InMemoryDataset } from './in-memory-dataset.js';

const UNSIGNED_BYTES = 0x08;
/** Far above MNIST's 47 MB and EMNIST's 547 MB: a file that claims to hold more is refused. */
const MOST_BYTES = 2 ** 30;
/** Of a packed file, enough for the longest header. */
const PACKED_HEADER_BYTES = 1024;

const unpack = promisify(gunzip);

export interface IdxOptions {
  /** The pictures: magic 0x00000803, [n, side, side] unsigned bytes; e.g. train-images-idx3-ubyte.gz. */
  readonly images: string;
  /** Their labels: magic 0x00000801, [n] unsigned bytes; e.g. train-labels-idx1-ubyte.gz. */
  readonly labels: string;
  /** Class names; a label is an index into them. Default: '0', '1', ... up to the largest label. */
  readonly classNames?: readonly string[];
}

/**
 * Reads a pair of IDX files into memory; grey values become R = G = B.
 * @returns pictures named '#0', '#1', ... in the order of the files
 * @throws DataError if a file is missing, damaged, no IDX file of unsigned bytes, or does not fit the other; if the
 * pictures are not square, or a label has no class name
 */
export async function readIdx({ images, labels, classNames }: IdxOptions): Promise<InMemoryDataset> {
  const [pictures, classes] = await Promise.all([readIdxFile(images, 3), readIdxFile(labels, 1)]);
  const [count, rows, columns] = pictures.sizes as [number, number, number];
  if (rows !== columns) {
    throw new DataError(`${images}: the pictures are of ${columns} x ${rows} pixels, expected squares`);
  }
  if (classes.sizes[0] !== count) {
    throw new DataError(
      `${labels}: there are ${classes.sizes[0]} labels for the ${count} pictures of ${images}; ` +
        `give the two files of one split`,
    );
  }
  if (count === 0 || rows === 0) throw new DataError(`${images}: there are no pictures in it`);
  const largest = classes.data.reduce((most, label) => Math.max(most, label), 0);
  const names = classNames ?? Array.from({ length: largest + 1 }, (_, label) => String(label));
  if (largest >= names.length) {
    const at = classes.data.indexOf(largest);
    throw new DataError(`${labels}: label ${at} is ${largest}, but there are ${names.length} class names`);
  }
  return new InMemoryDataset({
    images: greyToRgb(pictures.data),
    labels: classes.data,
    classNames: names,
    side: rows,
  });
}

/** Whether one of a folder's files is called as the training pictures of MNIST are. */
export function hasIdxFiles(names: readonly string[]): boolean {
  return names.some((name) => /^train-images[-.]idx3-ubyte(\.gz)?$/.test(name));
}

/**
 * Reads MNIST, Fashion-MNIST or KMNIST from a folder with their four files, plain or gzipped (train-images-idx3-ubyte,
 * train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte; a dot in place of the second dash is fine).
 * @throws DataError if files are missing, or as {@link readIdx} does
 */
export async function readMnist(
  dir: string,
  { split, classNames }: { readonly split: 'train' | 'test'; readonly classNames?: readonly string[] },
): Promise<InMemoryDataset> {
  const prefix = { train: 'train', test: 't10k' }[split];
  if (prefix === undefined) throw new ArgumentError(`split is '${String(split)}', expected train or test`);
  const names = await readdir(dir).catch((error: Error) => {
    throw new DataError(`${dir}: the folder cannot be read (${error.message})`, { cause: error });
  });
  const find = (kind: string, rank: number): string => {
    const name = new RegExp(`^${prefix}-${kind}[-.]idx${rank}-ubyte(\\.gz)?$`);
    const found = names.filter((candidate) => name.test(candidate)).sort();
    if (found[0] === undefined) {
      throw new DataError(`${dir}: there is no ${prefix}-${kind}-idx${rank}-ubyte, with or without .gz`);
    }
    return join(dir, found[0]);
  };
  const files = { images: find('images', 3), labels: find('labels', 1) };
  return readIdx({ ...files, ...(classNames ? { classNames } : {}) });
}

interface IdxFile {
  readonly sizes: readonly number[];
  readonly data: Uint8Array;
}

/** Magic number (0, 0, type, rank), a 32-bit size for each dimension, big-endian, then the data. */
async function readIdxFile(path: string, rank: number): Promise<IdxFile> {
  const stored = await readFile(path).catch((error: Error) => {
    throw new DataError(`${path}: the file cannot be read (${error.message})`, { cause: error });
  });
  const isPacked = stored[0] === 0x1f && stored[1] === 0x8b;
  const head = isPacked
    ? await unpacked(path, stored.subarray(0, PACKED_HEADER_BYTES), { finishFlush: constants.Z_SYNC_FLUSH })
    : stored;
  if (isPacked && head.length < 4 + 4 * rank) {
    throw new DataError(`${path}: it cannot be unpacked (it ends early); copy or download it again`);
  }
  const { sizes, headerBytes, dataBytes } = readIdxHeader(path, head, rank);
  // The header is known before anything of the size that it claims is made.
  const bytes = isPacked
    ? await unpacked(path, stored, { maxOutputLength: headerBytes + dataBytes })
    : stored;
  if (bytes.length - headerBytes !== dataBytes) {
    throw new DataError(
      `${path}: ${bytes.length - headerBytes} bytes follow the header, expected ${dataBytes} ([${sizes.join(', ')}]); ` +
        `the file is truncated or damaged`,
    );
  }
  return { sizes, data: bytes.subarray(headerBytes) };
}

function readIdxHeader(path: string, bytes: Buffer, rank: number) {
  const magic = bytes.length >= 4 ? bytes.readUInt32BE(0) : undefined;
  const expected = UNSIGNED_BYTES * 0x100 + rank;
  if (magic !== expected) {
    throw new DataError(
      `${path}: its magic number is ${magic === undefined ? 'missing' : hex(magic)}, expected ${hex(expected)}: ` +
        `an IDX file of unsigned bytes with ${rank} dimension${rank > 1 ? 's' : ''}`,
    );
  }
  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes) throw new DataError(`${path}: the file ends within its header`);
  const sizes = Array.from({ length: rank }, (_, i) => bytes.readUInt32BE(4 + 4 * i));
  const dataBytes = sizes.reduce((product, size) => product * size, 1);
  if (dataBytes > MOST_BYTES) {
    throw new DataError(
      `${path}: its header claims ${dataBytes} bytes ([${sizes.join(', ')}]), over the limit of ${MOST_BYTES}; ` +
        `it is damaged, or too large to be held in memory`,
    );
  }
  return { sizes, headerBytes, dataBytes };
}

async function unpacked(path: string, bytes: Buffer, options: ZlibOptions): Promise<Buffer> {
  return unpack(bytes, options).catch((error: NodeJS.ErrnoException) => {
    const reason =
      error.code === 'ERR_BUFFER_TOO_LARGE' ? 'it unpacks to more than its header says' : error.message;
    throw new DataError(`${path}: it cannot be unpacked (${reason}); copy or download it again`, {
      cause: error,
    });
  });
}

function greyToRgb(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3);
  for (let i = 0, to = 0; i < grey.length; i++) {
    const value = grey[i]!;
    rgb[to++] = value;
    rgb[to++] = value;
    rgb[to++] = value;
  }
  return rgb;
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}
