// Where pictures come from, by what stands at a path: folders, lists, ImageNet, stores, CIFAR-10 and IDX files.
// Invariant: looks at names only; what is in the files is checked by the reader that is chosen.

import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DataError } from '../errors.js';
import { readCifar10 } from './cifar10.js';
import { hasIdxFiles, readMnist } from './idx.js';
import { scanImageFolder, type ImageFolder } from './image-folder.js';
import { hasValidationList, scanImageNet } from './imagenet.js';
import { readLabelsFile } from './labels-file.js';
import { isStore, ImageStore } from './store/image-store.js';
import type { ImageDataset } from './types.js';

/**
 * What a path holds.
 * - 'folder': an image folder, see `scanImageFolder`.
 * - 'list': a CSV or JSON file of pictures and classes, see `readLabelsFile`.
 * - 'imagenet': ImageNet's own layout, see `scanImageNet`.
 * - 'store': made by `prepareStore`.
 * - 'cifar10', 'idx': pictures that need no decoding, see `readCifar10` and `readMnist`.
 */
export type SourceFormat = 'folder' | 'list' | 'imagenet' | 'store' | 'cifar10' | 'idx';

export interface SourceOptions {
  /** For a list: the folder that its file names are relative to. Default: that of the list. */
  readonly pictures?: string;
  /** For ImageNet: the list of validation labels. Default: see `scanImageNet`. */
  readonly validationLabels?: string;
}

/** Files to be decoded. */
export interface FilesSource extends ImageFolder {
  readonly format: 'folder' | 'list' | 'imagenet';
}

/** Pictures that are decoded already; `train` is open, and the others. */
export interface DatasetSource {
  readonly format: 'cifar10' | 'idx';
  readonly train: ImageDataset;
  readonly test: ImageDataset;
}

export interface StoreSource {
  readonly format: 'store';
  /** The caller's, to be closed. */
  readonly store: ImageStore;
}

/** @throws DataError if there is nothing at the path */
export async function recogniseSource(
  path: string,
  { validationLabels }: SourceOptions = {},
): Promise<SourceFormat> {
  const found = await stat(path).catch((cause: Error) => {
    throw new DataError(`${path}: there is no such folder or file; check the path`, { cause });
  });
  if (!found.isDirectory()) return 'list';
  if (await isStore(path)) return 'store';
  const names = await readdir(path).catch((cause: Error) => {
    throw new DataError(`${path}: the folder cannot be read (${cause.message})`, { cause });
  });
  if (names.includes('data_batch_1.bin')) return 'cifar10';
  if (hasIdxFiles(names)) return 'idx';
  return validationLabels !== undefined || hasValidationList(names) ? 'imagenet' : 'folder';
}

/**
 * Finds out what a path holds, and opens it.
 * @throws DataError, FileFormatError as the reader of its format does
 */
export async function openSource(
  path: string,
  options: SourceOptions = {},
): Promise<FilesSource | DatasetSource | StoreSource> {
  const format = await recogniseSource(path, options);
  switch (format) {
    case 'store':
      return { format, store: await ImageStore.open(path) };
    case 'cifar10':
      return {
        format,
        train: await readCifar10(path, { split: 'train' }),
        test: await readCifar10(path, { split: 'test' }),
      };
    case 'idx': {
      const train = await readMnist(path, { split: 'train' });
      const { classNames } = train;
      return { format, train, test: await readMnist(path, { split: 'test', classNames }) };
    }
    default:
      return { format, ...(await scanFiles(path, format, options)) };
  }
}

async function scanFiles(
  path: string,
  format: FilesSource['format'],
  { pictures, validationLabels }: SourceOptions,
): Promise<ImageFolder> {
  if (format === 'folder') return scanImageFolder(path);
  if (format === 'imagenet') {
    return scanImageNet(path, validationLabels === undefined ? {} : { validationLabels });
  }
  const dir = pictures ?? join(path, '..');
  return { dir, train: await readLabelsFile(path, { dir }) };
}
