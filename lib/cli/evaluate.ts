// `alexnet evaluate`: loss, accuracies and confusions of trained weights over a folder of pictures.
// Invariant: says which pictures it took; pictures that could not be read are named and not counted.

import { writeFile } from 'node:fs/promises';
import {
  DEFAULT_SIDE,
  evaluate as evaluateModels,
  evaluationReport,
  FileWriteError,
  findWeights,
  formatCount,
  formatPercent,
  loadModel,
  openDevice,
  writeEvaluationPage,
  type ClassMetrics,
  type Device,
  type Evaluation,
  type ImageDataset,
  type InferencePrecision,
  type Model,
} from '../index.js';
import { option, flag, positional, remaining, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { device, inferencePrecision, seed, strict, threads, workers } from './options.js';
import { counted, LiveLine, note, print, printJson } from './output.js';
import { evaluationPictures, holdOutOption, openPictures, sourceOptions, SPLITS } from './pictures.js';
import { integer, oneOf, text } from './values.js';

const positionals = {
  runs: remaining(
    'RUN',
    'folder of a training (its best weights are taken), or a .safetensors file; the predictions of several are averaged',
  ),
  dir: positional('DIR', 'pictures, as for train; also one split of a folder'),
};

const options = {
  split: option({
    value: 'NAME',
    parse: oneOf(SPLITS),
    help: 'test, val or train (default: test if DIR has it, else val, else all pictures)',
  }),
  holdOut: holdOutOption,
  ...sourceOptions,
  seed: { ...seed, help: 'of the training, for the pictures that it held out (default 0)' },
  batchSize: option({ value: 'N', parse: integer({ from: 1 }), absent: 128, help: 'pictures at a time' }),
  views: option({
    value: 'N',
    parse: oneOf([1, 10]),
    absent: 1,
    help: '1: the centre; 10: average corners and centre, mirrored too; takes ten times as long',
  }),
  mistakes: option({
    value: 'N',
    parse: integer({ from: 0, to: 10_000 }),
    help: 'how many of the surest mistakes are listed (default 5, in a report 24)',
  }),
  confusion: option({
    value: 'FILE',
    parse: text,
    help: 'write the confusion matrix as CSV, a row a class',
  }),
  report: option({
    value: 'FILE',
    parse: text,
    help:
      'write all of it: every class, the most confused ones, the surest mistakes; as a page with their pictures if ' +
      'FILE ends with .html, else as Markdown',
  }),
  strict,
  precision: inferencePrecision,
  device,
  threads,
  workers,
  json: flag('the result as one JSON object'),
};

type Arguments = Values<typeof positionals, typeof options>;

export const evaluate = command({
  name: 'evaluate',
  summary: 'Loss, accuracies and confusions of trained weights over a folder of pictures.',
  positionals,
  options,
  details: [
    'If training held pictures out of DIR because it had no val folder, --split val takes the same ones, given the ' +
      '--hold-out and --seed of the training.',
  ],
  examples: [
    'alexnet evaluate run flowers',
    'alexnet evaluate run-1 run-2 run-3 run-4 run-5 flowers --views 10',
    'alexnet evaluate run/last.safetensors flowers --split val --json',
  ],
  run: runEvaluation,
});

async function runEvaluation(args: Arguments): Promise<ExitCode> {
  const weights: string[] = [];
  const quantized = args.precision === 'int8';
  for (const run of args.runs) weights.push(await findWeights(run, { quantized }));
  const { files, what } = await evaluationPictures(args);
  using opened = openDevice(args.device, defined({ threads: args.threads }));
  const models: Model[] = [];
  let dataset: ImageDataset | undefined;
  try {
    await loadInto(models, { weights, device: opened, ...defined({ precision: args.precision }) });
    const side = models[0]?.preprocessing?.options.side ?? DEFAULT_SIDE;
    dataset = openPictures(files, {
      side,
      files: { side, strict: args.strict, ...defined({ workers: args.workers }) },
    });
    const evaluation = await measure(models, dataset, args);
    for (const { path, reason } of dataset.failures) note(`skipped ${path}: ${reason}`);
    if (args.confusion !== undefined) await write(args.confusion, evaluation.confusion.toCsv());
    if (args.report !== undefined) await writeReport(args.report, { weights, what, evaluation }, dataset);
    if (args.json) printJson(asObject({ weights, what, evaluation }, dataset));
    else printText({ weights, what, evaluation }, args);
    return 0;
  } finally {
    for (const model of models) model.dispose();
    await dataset?.close();
  }
}

/** Fills `models`, so that those that were loaded can be released when one cannot. */
async function loadInto(
  models: Model[],
  {
    weights,
    ...how
  }: { readonly weights: readonly string[]; device: Device; precision?: InferencePrecision },
): Promise<void> {
  for (const file of weights) models.push(await loadModel(file, how));
}

async function measure(
  models: readonly Model[],
  dataset: ImageDataset,
  { batchSize, views, mistakes, report }: Arguments,
): Promise<Evaluation> {
  using line = new LiveLine();
  return await evaluateModels(models, dataset, {
    batchSize,
    mistakes: mistakes ?? (report === undefined ? LISTED_MISTAKES : REPORTED_MISTAKES),
    views: views === 10 ? 'ten' : 'centre',
    onProgress: ({ imagesDone, images }) =>
      line.show(`evaluated ${formatCount(imagesDone)} of ${formatCount(images)} pictures`),
  });
}

async function writeReport(
  file: string,
  { weights, what, evaluation }: Result,
  dataset: ImageDataset,
): Promise<void> {
  if (/\.html?$/i.test(file)) {
    const facts = [['weights', weights.join(', ')] as const, ['pictures', what] as const];
    await writeEvaluationPage(file, evaluation, { dataset, title: `Evaluation: ${what}`, facts });
  } else {
    await write(file, evaluationReport(evaluation, { title: `${weights.join(', ')} on ${what}` }));
  }
}

async function write(file: string, contents: string): Promise<void> {
  try {
    await writeFile(file, contents);
  } catch (cause) {
    throw new FileWriteError(file, `it cannot be written: ${(cause as Error).message}`, { cause });
  }
}

interface Result {
  readonly weights: readonly string[];
  readonly what: string;
  readonly evaluation: Evaluation;
}

function asObject({ weights, what, evaluation }: Result, { failures }: ImageDataset): unknown {
  const { confusion, mistakes, ...metrics } = evaluation;
  const { classes, macro } = confusion;
  const { entries } = confusion.toJSON();
  return {
    ...{ weights, pictures: what, ...metrics },
    ...{ macro, classes, confusion: entries, mistakes, skipped: failures },
  };
}

/** More classes than this are not listed in full. */
const MOST_CLASSES = 20;
const WORST_CLASSES = 10;
const CONFUSED_PAIRS = 5;
const LISTED_MISTAKES = 5;
const REPORTED_MISTAKES = 24;

function printText({ weights, what, evaluation }: Result, options: Pick<Arguments, 'mistakes'>): void {
  const { confusion, images, loss, top1, top5 } = evaluation;
  const mistakes = evaluation.mistakes.slice(0, options.mistakes ?? LISTED_MISTAKES);
  const { precision, recall, f1 } = confusion.macro;
  const whose = weights.length === 1 ? weights[0] : `the average of ${weights.join(', ')}`;
  print(`${whose} on ${counted(formatCount(images), 'picture')}: ${what}`);
  print(`loss   ${loss.toFixed(4)}`);
  print(`top-1  ${formatPercent(top1)}`);
  print(`top-5  ${formatPercent(top5)}`);
  print(
    `mean over classes: precision ${formatPercent(precision)}, recall ${formatPercent(recall)}, F1 ${formatPercent(f1)}`,
  );
  printClasses(confusion.classes.filter((one) => one.images > 0));
  const pairs = confusion.confusedPairs(CONFUSED_PAIRS);
  if (pairs.length > 0) print('most confused classes:');
  for (const pair of pairs) {
    const share = `${counted(formatCount(pair.images), 'picture')}, ${formatPercent(pair.share)}`;
    print(`  ${pair.className} taken for ${pair.takenFor}  (${share})`);
  }
  if (mistakes.length > 0) print('most certain mistakes:');
  for (const { picture, className, takenFor, probability, labelProbability } of mistakes) {
    print(
      `  ${picture}: ${takenFor} ${formatPercent(probability)}, ${className} ${formatPercent(labelProbability)}`,
    );
  }
}

function printClasses(seen: readonly ClassMetrics[]): void {
  const all = seen.length <= MOST_CLASSES;
  const worst = [...seen].sort((a, b) => a.f1 - b.f1).slice(0, WORST_CLASSES);
  const listed = all ? seen : worst;
  print(all ? 'classes:' : `the ${WORST_CLASSES} worst classes (--json has all):`);
  const width = Math.max(...listed.map(({ className }) => className.length));
  for (const { className, images, correct, precision, recall, f1 } of listed) {
    const columns = Object.entries({ precision, recall, F1: f1 }).map(
      ([name, value]) => `${name} ${formatPercent(value).padStart(7)}`,
    );
    print(
      `  ${className.padEnd(width)}  ${columns.join('  ')}  (${formatCount(correct)} of ${formatCount(images)})`,
    );
  }
}
