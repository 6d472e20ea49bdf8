// `alexnet predict`: the likeliest classes of pictures.
// Invariant: one picture that cannot be decoded takes nothing from the others; it is named, and the exit code is 1.

import {
  ArgumentError,
  DecodeError,
  DecodePool,
  findWeights,
  formatPercent,
  loadModel,
  openDevice,
  type Model,
  type RgbImage,
  type ScoredClass,
} from '../index.js';
import { flag, option, positional, remaining, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { device, inferencePrecision, threads, workers } from './options.js';
import { note, print, printJson } from './output.js';
import { integer } from './values.js';

const positionals = {
  run: positional('RUN', 'folder of a training (its best weights are taken), or a .safetensors file'),
  images: remaining('IMAGE', 'picture files'),
};

const options = {
  top: option({
    value: 'N',
    parse: integer({ from: 1 }),
    absent: 5,
    help: 'classes a picture, the likeliest first',
  }),
  precision: inferencePrecision,
  device,
  threads,
  workers,
  json: flag('one JSON array with an object for every picture'),
};

export const predict = command({
  name: 'predict',
  summary: 'The likeliest classes of pictures.',
  positionals,
  options,
  details: [
    'A picture that cannot be decoded is named on stderr; the others are still predicted, and the exit code is 1.',
  ],
  examples: ['alexnet predict run rose.jpg', 'alexnet predict run --top 1 --json *.jpg'],
  run: runPrediction,
});

type Outcome =
  | { readonly image: string; readonly predictions: readonly ScoredClass[] }
  | { readonly image: string; readonly error: string };

/** Pictures that are in memory at a time. */
const CHUNK = 64;

async function runPrediction(args: Values<typeof positionals, typeof options>): Promise<ExitCode> {
  const weights = await findWeights(args.run, { quantized: args.precision === 'int8' });
  using opened = openDevice(args.device, defined({ threads: args.threads }));
  using model = await loadModel(weights, { device: opened, ...defined({ precision: args.precision }) });
  if (!model.preprocessing) {
    throw new ArgumentError(
      `${weights}: these weights were saved without preprocessing; train on pictures first`,
    );
  }
  const { side } = model.preprocessing.options;
  const pool = new DecodePool(defined({ side, workers: args.workers }));
  const outcomes: Outcome[] = [];
  try {
    for (let at = 0; at < args.images.length; at += CHUNK) {
      const chunk = args.images.slice(at, at + CHUNK);
      for (const outcome of await predictChunk(model, chunk, { pool, top: args.top })) {
        outcomes.push(outcome);
        if ('error' in outcome) note(`error: ${outcome.error}`);
        else if (!args.json) printText(outcome.image, outcome.predictions);
      }
    }
  } finally {
    await pool.close();
  }
  if (args.json) printJson(outcomes);
  return outcomes.some((outcome) => 'error' in outcome) ? 1 : 0;
}

async function predictChunk(
  model: Model,
  images: readonly string[],
  { pool, top }: { readonly pool: DecodePool; readonly top: number },
): Promise<Outcome[]> {
  const pictures = await pool.decode(images);
  const readable = pictures.filter((picture): picture is RgbImage => !(picture instanceof DecodeError));
  const predictions = await model.predict(readable, { top: Math.min(top, model.classes) });
  const next = predictions.values();
  return images.map((image, i) => {
    const picture = pictures[i];
    return picture instanceof DecodeError
      ? { image, error: picture.message }
      : { image, predictions: next.next().value ?? [] };
  });
}

function printText(image: string, predictions: readonly ScoredClass[]): void {
  print(image);
  for (const { className, probability } of predictions) {
    print(`  ${formatPercent(probability).padStart(7)}  ${className}`);
  }
}
