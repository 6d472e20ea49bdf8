// What it costs AlexNet's training to be watched and saved, and how long that holds the event loop: `npm run bench:watch`.
// Invariant: what is compared takes turns every few steps of one training, so that a slow minute slows all of it alike.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { PassThrough } from 'node:stream';
import { parseArgs } from 'node:util';
import {
  alexnet,
  createProgress,
  Dashboard,
  HtmlReport,
  InMemoryDataset,
  JsonLinesLogger,
  openDevice,
  Preprocessing,
  RunRecord,
  subsetDataset,
  TensorBoardLogger,
  Trainer,
  type ImageDataset,
  type Model,
  type StepEvent,
  type TrainerOptions,
  type TrainingEvent,
} from '../lib/index.js';

const { values } = parseArgs({
  options: {
    'batch-size': { type: 'string', default: '64' },
    turn: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '9' },
  },
});
const [batchSize, turn, rounds] = (['batch-size', 'turn', 'rounds'] as const).map((name) =>
  Number(values[name]),
) as [number, number, number];

const device = openDevice('cpu');
const [SIDE, PICTURES, CLASSES] = [256, 128, 1000];
const few = new InMemoryDataset({
  images: Uint8Array.from({ length: PICTURES * SIDE * SIDE * 3 }, (_, i) => (i * 31) % 251),
  labels: Array.from({ length: PICTURES }, (_, i) => i % CLASSES),
  classNames: Array.from({ length: CLASSES }, (_, i) => String(i)),
  side: SIDE,
});

const quantile = (numbers: readonly number[], share: number) =>
  [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))]!;
const median = (numbers: readonly number[]) => quantile(numbers, 0.5);
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const rounded = (value: number, digits = 0) => Number(value.toFixed(digits));

/** How long the event loop is held, by whatever else the machine does too, and by the work of its own thread. */
interface LoopHeld {
  readonly longestEventLoopDelayMs: number;
  /** CPU time of the main thread between two looks; undefined where the system does not say. */
  readonly ofThatOwnWorkMs: number | undefined;
}

const LOOK_MS = 5;

class LoopWatch {
  readonly #delay = monitorEventLoopDelay({ resolution: 1 });
  readonly #timer: NodeJS.Timeout;
  #last = mainThreadMs();
  #longestMs = 0;

  constructor() {
    this.#delay.enable();
    this.#timer = setInterval(() => {
      const now = mainThreadMs();
      this.#longestMs = Math.max(this.#longestMs, (now ?? 0) - (this.#last ?? 0));
      this.#last = now;
    }, LOOK_MS);
  }

  /** Since the last call. */
  take(): LoopHeld {
    const ofThatOwnWorkMs = this.#last === undefined ? undefined : this.#longestMs;
    const held = { longestEventLoopDelayMs: this.#delay.max / 1e6, ofThatOwnWorkMs };
    this.#delay.reset();
    this.#longestMs = 0;
    return held;
  }

  close(): void {
    this.#delay.disable();
    clearInterval(this.#timer);
  }
}

/** CPU time of the main thread so far; Linux only. */
function mainThreadMs(): number | undefined {
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
    return Number(nanoseconds) / 1e6;
  } catch {
    return undefined;
  }
}

function longest(held: readonly LoopHeld[]): LoopHeld {
  const most = (numbers: readonly number[]) => rounded(Math.max(...numbers));
  const own = held.flatMap(({ ofThatOwnWorkMs }) => ofThatOwnWorkMs ?? []);
  return {
    longestEventLoopDelayMs: most(held.map(({ longestEventLoopDelayMs: ms }) => ms)),
    ofThatOwnWorkMs: own.length > 0 ? most(own) : undefined,
  };
}

/** Who takes the events of a turn. */
type Handler = { handle(event: TrainingEvent): void };

/** In each round but the first, which compiles kernels and fills caches. */
interface Turn {
  /** From an event to the next one. */
  readonly rounds: number[][];
  /** In the handlers. */
  readonly handlersMs: number[];
  readonly held: LoopHeld[];
}

interface Turns<Name extends string> {
  readonly turns: Readonly<Record<Name, Turn>>;
  readonly checkpoints: { bytes: number; durationMs: number }[];
  /** While the epoch ends. */
  readonly endHeld: LoopHeld;
}

