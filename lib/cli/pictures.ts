// Which pictures a command works on: the splits of a folder or a store, or a part of it that is held out.
// Invariant: evaluating takes the pictures that training held out, if --hold-out and --seed are the same.

import {
  ArgumentError,
  DataError,
  ImageFolderDataset,
  ImageStore,
  isStore,
  scanClasses,
  scanImageFolder,
  splitDataset,
  StoreDataset,
  type ImageDataset,
  type ImageFolderDatasetOptions,
  type LabelledFiles,
  type SplitOptions,
} from '../index.js';
import { option } from './args.js';
import { UsageError } from './usage-error.js';
import { number } from './values.js';

export const SPLITS = ['test', 'val', 'train'] as const;
export type Split = (typeof SPLITS)[number];

/** Part of every class that is held out where there is no validation folder. */
const HOLD_OUT = 0.1;

export const holdOutOption = option({
  value: 'F',
  parse: number('a fraction between 0 and 1, e.g. 0.1', (value) => value > 0 && value < 1),
  help: `part of every class that is held out for validation where DIR has no val folder (default ${HOLD_OUT})`,
});

/** Files to be decoded, or pictures of a store. */
export type Pictures = LabelledFiles | StoreDataset;

export function pictureCount(pictures: Pictures): number {
  return pictures.labels.length;
}

/**
 * Opens pictures as squares of a side.
 * @param options.side  in pixels; not for files with a pool, which has its own
 * @throws ArgumentError if a store has another side
 */
export function openPictures(
  pictures: Pictures,
  { side, files }: { readonly side: number; readonly files: ImageFolderDatasetOptions },
): ImageDataset {
  if (!(pictures instanceof StoreDataset)) return new ImageFolderDataset(pictures, files);
  if (pictures.side === side) return pictures;
  throw new ArgumentError(
    `the store holds pictures of ${pictures.side} pixels, the model takes ${side}: ` +
      `make another one with alexnet prepare DIR --out STORE --side ${side}`,
  );
}

/** The splits of a folder or of a store, and how the latter's training pictures are divided. */
interface PictureSource {
  /** What a split of it is called: 'folder', 'split'. */
  readonly part: string;
  readonly train: Pictures;
  readonly validation: Pictures | undefined;
  readonly test: Pictures | undefined;
  readonly holdOut: (options: SplitOptions) => { readonly train: Pictures; readonly validation: Pictures };
}

async function openSource(path: string): Promise<PictureSource> {
  if (!(await isStore(path))) {
    const folder = await scanImageFolder(path);
    const { train, validation, test } = folder;
    return {
      part: 'folder',
      ...{ train, validation, test },
      holdOut: (options) => splitDataset(train, options),
    };
  }
  // Open until the process ends: the datasets read from it.
  const store = await ImageStore.open(path);
  const split = (name: 'validation' | 'test'): StoreDataset | undefined =>
    store.splits.includes(name) ? store.dataset(name) : undefined;
  return {
    part: 'split',
    train: store.dataset('train'),
    validation: split('validation'),
    test: split('test'),
    holdOut: (options) => store.holdOut(options),
  };
}

export interface TrainingPictures {
  readonly train: Pictures;
  readonly validation: Pictures;
  /** Where the validation pictures come from. */
  readonly source: string;
}

interface PictureOptions {
  readonly dir: string;
  readonly holdOut: number | undefined;
  readonly seed: number;
}

/**
 * @throws UsageError if there is no need to hold pictures out
 * @throws DataError if the folder cannot be trained on
 */
export async function trainingPictures(
  options: PictureOptions & { readonly val: string | undefined },
): Promise<TrainingPictures> {
  const { dir, val, holdOut = HOLD_OUT, seed } = options;
  const folder = await openSource(dir);
  if (val !== undefined) {
    const validation = (await isStore(val)) ? (await openSource(val)).train : await scanClasses(val);
    checkSameClasses(validation, folder.train, { val, dir });
    return { train: folder.train, validation, source: `from ${val}` };
  }
  if (!folder.validation) {
    const source = `held out: ${Number((holdOut * 100).toPrecision(3))} % of every class`;
    return { ...folder.holdOut({ holdOut, seed }), source };
  }
  if (options.holdOut !== undefined) {
    throw new UsageError(
      `--hold-out: ${dir} has a ${folder.part} of validation pictures; leave the option or the ${folder.part} away`,
    );
  }
  return {
    train: folder.train,
    validation: folder.validation,
    source: `from the validation ${folder.part} of ${dir}`,
  };
}

function checkSameClasses(a: Pictures, b: Pictures, { val, dir }: { val: string; dir: string }): void {
  const missing = b.classNames.filter((name) => !a.classNames.includes(name));
  const unknown = a.classNames.filter((name) => !b.classNames.includes(name));
  if (missing.length === 0 && unknown.length === 0) return;
  const lacks = missing.length > 0 ? [`it lacks ${shortened(missing)}`] : [];
  const has = unknown.length > 0 ? [`it has ${shortened(unknown)}, which ${dir} has not`] : [];
  throw new DataError(
    `${val}: its classes are not those of ${dir}: ${[...lacks, ...has].join('; ')}. Give both the same class folders`,
  );
}

function shortened(names: readonly string[]): string {
  return names.length <= 5
    ? names.join(', ')
    : `${names.slice(0, 5).join(', ')} and ${names.length - 5} more`;
}

export interface ChosenPictures {
  readonly files: Pictures;
  /** What they are, in words. */
  readonly what: string;
}

/**
 * The pictures to evaluate on: the split that is asked for; else test, val, or all, the first that there is.
 * @throws UsageError if the folder does not have the split
 */
export async function evaluationPictures(
  options: PictureOptions & { readonly split: Split | undefined },
): Promise<ChosenPictures> {
  const { dir, split, holdOut = HOLD_OUT, seed } = options;
  const { train, validation, test, part, holdOut: divide } = await openSource(dir);
  const hasFolder = {
    test: test !== undefined,
    val: validation !== undefined,
    train: validation !== undefined,
  };
  if (options.holdOut !== undefined && (split === undefined || split === 'test' || hasFolder[split])) {
    throw new UsageError(
      '--hold-out is for --split val or --split train of a folder without validation pictures',
    );
  }
  if (test && (split ?? 'test') === 'test') return { files: test, what: `the test ${part} of ${dir}` };
  if (split === 'test') throw new UsageError(`--split test: ${dir} has no test ${part} with pictures`);
  if (validation && split !== 'train') return { files: validation, what: `the validation ${part} of ${dir}` };
  if (validation) return { files: train, what: `the training ${part} of ${dir}` };
  if (split === undefined) return { files: train, what: `all of ${dir}, which has neither test nor val` };
  const parts = divide({ holdOut, seed });
  const how = `with --hold-out ${holdOut} --seed ${seed}`;
  return split === 'val'
    ? { files: parts.validation, what: `the part of ${dir} that training holds out ${how}` }
    : { files: parts.train, what: `the part of ${dir} that training learns from ${how}` };
}
