// Which pictures a command works on: the splits of a folder or a store, or a part of it that is held out.
// Invariant: evaluating takes the pictures that training held out, if --hold-out and --seed are the same.

import {
  ArgumentError,
  DataError,
  ImageFolderDataset,
  openSource,
  recogniseSource,
  scaleDataset,
  scanClasses,
  splitDataset,
  StoreDataset,
  type ColourStatistics,
  type FilesSource,
  type ImageDataset,
  type ImageFolder,
  type ImageFolderDatasetOptions,
  type LabelledFiles,
  type SplitOptions,
} from '../index.js';
import { option, type Values } from './args.js';
import { defined } from './defined.js';
import { UsageError } from './usage-error.js';
import { number, text } from './values.js';

export const SPLITS = ['test', 'val', 'train'] as const;
export type Split = (typeof SPLITS)[number];

/** Part of every class that is held out where there is no validation folder. */
const HOLD_OUT = 0.1;

export const validationOption = option({
  value: 'DIR',
  parse: text,
  help: 'validation pictures, DIR/<class>/<picture> or a store, instead of DIR/val',
});

export const holdOutOption = option({
  value: 'F',
  parse: number('a fraction between 0 and 1, e.g. 0.1', (value) => value > 0 && value < 1),
  help: `part of every class that is held out for validation where DIR has no val folder (default ${HOLD_OUT})`,
});

export const sourceOptions = {
  listDir: option({
    value: 'DIR',
    parse: text,
    help: 'for a CSV or JSON list: the folder that its file names are relative to (default: that of the list)',
  }),
  valLabels: option({
    value: 'FILE',
    parse: text,
    help: 'for ImageNet: the classes of the pictures in DIR/val (default: DIR/val.txt or DIR/LOC_val_solution.csv)',
  }),
};

type SourceArguments = Values<Record<never, never>, typeof sourceOptions>;

/** Files to be decoded, or pictures that are decoded. */
export type Pictures = LabelledFiles | ImageDataset;

export function pictureCount(pictures: Pictures): number {
  return pictures.labels.length;
}

/**
 * Opens pictures as squares of a side; those in memory are scaled to it.
 * @param options.side  in pixels; not for files with a pool, which has its own
 * @throws ArgumentError if a store has another side
 */
export function openPictures(
  pictures: Pictures,
  { side, files }: { readonly side: number; readonly files: ImageFolderDatasetOptions },
): ImageDataset {
  if ('paths' in pictures) return new ImageFolderDataset(pictures, files);
  if (!(pictures instanceof StoreDataset)) return scaleDataset(pictures, { side });
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
  /** Of the training pictures, where they are known. */
  readonly colours: ColourStatistics | undefined;
  readonly holdOut: (options: SplitOptions) => { readonly train: Pictures; readonly validation: Pictures };
}

async function splitsOf(path: string, args: SourceArguments): Promise<PictureSource> {
  const source = await openSource(path, asOptions(args));
  if (source.format !== 'store') {
    const { format, train, test } = source;
    const validation = 'validation' in source ? source.validation : undefined;
    const holdOut = (options: SplitOptions) =>
      'paths' in train ? splitDataset(train, options) : splitDataset(train, options);
    const part = format === 'folder' || format === 'imagenet' ? 'folder' : 'split';
    return { part, train, validation, test, colours: undefined, holdOut };
  }
  // Open until the process ends: the datasets read from it.
  const { store } = source;
  const split = (name: 'validation' | 'test'): StoreDataset | undefined =>
    store.splits.includes(name) ? store.dataset(name) : undefined;
  return {
    part: 'split',
    train: store.dataset('train'),
    validation: split('validation'),
    test: split('test'),
    colours: store.colours,
    holdOut: (options) => store.holdOut(options),
  };
}

function asOptions({ listDir, valLabels }: SourceArguments): {
  pictures?: string;
  validationLabels?: string;
} {
  return defined({ pictures: listDir, validationLabels: valLabels });
}

/**
 * The files of a folder, a list or ImageNet.
 * @throws UsageError if there are pictures that are decoded already
 */
export async function filesIn(path: string, args: SourceArguments): Promise<ImageFolder> {
  const options = asOptions(args);
  const format = await recogniseSource(path, options);
  if (format === 'store') throw new UsageError(`${path} is a store already; give the folder of pictures`);
  if (format === 'cifar10' || format === 'idx') {
    throw new UsageError(
      `${path}: these pictures need no decoding; give the folder to alexnet train as it is`,
    );
  }
  return (await openSource(path, options)) as FilesSource;
}

/** The training pictures of what `train` takes, none held out. */
export async function allPictures(
  path: string,
  args: SourceArguments,
): Promise<Pick<PictureSource, 'train' | 'colours'>> {
  return splitsOf(path, args);
}

export interface TrainingPictures {
  readonly train: Pictures;
  readonly validation: Pictures;
  /** Where the validation pictures come from. */
  readonly source: string;
  /** Of the training pictures, where they are known: a store's. */
  readonly colours: ColourStatistics | undefined;
}

interface PictureOptions extends SourceArguments {
  readonly dir: string;
  readonly holdOut: number | undefined;
  readonly seed: number;
}

interface ValidationOptions {
  readonly val: string | undefined;
  readonly holdOut: number | undefined;
}

/** @throws UsageError if validation pictures are given and to be held out */
export function checkValidation({ val, holdOut }: ValidationOptions): void {
  if (val === undefined || holdOut === undefined) return;
  throw new UsageError('--val and --hold-out exclude each other: give the folder, or the part to hold out');
}

/**
 * @throws UsageError if there is no need to hold pictures out
 * @throws DataError if the folder cannot be trained on
 */
export async function trainingPictures(
  options: PictureOptions & ValidationOptions,
): Promise<TrainingPictures> {
  checkValidation(options);
  const { dir, val, holdOut = HOLD_OUT, seed } = options;
  const folder = await splitsOf(dir, options);
  const { colours } = folder;
  if (val !== undefined) {
    const format = await recogniseSource(val);
    const validation = format === 'folder' ? await scanClasses(val) : (await splitsOf(val, options)).train;
    checkSameClasses(validation, folder.train, { val, dir });
    return { train: folder.train, validation, source: `from ${val}`, colours };
  }
  if (!folder.validation) {
    const source = `held out: ${Number((holdOut * 100).toPrecision(3))} % of every class`;
    return { ...folder.holdOut({ holdOut, seed }), source, colours };
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
    colours,
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
  const { train, validation, test, part, holdOut: divide } = await splitsOf(dir, options);
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