/**
 * Trains for an epoch, in which the handlers take turns. What the trainer does every round falls into the first turn.
 * @param close  what the end of the training waits for
 */
async function takeTurns<Name extends string>(
  handlers: Readonly<Record<Name, readonly Handler[]>>,
  { model, options, close = async () => {} }: RoundOptions,
): Promise<Turns<Name>> {
  const names = Object.keys(handlers) as Name[];
  const round = names.length * turn;
  const turns = Object.fromEntries(
    names.map((name): [string, Turn] => [name, { rounds: [], handlersMs: [], held: [] }]),
  ) as Record<Name, Turn>;
  const checkpoints: { bytes: number; durationMs: number }[] = [];
  const watch = new LoopWatch();
  let [last, name, stepsMs] = [performance.now(), names[0]!, [] as number[]];
  for await (const event of trainer(model, options, { steps: (rounds + 1) * round })) {
    if (event.type === 'checkpoint') checkpoints.push(event);
    if (event.type === 'step') {
      const now = performance.now();
      stepsMs.push(now - last);
      last = now;
      const isMeasured = event.step > round;
      if (isMeasured) turns[name].handlersMs.push(event.handlersMs);
      // What the trainer does with step n is done before the event of n.
      const isTurnOver = (event.step + 1) % turn === 0;
      if (isTurnOver) {
        const held = watch.take();
        if (isMeasured) {
          turns[name].rounds.push(stepsMs);
          turns[name].held.push(held);
        }
        [name, stepsMs] = [names[Math.floor(((event.step + 1) % round) / turn)]!, []];
      }
    }
    const isEnd = event.type === 'epoch' || event.type === 'done';
    const active = isEnd ? new Set(names.flatMap((each) => handlers[each])) : handlers[name];
    for (const handler of active) handler.handle(event);
    if (event.type === 'epoch') watch.take();
  }
  await close();
  const endHeld = watch.take();
  watch.close();
  return { turns, checkpoints, endHeld };
}

interface RoundOptions {
  readonly model: Model;
  readonly options: TrainerOptions;
  readonly close?: () => Promise<void>;
}

function trainer(model: Model, options: TrainerOptions, { steps }: { readonly steps: number }) {
  const common = { epochs: 1, batchSize, learningRate: 1e-4, deadStartSteps: 0 };
  return new Trainer(model, { ...common, ...options }).fit({ train: pictures(steps) });
}

function pictures(steps: number): ImageDataset {
  return subsetDataset(
    few,
    Array.from({ length: steps * batchSize }, (_, i) => i % PICTURES),
  );
}

function makeModel(): Model {
  const model = alexnet({ classNames: few.classNames, preset: 'krizhevsky2012', inputSize: 227 });
  model.initialize(device, { seed: 1 });
  const mean = Float32Array.of(120, 120, 120);
  model.preprocessing = new Preprocessing({ side: SIDE, crop: 227, mean, std: [1, 1, 1] });
  return model;
}

