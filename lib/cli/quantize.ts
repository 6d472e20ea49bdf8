// `alexnet quantize`: weights in 8-bit integers, and what that costs on pictures that were not trained on.
// Invariant: accuracies before and after are always shown beside each other, of the same pictures.

import path from 'node:path';
import { stat } from 'node:fs/promises';
import {
  compareLayers,
  comparePrecisions,
  DEFAULT_SIDE,
  findWeights,
  formatBytes,
  formatCount,
  formatPercent,
  formatTable,
  INT8,
  loadModel,
  openDevice,
  quantizeOnDataset,
  saveModel,
  type Device,
  type ImageDataset,
  type LayerDeviation,
  type Model,
  type PrecisionResult,
} from '../index.js';
import { flag, option, positional, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { device, seed, strict, threads, workers } from './options.js';
import { LiveLine, note, print, printJson } from './output.js';
import {
  holdOutOption,
  openPictures,
  pictureCount,
  sourceOptions,
  trainingPictures,
  validationOption,
} from './pictures.js';
import { integer, text } from './values.js';

const positionals = {
  run: positional('RUN', 'folder of a training (its best weights are taken), or a .safetensors file'),
  dir: positional('DIR', 'pictures, as for train'),
};

const options = {
  out: option({
    value: 'FILE',
    parse: text,
    help: `where to write (default: ${INT8} in RUN, or beside the weights)`,
  }),
  images: option({
    value: 'N',
    parse: integer({ from: 1 }),
    absent: 512,
    help: 'training pictures to calibrate with',
  }),
  val: validationOption,
  holdOut: holdOutOption,
  ...sourceOptions,
  seed: { ...seed, help: 'of the training, for the pictures that it held out (default 0)' },
  strict,
  device,
  threads,
  workers,
  json: flag('what was found as one JSON object'),
};

type Arguments = Values<typeof positionals, typeof options>;

export const quantize = command({
  name: 'quantize',
  summary: 'Make weights of 8-bit integers, for faster predictions, and say what it costs.',
  positionals,
  options,
  details: [
    'Activations are measured on training pictures; accuracies are those of the validation pictures, in float32, in ' +
      'bfloat16 where that is fast, and in int8. Predict with alexnet predict RUN --precision int8. It takes a CPU with VNNI.',
  ],
  examples: [
    'alexnet quantize run flowers',
    'alexnet quantize run flowers --images 2000 --out flowers8.safetensors',
  ],
  run: runQuantization,
});

interface Opened {
  readonly train: ImageDataset;
  readonly validation: ImageDataset;
  /** Where the validation pictures come from. */
  readonly source: string;
}

async function runQuantization(args: Arguments): Promise<ExitCode> {
  const weights = await findWeights(args.run);
  const file = args.out ?? path.join(path.dirname(weights), INT8);
  using opened = openDevice(args.device, defined({ threads: args.threads }));
  using model = await loadModel(weights, { device: opened, precision: 'float32' });
  const pictures = await openBoth(args, model.preprocessing?.options.side ?? DEFAULT_SIDE);
  try {
    const { train, validation } = pictures;
    note(`calibrating with ${formatCount(Math.min(args.images, train.length))} training pictures`);
    using quantized = await quantizeOnDataset(model, train, { images: args.images, seed: args.seed });
    await saveModel(quantized, file);
    const results = await compare(model, quantized, { weights, validation, device: opened });
    const layers = await compareLayers(model, quantized, { dataset: validation });
    if (args.json) printJson({ file, pictures: pictures.source, results, layers });
    else printText({ file, bytes: (await stat(file)).size, pictures, results, layers });
    return 0;
  } finally {
    await pictures.train.close();
    await pictures.validation.close();
  }
}

async function openBoth({ strict, workers, ...args }: Arguments, side: number): Promise<Opened> {
  const { train, validation, source } = await trainingPictures(args);
  const files = { side, strict, ...defined({ workers }) };
  note(
    `${formatCount(pictureCount(train))} training, ${formatCount(pictureCount(validation))} validation pictures`,
  );
  return {
    source,
    train: openPictures(train, { side, files }),
    validation: openPictures(validation, { side, files }),
  };
}

async function compare(
  model: Model,
  quantized: Model,
  of: { readonly weights: string; readonly validation: ImageDataset; readonly device: Device },
): Promise<PrecisionResult[]> {
  const { weights, validation, device } = of;
  using line = new LiveLine();
  line.show(`evaluating on ${formatCount(validation.length)} pictures`);
  if (device.support('bfloat16') !== 'fast') return await comparePrecisions([model, quantized], validation);
  using narrow = await loadModel(weights, { device, precision: 'bfloat16' });
  return await comparePrecisions([model, narrow, quantized], validation);
}

function printText(found: {
  readonly file: string;
  readonly bytes: number;
  readonly pictures: Opened;
  readonly results: readonly PrecisionResult[];
  readonly layers: readonly LayerDeviation[];
}): void {
  const { file, bytes, pictures, results, layers } = found;
  const rows = results.map(({ precision, top1, top5, loss, agreement }) => [
    ...[precision, formatPercent(top1), formatPercent(top5), loss.toFixed(4), formatPercent(agreement)],
  ]);
  const deviations = layers.map(({ name, decibel, cosine }) => [name, decibel.toFixed(1), cosine.toFixed(5)]);
  print(`${file}: ${formatBytes(bytes)}`);
  print(`on ${formatCount(results[0]?.images ?? 0)} validation pictures, ${pictures.source}:`);
  print(
    formatTable([['precision', 'top-1', 'top-5', 'loss', 'same class as float32'], ...rows], { left: 1 }),
  );
  print('outputs of layers in int8 beside those in float32:');
  print(formatTable([['layer', 'SNR dB', 'cosine'], ...deviations], { left: 1 }));
}
