// A training as TensorBoard's event files: curves, norms of layers, the first convolution's kernels, the confusion matrix.
// Invariant: training and validation are two runs with the same tags, so that TensorBoard draws them in one chart.
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import path from 'node:path';
import type { Model } from '../../models/index.js';
import type { EpochEvent, LayersEvent, Metrics, StepEvent, TrainingEvent } from '../../train/index.js';
import { AppendFile } from '../append-file.js';
import { drawConfusion, type Confusion } from '../confusion.js';
import { encodePicture, enlarge } from '../encode.js';
import { filterSheet } from '../filters.js';
import type { LoggerOptions, TrainingLogger } from '../logger.js';
import { Tasks } from '../tasks.js';
import type { RgbImage } from '../../data/index.js';
import { summaryEvent, versionEvent, type SummaryValue } from './event.js';
import { frameRecord } from './record.js';

export interface TensorBoardOptions extends LoggerOptions {
  /** Its first convolution's kernels are shown after every epoch. Default: none are. */
  readonly model?: Model;
  /** A clock in milliseconds since 1970; default `Date.now`. */
  readonly now?: () => number;
}

/** Enough pixels a weight to look at. */
const FILTER_SCALE = 3;

/** Writes `folder/train` and `folder/validation`: `tensorboard --logdir folder` shows them. */
export class TensorBoardLogger implements TrainingLogger {
  readonly #model: Model | undefined;
  readonly #train: EventFile;
  readonly #validation: EventFile;
  readonly #tasks: Tasks;
  #step = 0;

  constructor(folder: string, options: TensorBoardOptions = {}) {
    const { model, now = Date.now, onError = () => {} } = options;
    // A full disk fails both files; once is enough to know.
    let told = false;
    const tellOnce = (error: Error) => {
      if (!told) onError(error);
      told = true;
    };
    this.#model = model;
    const file = (run: string) => new EventFile(path.join(folder, run), { now, onError: tellOnce });
    this.#train = file('train');
    this.#validation = file('validation');
    this.#tasks = new Tasks(tellOnce);
  }

  handle(event: TrainingEvent): void {
    if (event.type === 'step') {
      this.#step = event.step;
      this.#train.write(event.step, stepValues(event));
    }
    if (event.type === 'layers') this.#train.write(event.step, layerValues(event));
    if (event.type === 'epoch') this.#epoch(event);
    if (event.type === 'validation') this.#confusion(event.evaluation.confusion);
  }

  async close(): Promise<void> {
    await this.#tasks.settled();
    await Promise.all([this.#train.close(), this.#validation.close()]);
  }

  #epoch({ step, train, validation, durationMs }: EpochEvent): void {
    this.#train.write(step, [...metricValues(train), { tag: 'epoch/seconds', scalar: durationMs / 1000 }]);
    if (validation) this.#validation.write(step, metricValues(validation));
    const model = this.#model;
    if (!model) return;
    this.#tasks.run('kernels', async () => {
      const filters = await filterSheet(model);
      if (filters) await this.#picture(this.#train, { step, tag: `${filters.layer}/kernels`, ...filters });
    });
  }

  #confusion(confusion: Confusion): void {
    const step = this.#step;
    this.#tasks.run('confusion', async () => {
      const sheet = drawConfusion(confusion);
      if (sheet) await this.#picture(this.#validation, { step, tag: 'confusion', sheet, scale: 1 });
    });
  }

  async #picture(
    file: EventFile,
    picture: {
      readonly step: number;
      readonly tag: string;
      readonly sheet: RgbImage;
      readonly scale?: number;
    },
  ): Promise<void> {
    const { step, tag, scale = FILTER_SCALE } = picture;
    const sheet = enlarge(picture.sheet, scale);
    const png = await encodePicture(sheet, { type: 'image/png' });
    const { width, height } = sheet;
    file.write(step, [{ tag, image: { width, height, png } }]);
  }
}

function stepValues(event: StepEvent): SummaryValue[] {
  const { loss, top1, top5, learningRate, gradientNorm, imagesPerSecond, memory } = event;
  const values = {
    'step/loss': loss,
    'step/top-1': top1,
    'step/top-5': top5,
    'step/learning rate': learningRate,
    ...(gradientNorm !== undefined && { 'step/gradient norm': gradientNorm }),
    'speed/images per second': imagesPerSecond,
    'time/data wait ms': event.dataWaitMs,
    'time/submit ms': event.submitMs,
    'time/device wait ms': event.deviceWaitMs,
    'time/handlers ms': event.handlersMs,
    'memory/in use MiB': memory.inUseBytes / 2 ** 20,
    'memory/peak MiB': memory.peakBytes / 2 ** 20,
  };
  return Object.entries(values).map(([tag, scalar]) => ({ tag, scalar }));
}

/** A chart a parameter in each group, and for each ReLU the share of units that gave 0 for the whole batch. */
function layerValues({ parameters, units }: LayersEvent): SummaryValue[] {
  const norms = parameters.flatMap(({ name, weightNorm, gradientNorm, updateRatio }) => [
    { tag: `weight norm/${name}`, scalar: weightNorm },
    { tag: `gradient norm/${name}`, scalar: gradientNorm },
    { tag: `update ratio/${name}`, scalar: updateRatio },
  ]);
  const silent = units.map((one) => ({ tag: `silent units/${one.layer}`, scalar: one.silent / one.units }));
  return [...norms, ...silent];
}

function metricValues({ loss, top1, top5 }: Metrics): SummaryValue[] {
  return Object.entries({ 'epoch/loss': loss, 'epoch/top-1': top1, 'epoch/top-5': top5 }).map(
    ([tag, scalar]) => ({ tag, scalar }),
  );
}

/** The file is made when there is something to write: a training without validation has one run. */
class EventFile {
  readonly #folder: string;
  readonly #options: LoggerOptions & { readonly now: () => number };
  #file: AppendFile | undefined;

  constructor(folder: string, options: LoggerOptions & { readonly now: () => number }) {
    this.#folder = folder;
    this.#options = options;
  }

  write(step: number, values: readonly SummaryValue[]): void {
    const wallTime = this.#options.now() / 1000;
    this.#file ??= this.#open(wallTime);
    this.#file.write(frameRecord(summaryEvent({ wallTime, step }, values)));
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }

  #open(wallTime: number): AppendFile {
    const seconds = String(Math.floor(wallTime)).padStart(10, '0');
    const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${randomUUID()}`;
    const file = new AppendFile(path.join(this.#folder, name), this.#options);
    file.write(frameRecord(versionEvent({ wallTime })));
    return file;
  }
}