/** A page that is open all the time, in a process of its own; it says at its end how much it was sent. */
function openPage(url: string): ChildProcess {
  const script = `let bytes = 0;
    for await (const piece of (await fetch(${JSON.stringify(`${url}events`)})).body) bytes += piece.length;
    console.log(bytes);`;
  return spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** As much as a page is ever sent: a training that has run for long. */
function longHistory(): TrainingEvent[] {
  const one: Omit<StepEvent, 'step'> = {
    ...{ type: 'step', epoch: 1, epochs: 2, stepInEpoch: 1, stepsPerEpoch: 2, batchSize, loss: Math.LN2 },
    ...{ top1: 1 / 3, top5: 2 / 3, learningRate: 0.01, imagesPerSecond: 123.456, remainingMs: 1e6 },
    ...{ dataWaitMs: 0.123456789, submitMs: 1.23456789, deviceWaitMs: 512.345678, handlersMs: 0.0123456 },
    memory: { inUseBytes: 1e9, peakBytes: 1.1e9 },
  };
  return Array.from({ length: 1990 }, (_, i) => ({ ...one, step: i + 1 }));
}

function logsIn(folder: string, model: Model) {
  const terminal = Object.assign(new PassThrough().resume(), { isTTY: true, columns: 120 });
  return {
    progress: createProgress({ stream: terminal, env: { TERM: 'xterm' } }),
    written: [
      new JsonLinesLogger(join(folder, 'log.jsonl')),
      new TensorBoardLogger(join(folder, 'tensorboard'), { model }),
    ],
  };
}

async function watched() {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-bench-'));
  using model = makeModel();
  const data = { train: pictures(1000) };
  const record = new RunRecord({ model, data });
  record.recall(longHistory());
  const dashboard = await Dashboard.open(record);
  const page = openPage(dashboard.url);
  let sent = '';
  page.stdout?.setEncoding('utf8').on('data', (text: string) => (sent += text));
  const report = new HtmlReport(join(folder, 'report.html'), record);
  const [logs, more] = [logsIn(join(folder, 'a'), model), logsIn(join(folder, 'b'), model)];
  const turns = await takeTurns(
    {
      layers: [],
      plain: [],
      logs: [logs.progress, ...logs.written],
      dashboard: [more.progress, ...more.written, record, report],
    },
    {
      model,
      options: { layerSteps: 4 * turn },
      close: async () => {
        for (const { progress, written } of [logs, more]) {
          progress.close();
          for (const logger of written) await logger.close();
        }
        for (const logger of [record, report]) await logger.close();
      },
    },
  );
  await dashboard.close();
  if (page.exitCode === null) await once(page, 'exit');
  rmSync(folder, { recursive: true });
  return { ...turns, pageKiB: Number(sent) / 1024 };
}

async function saved() {
  const out = mkdtempSync(join(tmpdir(), 'alexnet-bench-'));
  using model = makeModel();
  const options = { out, layerSteps: 0, checkpoints: { everySteps: 2 * turn } };
  const turns = await takeTurns({ checkpoint: [], plain: [] }, { model, options });
  rmSync(out, { recursive: true });
  return turns;
}

const watch = await watched();
const save = await saved();

const stepMs = median([watch, save].flatMap(({ turns }) => turns.plain.rounds.flat()));
const percent = (ms: number) => rounded((ms / stepMs) * 100, 2);

/** Of what is done in each step: its median step beside that of the plain turn of the same round. */
function ofEveryStep(one: Turn) {
  const ratios = one.rounds.map((steps, i) => median(steps) / median(watch.turns.plain.rounds[i]!));
  const [low, middle, high] = [0.25, 0.5, 0.75].map((share) =>
    rounded(quantile(ratios, share) * 100 - 100, 1),
  );
  return {
    percentOfAStep: middle,
    quartiles: [low, high],
    handlersMs: {
      median: rounded(median(one.handlersMs), 2),
      longest: rounded(Math.max(...one.handlersMs), 1),
    },
    ...longest(one.held),
  };
}

/** Of what is done once a turn: by how much that turn is longer than as many plain steps. */
function ofOne(one: Turn, plain: Turn, { everySteps }: { readonly everySteps: number }) {
  const costs = one.rounds.map((steps, i) => sum(steps) - turn * median(plain.rounds[i]!));
  return {
    costOfOneMs: rounded(median(costs)),
    quartiles: [0.25, 0.75].map((share) => rounded(quantile(costs, share))),
    percentOfAStepAtTheDefaultInterval: percent(median(costs) / everySteps),
    ...longest(one.held),
  };
}

console.log(
  JSON.stringify(
    {
      cpu: cpus()[0]?.model,
      threads: device.info.properties['threads'],
      ...{ batchSize, stepsATurn: turn, rounds },
      plain: {
        stepMs: rounded(stepMs),
        stepMsOfTheRounds: watch.turns.plain.rounds.map((steps) => rounded(median(steps))),
        ...longest(watch.turns.plain.held),
      },
      'progress, log.jsonl and TensorBoard': ofEveryStep(watch.turns.logs),
      'and the dashboard with a page open': {
        ...ofEveryStep(watch.turns.dashboard),
        pageWasSentKiB: rounded(watch.pageKiB),
      },
      'end of an epoch: report, kernels, predictions, neighbours': longest([watch.endHeld]),
      'a look at the layers': ofOne(watch.turns.layers, watch.turns.plain, { everySteps: 100 }),
      'a checkpoint': {
        ...ofOne(save.turns.checkpoint, save.turns.plain, { everySteps: 1000 }),
        MiB: rounded(save.checkpoints[0]!.bytes / 2 ** 20),
        writtenInMs: rounded(median(save.checkpoints.map(({ durationMs }) => durationMs))),
      },
    },
    null,
    2,
  ),
);
device.dispose();
