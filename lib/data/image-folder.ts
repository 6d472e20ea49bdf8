// Image folders: one folder a class, with or without train/, val/ and test/ above them.
// Invariant: all splits of a folder have the same classes, in the same order.

import { join } from 'node:path';
import { DataError } from '../errors.js';
import type { LabelledFiles } from './labelled-files.js';
import { NumberList } from './number-list.js';
import { PathList } from './path-list.js';
import {
  countEndings,
  findPictures,
  listFolder,
  PICTURE_EXTENSIONS,
  type EndingCounts,
  type FolderEntries,
} from './scan-folder.js';

/** What was found in an image folder. */
export interface ImageFolder {
  readonly dir: string;
  /** The pictures to train on: those of DIR/train, or all where there are no splits. */
  readonly train: LabelledFiles;
  /** The pictures of DIR/val or DIR/validation. Where absent, `splitDataset` can hold some of `train` out. */
  readonly validation?: LabelledFiles;
  /** The pictures of DIR/test. */
  readonly test?: LabelledFiles;
}

const TRAIN = 'train';
const VALIDATION = ['val', 'validation'];
const TEST = 'test';
const SPLITS = [TRAIN, ...VALIDATION, TEST];

const OF_A_RUN = /^(training\.lock|log\.jsonl|.+\.safetensors)$/;

const LAYOUT =
  'expected DIR/<class>/<picture>, or DIR/train/<class>/<picture> with DIR/val/<class>/<picture>';
const ENDINGS = PICTURE_EXTENSIONS.map((extension) => extension.slice(1)).join(', ');

/**
 * Scans an image folder: `DIR/<class>/...`, or `DIR/train/<class>/...` with `DIR/val` (or `DIR/validation`) and
 * `DIR/test` of the same form, both optional. Pictures are the files called *.jpg, jpeg, png, bmp, gif, tif or tiff, in
 * capitals or not, in and below a class's folder; hidden files are ignored, symbolic links followed. Classes and files
 * are sorted by UTF-16 code units, which is the same on every machine.
 *
 * A folder without pictures that a training was written to is no class: `alexnet train . --out run` makes one.
 *
 * DIR/train is taken for a split, not for a class called "train", if it holds folders and no pictures of its own.
 * @throws DataError if the folder is missing or a file, has no pictures, fewer than two classes, classes without
 * pictures, pictures outside of classes, or splits with different classes
 */
export async function scanImageFolder(dir: string): Promise<ImageFolder> {
  const entries = await listFolder(dir);
  const splits = await splitsAmong(dir, entries);
  if (splits.length === 0) return { dir, train: await scanClasses(dir) };
  const validationNames = VALIDATION.filter((name) => splits.includes(name));
  if (!splits.includes(TRAIN)) {
    throw new DataError(`${dir}: there is ${splits.join(' and ')}, but no train; ${LAYOUT}`);
  }
  if (validationNames.length > 1) {
    throw new DataError(`${dir}: there is both val and validation; keep one of them`);
  }
  await checkNothingBeside(dir, entries, splits);
  const train = await scanClasses(join(dir, TRAIN));
  const [validationName] = validationNames;
  const validation = validationName && (await scanSplit(join(dir, validationName), train));
  const test = splits.includes(TEST) && (await scanSplit(join(dir, TEST), train));
  return { dir, train, ...(validation ? { validation } : {}), ...(test ? { test } : {}) };
}

/**
 * Scans one folder whose folders are the classes: one split of an image folder.
 * @throws DataError as {@link scanImageFolder} does
 */
