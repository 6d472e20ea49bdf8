// Which pictures a command works on: the splits of a folder, or a part of it that is held out.
// Invariant: evaluating takes the pictures that training held out, if --hold-out and --seed are the same.

import { DataError, scanClasses, scanImageFolder, splitDataset, type LabelledFiles } from '../index.js';
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

export interface TrainingPictures {
  readonly train: LabelledFiles;
  readonly validation: LabelledFiles;
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
  const folder = await scanImageFolder(dir);
  if (val !== undefined) {
    const validation = await scanClasses(val);
    checkSameClasses(validation, folder.train, { val, dir });
    return { train: folder.train, validation, source: `from ${val}` };
  }
  if (!folder.validation) {
    const source = `held out: ${Number((holdOut * 100).toPrecision(3))} % of every class`;
    return { ...splitDataset(folder.train, { holdOut, seed }), source };
  }
  if (options.holdOut !== undefined) {
    throw new UsageError(
      `--hold-out: ${dir} has a folder of validation pictures; leave the option or the folder away`,
    );
  }
  return {
    train: folder.train,
    validation: folder.validation,
    source: `from the validation folder of ${dir}`,
  };
}

function checkSameClasses(
  a: LabelledFiles,
  b: LabelledFiles,
  { val, dir }: { val: string; dir: string },
): void {
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
  readonly files: LabelledFiles;
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
  const { train, validation, test } = await scanImageFolder(dir);
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
  if (test && (split ?? 'test') === 'test') return { files: test, what: `the test folder of ${dir}` };
  if (split === 'test') throw new UsageError(`--split test: ${dir} has no test folder with pictures`);
  if (validation && split !== 'train') return { files: validation, what: `the validation folder of ${dir}` };
  if (validation) return { files: train, what: `the training folder of ${dir}` };
  if (split === undefined) return { files: train, what: `all of ${dir}, which has neither test nor val` };
  const parts = splitDataset(train, { holdOut, seed });
  const how = `with --hold-out ${holdOut} --seed ${seed}`;
  return split === 'val'
    ? { files: parts.validation, what: `the part of ${dir} that training holds out ${how}` }
    : { files: parts.train, what: `the part of ${dir} that training learns from ${how}` };
}
