// ImageNet (ILSVRC 2012) as it is distributed: train/<synset>/*.JPEG, val/*.JPEG, and a list of the validation labels.
// Invariant: classes are the synsets of train in sorted order, the order that published weights use.

import { extname, join } from 'node:path';
import { DataError } from '../errors.js';
import { scanClasses, type ImageFolder } from './image-folder.js';
import type { LabelledFiles } from './labelled-files.js';
import { NumberList } from './number-list.js';
import { PathIndex } from './path-index.js';
import { PathList, type Paths } from './path-list.js';
import { readLines } from './read-text.js';
import { listFolder } from './scan-folder.js';

export interface ImageNetOptions {
  /**
   * Labels of the pictures in DIR/val, a line each, in one of these forms:
   * - `FILE SYNSET` or `FILE INDEX` (0 is the first synset), as in Caffe's val.txt;
   * - `FILE,SYNSET ...`, with or without a heading, as in LOC_val_solution.csv;
   * - `SYNSET` alone, for the pictures in the order of their names.
   *
   * Default: DIR/val.txt or DIR/LOC_val_solution.csv, if there is one.
   */
  readonly validationLabels?: string;
  /** Names of the synsets, a line each: `n01440764 tench, Tinca tinca`. Default: classes are called by their synsets. */
  readonly synsetNames?: string;
}

/** What was found, and the synsets behind the class names. */
export interface ImageNetFolder extends ImageFolder {
  /** One a class, e.g. 'n01440764'. */
  readonly synsets: readonly string[];
}

const DEFAULT_LABELS = ['val.txt', 'LOC_val_solution.csv'];

/** Whether the labels of the validation pictures are in one of a folder's files. */
export function hasValidationList(names: readonly string[]): boolean {
  return DEFAULT_LABELS.some((name) => names.includes(name));
}

/**
 * Scans ImageNet's own layout. DIR/val may also hold a folder for each synset; without DIR/val there is no validation.
 * @throws DataError if train or the labels are missing, a list does not fit the pictures (with its line), or a synset has
 * no name in `synsetNames`
 */
export async function scanImageNet(dir: string, options: ImageNetOptions = {}): Promise<ImageNetFolder> {
  const train = await scanClasses(join(dir, 'train'));
  const synsets = train.classNames;
  const names = options.synsetNames ? await readNames(options.synsetNames, synsets) : synsets;
  const validation = await scanValidation(dir, synsets, options);
  return {
    dir,
    synsets,
    train: { ...train, classNames: names },
    ...(validation ? { validation: { ...validation, classNames: names } } : {}),
  };
}

async function scanValidation(
  dir: string,
  synsets: readonly string[],
  options: ImageNetOptions,
): Promise<LabelledFiles | undefined> {
  const { folders, others } = await listFolder(dir);
  if (!folders.includes('val')) return undefined;
  const val = join(dir, 'val');
  const inside = await listFolder(val);
  if (inside.pictures.length === 0) {
    const found = await scanClasses(val);
    const unknown = found.classNames.find((name) => !synsets.includes(name));
    if (unknown !== undefined) throw new DataError(`${val}: there is a folder ${unknown}, which train lacks`);
    const labels = found.labels.map((label) => synsets.indexOf(found.classNames[label]!));
    return { ...found, classNames: synsets, labels };
  }
  const beside = DEFAULT_LABELS.find((name) => others.includes(name));
  const list = options.validationLabels ?? (beside === undefined ? undefined : join(dir, beside));
  if (list === undefined) {
    throw new DataError(
      `${val}: the pictures are not in folders of their classes, and there is no list of their labels; ` +
        `give validationLabels, or put it at ${join(dir, DEFAULT_LABELS[0]!)}`,
    );
  }
  const labels = await readValidationLabels(list, inside.pictures, synsets);
  const paths = new PathList();
  for (const name of inside.pictures) paths.push(join(val, name));
  return { classNames: synsets, paths, labels };
}

