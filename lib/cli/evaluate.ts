// `alexnet evaluate`: loss and accuracies of trained weights over a folder of pictures.
// Invariant: says which pictures it took; pictures that could not be read are named and not counted.

import {
  DEFAULT_SIDE,
  evaluate as evaluateModel,
  findWeights,
  formatCount,
  formatPercent,
  loadModel,
  openDevice,
  type EvaluatedBatch,
  type EvaluationViews,
  type ImageDataset,
  type Metrics,
  type Model,
} from '../index.js';
import { flag, option, positional, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { device, seed, strict, threads, workers } from './options.js';
import { counted, LiveLine, note, print, printJson } from './output.js';
import { evaluationPictures, holdOutOption, openPictures, SPLITS } from './pictures.js';
import { integer, oneOf } from './values.js';

const positionals = {
  run: positional('RUN', 'folder of a training (its best weights are taken), or a .safetensors file'),
  dir: positional('DIR', 'folder of pictures or store, as for train; also one split of a folder'),
};

const options = {
  split: option({
    value: 'NAME',
    parse: oneOf(SPLITS),
    help: 'test, val or train (default: test if DIR has it, else val, else all pictures)',
  }),
  holdOut: holdOutOption,
  seed: { ...seed, help: 'of the training, for the pictures that it held out (default 0)' },
  batchSize: option({ value: 'N', parse: integer({ from: 1 }), absent: 128, help: 'pictures at a time' }),
  tenView: flag(
    'average the predictions of ten crops: corners and centre, mirrored too; takes ten times as long',
  ),
  strict,
  device,
  threads,
  workers,
  json: flag('the result as one JSON object'),
};

export const evaluate = command({
  name: 'evaluate',
  summary: 'Loss and accuracies of trained weights over a folder of pictures.',
  positionals,
  options,
  details: [
    'If training held pictures out of DIR because it had no val folder, --split val takes the same ones, given the ' +
      '--hold-out and --seed of the training.',
  ],
  examples: [
    'alexnet evaluate run flowers',
    'alexnet evaluate run/last.safetensors flowers --split val --json',
  ],
  run: runEvaluation,
});

/** How many pictures of a class there were, and how many were recognised. */
interface ClassResult {
  readonly className: string;
  images: number;
  top1: number;
}

async function runEvaluation(args: Values<typeof positionals, typeof options>): Promise<ExitCode> {
  const weights = await findWeights(args.run);
  const { files, what } = await evaluationPictures(args);
  using opened = openDevice(args.device, defined({ threads: args.threads }));
  using model = await loadModel(weights, { device: opened });
  const side = model.preprocessing?.options.side ?? DEFAULT_SIDE;
  const dataset = openPictures(files, {
    side,
    // Every picture is read once.
    files: { side, strict: args.strict, cacheBytes: 0, ...defined({ workers: args.workers }) },
  });
  try {
    const classes = files.classNames.map((className) => ({ className, images: 0, top1: 0 }));
    const metrics = await measure(model, {
      dataset,
      classes,
      batchSize: args.batchSize,
      views: args.tenView ? 'ten' : 'centre',
    });
    for (const { path, reason } of dataset.failures) note(`skipped ${path}: ${reason}`);
    if (args.json) printJson(asObject({ weights, what, metrics, classes, skipped: dataset.failures }));
    else printText({ weights, what, metrics, classes });
    return 0;
  } finally {
    await dataset.close();
  }
}

interface Measurement {
  readonly dataset: ImageDataset;
  /** Counted into. */
  readonly classes: readonly ClassResult[];
  readonly batchSize: number;
  readonly views: EvaluationViews;
}

async function measure(model: Model, { dataset, classes, ...how }: Measurement): Promise<Metrics> {
  using line = new LiveLine();
  return await evaluateModel(model, dataset, {
    ...how,
    onBatch: (batch) => count(classes, batch),
    onProgress: ({ imagesDone, images }) =>
      line.show(`evaluated ${formatCount(imagesDone)} of ${formatCount(images)} pictures`),
  });
}

function count(classes: readonly ClassResult[], { labels, ranks }: EvaluatedBatch): void {
  labels.forEach((label, i) => {
    const result = classes[label]!;
    result.images += 1;
    if (ranks[i] === 0) result.top1 += 1;
  });
}

interface Result {
  readonly weights: string;
  readonly what: string;
  readonly metrics: Metrics;
  readonly classes: readonly ClassResult[];
}

function asObject({
  weights,
  what,
  metrics,
  classes,
  skipped,
}: Result & { skipped: readonly unknown[] }): unknown {
  const perClass = classes.map(({ className, images, top1 }) => ({ className, images, top1: top1 / images }));
  return { weights, pictures: what, ...metrics, classes: perClass, skipped };
}

/** More classes than this are not listed in full. */
const MOST_CLASSES = 20;
const WORST_CLASSES = 10;

function printText({ weights, what, metrics, classes }: Result): void {
  print(`${weights} on ${counted(formatCount(metrics.images), 'picture')}: ${what}`);
  print(`loss   ${metrics.loss.toFixed(4)}`);
  print(`top-1  ${formatPercent(metrics.top1)}`);
  print(`top-5  ${formatPercent(metrics.top5)}`);
  const seen = classes.filter(({ images }) => images > 0);
  const all = seen.length <= MOST_CLASSES;
  const worst = [...seen].sort((a, b) => a.top1 / a.images - b.top1 / b.images).slice(0, WORST_CLASSES);
  const listed = all ? seen : worst;
  print(all ? 'top-1 of each class:' : `top-1 of the ${WORST_CLASSES} worst classes (--json has all):`);
  const width = Math.max(...listed.map(({ className }) => className.length));
  for (const { className, images, top1 } of listed) {
    const share = formatPercent(top1 / images).padStart(7);
    print(`  ${className.padEnd(width)}  ${share}  (${formatCount(top1)} of ${formatCount(images)})`);
  }
}
