// CIFAR-10 in its binary form (Krizhevsky 2009): records of a label byte and three planes of 32 x 32, R, G, B.
// Invariant: a dataset comes out only if every file has whole records and every label is a class.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors.js';
import { InMemoryDataset } from './in-memory-dataset.js';

/** The classes, in the order of their labels. */
export const CIFAR10_CLASS_NAMES: readonly string[] = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
];

const SIDE = 32;
const PLANE = SIDE * SIDE;
const PICTURE = 3 * PLANE;
const RECORD = 1 + PICTURE;

const FILES = {
  train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`),
  test: ['test_batch.bin'],
} as const;

export interface Cifar10Options {
  /** 'train': the 50,000 pictures of data_batch_1..5.bin. 'test': the 10,000 of test_batch.bin. */
  readonly split: 'train' | 'test';
}

/**
 * Reads CIFAR-10 from the folder `cifar-10-batches-bin` of its binary version (cifar-10-binary.tar.gz).
 * @param dir the folder that holds data_batch_1.bin and the others
 * @returns pictures of 32 x 32 in the order of the files
 * @throws DataError if a file is missing, has a part of a record, or a label other than 0..9
 */
export async function readCifar10(dir: string, { split }: Cifar10Options): Promise<InMemoryDataset> {
  const files = await Promise.all(FILES[split].map((name) => readRecords(join(dir, name))));
  const records = files.reduce((total, file) => total + file.length / RECORD, 0);
  const images = new Uint8Array(records * PICTURE);
  const labels = new Int32Array(records);
  let record = 0;
  for (const file of files) {
    for (let at = 0; at < file.length; at += RECORD, record++) {
      labels[record] = file[at]!;
      interleave(
        file.subarray(at + 1, at + RECORD),
        images.subarray(record * PICTURE, (record + 1) * PICTURE),
      );
    }
  }
  const names = FILES[split].flatMap((name, i) =>
    Array.from({ length: files[i]!.length / RECORD }, (_, position) => `${name}[${position}]`),
  );
  return new InMemoryDataset({ images, labels, classNames: CIFAR10_CLASS_NAMES, side: SIDE, names });
}

async function readRecords(path: string): Promise<Uint8Array> {
  const file = await readFile(path).catch((error: Error) => {
    throw new DataError(
      `${path}: the file cannot be read (${error.message}); expected the folder cifar-10-batches-bin of ` +
        `CIFAR-10's binary version, cifar-10-binary.tar.gz`,
      { cause: error },
    );
  });
  if (file.length === 0 || file.length % RECORD !== 0) {
    throw new DataError(
      `${path}: the file has ${file.length} bytes, expected whole records of ${RECORD}; ` +
        `it is truncated or not CIFAR-10's binary version`,
    );
  }
  for (let at = 0; at < file.length; at += RECORD) {
    if (file[at]! >= CIFAR10_CLASS_NAMES.length) {
      throw new DataError(
        `${path}: record ${at / RECORD} has label ${file[at]}, expected 0 to 9; ` +
          `the file is damaged or not CIFAR-10's binary version`,
      );
    }
  }
  return file;
}

/** [3, 32, 32] -> [32, 32, 3]. */
function interleave(planes: Uint8Array, out: Uint8Array): void {
  for (let pixel = 0; pixel < PLANE; pixel++) {
    out[pixel * 3] = planes[pixel]!;
    out[pixel * 3 + 1] = planes[PLANE + pixel]!;
    out[pixel * 3 + 2] = planes[2 * PLANE + pixel]!;
  }
}