/** Labels of `pictures`, in their order. */
async function readValidationLabels(
  list: string,
  pictures: Paths,
  synsets: readonly string[],
): Promise<Int32Array> {
  const labelFor = labelsOf(synsets);
  if (!(await namesFiles(list))) return labelsInOrder(list, pictures, labelFor);
  const index = new PathIndex(new PathList());
  for (const name of pictures) index.add(withoutEnding(name));
  const labels = new Int32Array(pictures.length).fill(-1);
  for await (const { line, text } of readLines(list)) {
    const [file, label] = text.split(/[\s,]+/) as [string, string?];
    if (line === 1 && /^(imageid|file|filename|image)$/i.test(file)) continue;
    const position = index.find(withoutEnding(file));
    if (position < 0) throw new DataError(`${list}:${line}: there is no picture ${file} in val`);
    if (labels[position] !== -1) throw new DataError(`${list}:${line}: ${file} stands in the list already`);
    labels[position] = labelFor(label ?? '', `${list}:${line}`);
  }
  const missing = labels.indexOf(-1);
  if (missing >= 0) throw new DataError(`${list}: there is no label for ${pictures.at(missing)}`);
  return labels;
}

/** Whether a list has files before its labels. */
async function namesFiles(list: string): Promise<boolean> {
  for await (const { text } of readLines(list)) if (/[\s,]/.test(text)) return true;
  return false;
}

async function labelsInOrder(
  list: string,
  pictures: Paths,
  labelFor: ReturnType<typeof labelsOf>,
): Promise<Int32Array> {
  const labels = new NumberList();
  for await (const { line, text } of readLines(list)) {
    if (/^\d+$/.test(text)) {
      throw new DataError(
        `${list}:${line}: '${text}' is a number without a file, as in ILSVRC2012_validation_ground_truth.txt. ` +
          `Those follow an order of their own, which only the development kit's meta.mat tells; give a list of synsets`,
      );
    }
    labels.push(labelFor(text, `${list}:${line}`));
  }
  if (labels.length === pictures.length) return labels.values;
  throw new DataError(
    `${list}: there are ${labels.length} labels for the ${pictures.length} pictures in val`,
  );
}

function labelsOf(synsets: readonly string[]): (label: string, where: string) => number {
  const numbers = new Map(synsets.map((synset, number) => [synset, number]));
  return (label, where) => {
    const index = /^\d+$/.test(label) ? Number(label) : numbers.get(label);
    if (index !== undefined && index < synsets.length) return index;
    throw new DataError(
      `${where}: the label is '${label}', expected a synset of train or a number from 0 to ${synsets.length - 1}`,
    );
  };
}

/** Some names stand for two synsets (crane, maillot): they get the synset behind them. */
async function readNames(path: string, synsets: readonly string[]): Promise<string[]> {
  const nameOf = new Map<string, string>();
  for await (const { line, text } of readLines(path)) {
    const [, synset, name] = /^(n\d+)[\s,:]+(.+)$/.exec(text) ?? [];
    if (synset === undefined || name === undefined) {
      throw new DataError(`${path}:${line}: expected a synset and its name, such as 'n01440764 tench'`);
    }
    nameOf.set(synset, name.replace(/^"(.*)"$/, '$1'));
  }
  const names = synsets.map((synset) => {
    const name = nameOf.get(synset);
    if (name === undefined) throw new DataError(`${path}: there is no name for ${synset}`);
    return name;
  });
  const isDouble = (name: string): boolean => names.indexOf(name) !== names.lastIndexOf(name);
  return names.map((name, i) => (isDouble(name) ? `${name} (${synsets[i]})` : name));
}

function withoutEnding(name: string): string {
  const ending = extname(name);
  return /^\.(jpe?g|png)$/i.test(ending) ? name.slice(0, -ending.length) : name;
}
