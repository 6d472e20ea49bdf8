// The demo: AlexNet from nothing to predictions in a few minutes on a CPU: `npm run demo`.
// Invariant: test pictures, and other drawings of the same emoji, are never seen in training.
import { createHash } from 'node:crypto';
import { cpus } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  alexnet,
  createProgress,
  DecodePool,
  evaluate,
  ImageFolderDataset,
  loadModel,
  multiStepSchedule,
  openDevice,
  PictureCache,
  scanImageFolder,
  Trainer,
  type LabelledFiles,
  type Model,
} from '../../lib/index.js';
import { prepareEmojiFolder } from './emoji.js';

const { values } = parseArgs({
  options: {
    epochs: { type: 'string', default: '8' },
    'batch-size': { type: 'string', default: '32' },
    lr: { type: 'string', default: '0.01' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: 'demo-run' },
  },
});

const started = performance.now();
const emoji = await prepareEmojiFolder({ onProgress: (message) => console.error(message) });
console.error(emoji.licence);

const folder = await scanImageFolder(emoji.dir);
const { train, validation, test } = folder;
if (!validation || !test) {
  throw new Error(`${emoji.dir} has lost its val or test folder: remove it and start again`);
}
const { classNames } = train;

using device = openDevice('cpu');
const seed = Number(values.seed);
const model = alexnet({ classNames, preset: 'krizhevsky2012', inputSize: 227, initialization: 'lecun' });
model.initialize(device, { seed });
const { threads, instructionSet } = device.info.properties;
console.error(
  `\n${train.paths.length} training pictures, ${classNames.length} classes: ${classNames.join(', ')}\n` +
    `AlexNet with ${model.summary().parameters.toLocaleString('en')} parameters on ${cpus()[0]?.model} ` +
    `(${threads} threads, ${instructionSet})\n`,
);

const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
await trainOn(model);
delay.disable();
await report();

async function trainOn(model: Model): Promise<void> {
  const pool = new DecodePool();
  const cache = await PictureCache.open({ folder: path.join(values.out, 'cache') });
  const open = (files: LabelledFiles) => new ImageFolderDataset(files, { pool, cache });
  const data = { train: open(train), validation: open(validation as LabelledFiles) };
  const trainer = new Trainer(model, {
    epochs: Number(values.epochs),
    batchSize: Number(values['batch-size']),
    learningRate: Number(values.lr),
    // Too few epochs to wait for a plateau.
    schedule: multiStepSchedule({ milestones: [Number(values.epochs) - 2, Number(values.epochs) - 1] }),
    seed,
    out: values.out,
  });
  const progress = createProgress();
  try {
    for await (const event of trainer.fit(data)) progress.handle(event);
  } finally {
    progress.close();
    model.dispose();
    await Promise.all([data.train.close(), data.validation.close(), pool.close(), cache.close()]);
  }
}

/** Accuracy of the best weights on pictures never seen, beside what guessing would give; and some predictions. */
async function report(): Promise<void> {
  const file = path.join(values.out, 'best.safetensors');
  using best = await loadModel(file, { device });
  const files = test as LabelledFiles;
  const dataset = new ImageFolderDataset(files);
  const metrics = await evaluate(best, dataset);
  await dataset.close();
  const counts = classNames.map((_, label) => files.labels.filter((other) => other === label).length);
  const percent = (fraction: number) => `${(fraction * 100).toFixed(1)} %`;
  console.log(
    `\nTest, ${metrics.images} pictures never seen: top-1 ${percent(metrics.top1)}, top-5 ${percent(metrics.top5)} ` +
      `(guessing: ${percent(1 / classNames.length)}; always the largest class: ${percent(Math.max(...counts) / files.labels.length)})`,
  );
  console.log(
    `Total time ${Math.round((performance.now() - started) / 1000)} s; longest event-loop delay while training ${(delay.max / 1e6).toFixed(0)} ms`,
  );
  console.log(`Model: ${file}\n`);
  const shown = pick([...files.paths], 6);
  const predictions = await best.predict(shown);
  for (const [i, scored] of predictions.entries()) {
    console.log(path.relative(emoji.dir, shown[i] as string));
    for (const { className, probability } of scored) {
      console.log(`    ${percent(probability).padStart(7)}  ${className}`);
    }
  }
  console.log(`\nTry: npx alexnet predict ${values.out} ${shown[0]}`);
}

/** A handful that does not depend on the order of the folder. */
function pick(paths: readonly string[], count: number): string[] {
  const key = (file: string) => createHash('sha256').update(path.basename(file)).digest('hex');
  return [...paths].sort((a, b) => (key(a) < key(b) ? -1 : 1)).slice(0, count);
}
