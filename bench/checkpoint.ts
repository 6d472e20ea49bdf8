// What checkpoints cost AlexNet's training, and how long they hold the event loop: `npm run bench:checkpoint`.
// Invariant: a checkpoint is charged with all by which its steps are longer than the ones between that nothing disturbs.
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { alexnet, InMemoryDataset, openDevice, Preprocessing, subsetDataset, Trainer } from '../lib/index.js';

const { values } = parseArgs({
  options: {
    'batch-size': { type: 'string', default: '64' },
    steps: { type: 'string', default: '26' },
    every: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '3' },
  },
});
const [batchSize, steps, every, rounds] = (['batch-size', 'steps', 'every', 'rounds'] as const).map((name) =>
  Number(values[name]),
) as [number, number, number, number];

const device = openDevice('cpu');
const [SIDE, PICTURES, CLASSES] = [256, 128, 1000];
const images = Uint8Array.from({ length: PICTURES * SIDE * SIDE * 3 }, (_, i) => (i * 31) % 251);
const labels = Array.from({ length: PICTURES }, (_, i) => i % CLASSES);
const classNames = Array.from({ length: CLASSES }, (_, i) => String(i));
const few = new InMemoryDataset({ images, labels, classNames, side: SIDE });
const train = subsetDataset(
  few,
  Array.from({ length: steps * batchSize }, (_, i) => i % PICTURES),
);

interface Round {
  /** From a step's event to the next one's, the first two left out: they compile kernels and fill caches. */
  readonly stepsMs: readonly number[];
  readonly longestDelayMs: number;
  readonly writes: readonly { readonly bytes: number; readonly durationMs: number }[];
}

async function round(everySteps: number): Promise<Round> {
  const out = mkdtempSync(join(tmpdir(), 'alexnet-bench-'));
  using model = alexnet({ classNames, preset: 'krizhevsky2012', inputSize: 227 });
  model.initialize(device, { seed: 1 });
  const mean = Float32Array.of(120, 120, 120);
  model.preprocessing = new Preprocessing({ side: SIDE, crop: 227, mean, std: [1, 1, 1] });
  const trainer = new Trainer(model, {
    ...{ epochs: 1, batchSize, learningRate: 1e-4, deadStartSteps: 0 },
    ...(everySteps > 0 && { out, checkpoints: { everySteps } }),
  });
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const writes: { bytes: number; durationMs: number }[] = [];
  const marks: number[] = [];
  for await (const event of trainer.fit({ train })) {
    if (event.type === 'checkpoint') writes.push({ bytes: event.bytes, durationMs: event.durationMs });
    if (event.type !== 'step') continue;
    if (event.step === 2) delay.enable();
    if (event.step >= 2) marks.push(performance.now());
  }
  delay.disable();
  rmSync(out, { recursive: true });
  const stepsMs = marks.slice(1).map((mark, i) => mark - marks[i]!);
  return { stepsMs, longestDelayMs: delay.max / 1e6, writes };
}

const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[numbers.length >> 1]!;

/** Of each checkpoint within an epoch: the time by which it made training longer. */
function costs({ stepsMs }: Round): number[] {
  const costs: number[] = [];
  // The checkpoint of step `every` is taken before the step behind it, and written beside the ones that follow.
  for (let first = every - 2; first + every <= stepsMs.length; first += every) {
    const cycle = stepsMs.slice(first, first + every);
    const undisturbed = median(cycle.slice(-2));
    costs.push(cycle.reduce((sum, ms) => sum + ms, 0) - every * undisturbed);
  }
  return costs;
}

const plain = await round(0);
const saving: Round[] = [];
for (let i = 0; i < rounds; i++) saving.push(await round(every));
const writes = saving.flatMap((each) => each.writes);
const stepMs = median(plain.stepsMs);
const costMs = median(saving.flatMap(costs));
const rounded = (value: number, digits = 0) => Number(value.toFixed(digits));
const report = {
  cpu: cpus()[0]?.model,
  threads: device.info.properties['threads'],
  batchSize,
  checkpointMiB: Math.round(writes[0]!.bytes / 2 ** 20),
  writtenInMs: rounded(median(writes.map(({ durationMs }) => durationMs))),
  stepMs: rounded(stepMs),
  costOfACheckpointMs: rounded(costMs),
  percentOfAStepAtTheDefaultInterval: rounded((costMs / 1000 / stepMs) * 100, 3),
  longestEventLoopDelayMs: {
    without: rounded(plain.longestDelayMs),
    with: rounded(Math.max(...saving.map(({ longestDelayMs }) => longestDelayMs))),
  },
};
console.log(JSON.stringify(report, null, 2));
device.dispose();