export async function scanClasses(dir: string): Promise<LabelledFiles> {
  const { folders, pictures: loose, others: looseOthers } = await listFolder(dir);
  if (loose.length > 0) {
    throw new DataError(
      `${dir}: ${loose.length} pictures lie outside of class folders (${shortened(loose)}); ${LAYOUT}. ` +
        `Move each into the folder of its class`,
    );
  }
  const [paths, labels, others] = [new PathList(), new NumberList(), new Map() as EndingCounts];
  countEndings(looseOthers, others);
  const [classNames, empty]: [string[], string[]] = [[], []];
  for (const name of folders) {
    const beside: EndingCounts = new Map();
    const times = await findPictures(join(dir, name), { paths, others: beside });
    if (times === 0 && (await isRun(join(dir, name)))) continue;
    for (const [ending, count] of beside) others.set(ending, (others.get(ending) ?? 0) + count);
    labels.push(classNames.length, { times });
    classNames.push(name);
    if (times === 0) empty.push(name);
  }
  if (paths.length === 0) {
    throw new DataError(`${dir}: no pictures (${ENDINGS}) were found${inAddition(others)}; ${LAYOUT}`);
  }
  if (classNames.length === 1) {
    throw new DataError(
      `${dir}: there is one class only, ${classNames[0]}; training needs two or more. ${LAYOUT}`,
    );
  }
  if (empty.length > 0) {
    throw new DataError(
      `${dir}: these classes have no pictures (${ENDINGS}): ${shortened(empty)}${inAddition(others)}; ` +
        `add some or remove the folders`,
    );
  }
  return { classNames, paths, labels: labels.values };
}

/** Whether a training writes or has written to a folder: it may lie beside the classes that it learns. */
async function isRun(folder: string): Promise<boolean> {
  const { others } = await listFolder(folder);
  return others.some((name) => OF_A_RUN.test(name));
}

/** Names of the folders that are splits: they hold folders, and no pictures of their own. */
async function splitsAmong(dir: string, { folders }: FolderEntries): Promise<string[]> {
  const splits: string[] = [];
  for (const name of SPLITS.filter((split) => folders.includes(split))) {
    const inside = await listFolder(join(dir, name));
    if (inside.folders.length > 0 && inside.pictures.length === 0) splits.push(name);
  }
  return splits;
}

/** A lone train/ among other folders may be a class that is called so. With val/ or test/ beside it, it is a split. */
async function checkNothingBeside(
  dir: string,
  entries: FolderEntries,
  splits: readonly string[],
): Promise<void> {
  if (splits.length > 1) return;
  const beside: string[] = [];
  for (const name of entries.folders.filter((folder) => !splits.includes(folder))) {
    const found = { paths: new PathList(), others: new Map() as EndingCounts };
    if ((await findPictures(join(dir, name), found)) > 0) beside.push(name);
  }
  if (beside.length === 0) return;
  throw new DataError(
    `${dir}: train holds folders and so looks like a split, but there are pictures in ${shortened(beside)} too. If train is ` +
      `a class, put its pictures directly into it; if it is a split, move the others away`,
  );
}

async function scanSplit(dir: string, train: LabelledFiles): Promise<LabelledFiles> {
  const { folders } = await listFolder(dir);
  const missing = train.classNames.filter((name) => !folders.includes(name));
  const unknown = folders.filter((name) => !train.classNames.includes(name));
  if (missing.length === 0 && unknown.length === 0) return scanClasses(dir);
  const differences = [
    ...(missing.length > 0 ? [`it lacks ${shortened(missing)}`] : []),
    ...(unknown.length > 0 ? [`it has ${shortened(unknown)}, which train does not have`] : []),
  ];
  throw new DataError(
    `${dir}: its classes differ from those of train: ${differences.join('; ')}. Give both the same class folders`,
  );
}

/** At most five names, and how many more there are. */
function shortened(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(', ');
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

/** What was found in place of pictures, by ending: helps where all are of a format that is not supported. */
function inAddition(others: EndingCounts): string {
  if (others.size === 0) return '';
  const counts = [...others].sort((a, b) => b[1] - a[1]);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  return `, but ${total} other files: ${shortened(counts.map(([ending, count]) => `${count} ${ending}`))}`;
}
