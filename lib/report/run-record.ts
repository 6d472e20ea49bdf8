// Follows a training and keeps what a report shows of it; tells whoever listens what has changed.
// Invariant: handling an event takes microseconds; pictures are made in the background, never twice at a time.
import { formatBytes, formatCount } from '../format.js';
import type { Model } from '../models/index.js';
import type { EpochEvent, Evaluation, StepEvent, TrainingData, TrainingEvent } from '../train/index.js';
import { Curves, emptyColumns, lastOf } from './curves.js';
import { dataUri, encodePicture } from './encode.js';
import { classPanel, confusionPanel, MistakePictures } from './evaluation-panels.js';
import { ExamplePictures } from './examples.js';
import { filterSheet } from './filters.js';
import type { LoggerOptions, TrainingLogger } from './logger.js';
import type { EpochRow, Notice, RunPatch, RunState } from './state.js';
import { Tasks } from './tasks.js';

export interface RunRecordOptions extends LoggerOptions {
  /** For pictures of its kernels and of what it says of some pictures. Default: there are none. */
  readonly model?: Model;
  /** Where those pictures come from; held-out ones if there are any. */
  readonly data?: TrainingData;
  /** Default 'AlexNet'. */
  readonly title?: string;
  /** What is trained on what, in names and values, besides what the model says of itself. */
  readonly facts?: readonly (readonly [name: string, value: string])[];
  /** Training pictures among which neighbours are looked for at the end; 0: none. Default 1000. */
  readonly neighbourPictures?: number;
}

const MOST_NOTICES = 200;
/** Pictures of mistakes. */
const MOST_MISTAKES = 12;

/** Nothing has happened yet. */
export function emptyState({
  title,
  facts,
}: {
  readonly title: string;
  readonly facts: RunState['facts'];
}): RunState {
  const now = new Date().toISOString();
  return {
    ...{ title, startedAt: now, updatedAt: now, facts },
    status: 'preparing',
    ...{ failure: null, progress: null, steps: emptyColumns(), epochs: [], notices: [] },
    ...{ filters: null, examples: null, confusion: null, classes: null, mistakes: null, evaluation: null },
  };
}

export class RunRecord implements TrainingLogger {
  readonly state: RunState;
  readonly #options: RunRecordOptions;
  readonly #curves = new Curves();
  readonly #tasks: Tasks;
  readonly #listeners = new Set<(patch: RunPatch) => void>();
  readonly #examples: ExamplePictures | undefined;
  readonly #mistakes: MistakePictures | undefined;
  #epoch = 0;
  #prepared = false;
  #closed: Promise<void> | undefined;

  constructor(options: RunRecordOptions = {}) {
    const { model, data, title = 'AlexNet', facts = [], onError = () => {} } = options;
    this.#options = options;
    this.#tasks = new Tasks(onError);
    this.#examples = model && data && new ExamplePictures(model, data);
    const { validation } = data ?? {};
    this.#mistakes = validation && new MistakePictures(validation);
    this.state = emptyState({ title, facts: [...facts, ...(model ? modelFacts(model) : [])] });
  }

  /** @returns how to stop listening */
  subscribe(listener: (patch: RunPatch) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  handle(event: TrainingEvent): void {
    switch (event.type) {
      case 'preparing':
        return this.#progress('preparing', 'mean picture', event.imagesDone, event.images);
      case 'step':
        this.#prepareExamples();
        return this.#step(event);
      case 'validation-progress':
        return this.#progress('validating', 'validation', event.imagesDone, event.images);
      case 'validation':
        return this.#evaluation(event.evaluation);
      case 'epoch':
        return this.#endEpoch(event);
      case 'learning-rate': {
        const text = `learning rate ${brief(event.from)} to ${brief(event.to)}: ${event.reason}`;
        return this.#notice({ kind: 'learning-rate', epoch: event.epoch, text });
      }
      case 'warning':
        return this.#notice({ kind: 'warning', epoch: this.#epoch, text: event.message });
      case 'done':
        this.#change({ status: event.reason === 'aborted' ? 'stopped' : 'completed' });
        if (event.reason !== 'aborted') this.#findNeighbours();
        return;
      case 'saved':
      case 'checkpoint':
      case 'resumed':
      case 'layers':
    }
  }

  /**
   * Takes events of a part of the training that is over, from its log: its curves, epochs and notices. Pictures are
   * made of what comes now.
   */
  recall(events: Iterable<TrainingEvent>): void {
    for (const event of events) {
      if (event.type === 'step') this.#step(event);
      else if (event.type === 'epoch') this.#addEpoch(event);
      else if (event.type === 'learning-rate' || event.type === 'warning') this.handle(event);
    }
  }

  /** Training ended with an error. */
  fail(error: Error): void {
    this.#change({ status: 'failed', failure: error.message });
  }

  /** Resolves when all pictures are made. The model and the data must live until then. */
  close(): Promise<void> {
    return (this.#closed ??= this.#tasks.settled());
  }

  #step(event: StepEvent): void {
    this.#epoch = event.epoch;
    const { step, loss, top1, top5, learningRate, imagesPerSecond } = event;
    const { dataWaitMs, submitMs, deviceWaitMs, handlersMs } = event;
    const { inUseBytes } = event.memory;
    const measured = { step, loss, top1, top5, learningRate, imagesPerSecond, inUseBytes };
    const change = this.#curves.add({ ...measured, dataWaitMs, submitMs, deviceWaitMs, handlersMs });
    this.state.steps = this.#curves.columns;
    const { stepInEpoch, stepsPerEpoch, epoch, epochs, remainingMs } = event;
    const progress = {
      what: 'training',
      done: stepInEpoch,
      total: stepsPerEpoch,
      ...{ epoch, epochs, imagesPerSecond, remainingMs, memoryBytes: inUseBytes },
    };
    const set = {
      status: 'training',
      progress,
      ...(change === 'merged' && { steps: this.state.steps }),
    } as const;
    this.#change(set, change === 'point' ? { steps: lastOf(this.state.steps) } : {});
  }

  /** From the first step on the model knows how its input is prepared. */
  #prepareExamples(): void {
    const examples = this.#examples;
    if (examples && !this.#prepared) this.#tasks.run('prepare', () => examples.prepare());
    this.#prepared = true;
  }

  #progress(status: 'preparing' | 'validating', what: string, done: number, total: number): void {
    const before = this.state.progress ?? nothingYet;
    this.#change({ status, progress: { ...before, what, done, total } });
  }

  #addEpoch(event: EpochEvent): void {
    const row = epochRow(event);
    this.state.epochs.push(row);
    this.#change({}, { epochs: [row] });
  }

  #endEpoch(event: EpochEvent): void {
    this.#addEpoch(event);
    const { model, onError = () => {} } = this.#options;
    if (!model) return;
    // Submitted now, so that it is this epoch's weights that are shown.
    const sheet = filterSheet(model);
    const examples = this.#examples?.predict();
    examples?.catch(() => undefined);
    sheet.catch(onError);
    this.#tasks.run('epoch', async () => {
      await this.#filters(event.epoch, await sheet);
      if (examples) this.#change({ examples: { epoch: event.epoch, examples: await examples } });
    });
  }

  async #filters(epoch: number, filters: Awaited<ReturnType<typeof filterSheet>>): Promise<void> {
    if (!filters) return;
    const { sheet, layer, kernels, kernelSize } = filters;
    const src = dataUri(await encodePicture(sheet, { type: 'image/png' }), 'image/png');
    const { width, height } = sheet;
    this.#change({ filters: { epoch, layer, kernels, kernelSize, src, width, height } });
  }

  #findNeighbours(): void {
    const { neighbourPictures = 1000 } = this.#options;
    const pictures = this.#examples;
    if (!pictures || neighbourPictures === 0) return;
    const epoch = this.#epoch;
    this.#tasks.run('neighbours', async () => {
      const found = await pictures.withNeighbours(neighbourPictures);
      if (found) this.#change({ examples: { epoch, ...found } });
    });
  }

  #evaluation({ confusion, mistakes }: Evaluation): void {
    const epoch = this.#epoch;
    this.#change({ confusion: confusionPanel(confusion, epoch), classes: classPanel(confusion, epoch) });
    const pictures = this.#mistakes;
    if (!pictures) return;
    this.#tasks.run('mistakes', async () => {
      this.#change({ mistakes: await pictures.panel(mistakes.slice(0, MOST_MISTAKES), epoch) });
    });
  }

  /** The last one says how many were left out. */
  #notice(notice: Notice): void {
    const { notices } = this.state;
    if (notices.length > MOST_NOTICES) return;
    const full = notices.length === MOST_NOTICES;
    const shown = full ? { ...notice, text: 'more notices are in log.jsonl' } : notice;
    notices.push(shown);
    this.#change({}, { notices: [shown] });
  }

  #change(set: RunPatch['set'], append: RunPatch['append'] = {}): void {
    const updated = { ...set, updatedAt: new Date().toISOString() };
    Object.assign(this.state, updated);
    for (const listener of this.#listeners) listener({ set: updated, append });
  }
}

const nothingYet = { epoch: 0, epochs: 0, imagesPerSecond: 0, remainingMs: 0, memoryBytes: 0 };

function epochRow({ epoch, step, train, validation, learningRate, durationMs, best }: EpochEvent): EpochRow {
  return {
    epoch,
    step,
    trainLoss: train.loss,
    trainTop1: train.top1,
    trainTop5: train.top5,
    validationLoss: validation?.loss ?? null,
    validationTop1: validation?.top1 ?? null,
    validationTop5: validation?.top5 ?? null,
    learningRate,
    seconds: durationMs / 1000,
    best,
  };
}

function modelFacts(model: Model): [string, string][] {
  const { parameters, macs } = model.summary();
  return [
    ['parameters', `${formatCount(parameters)} (${formatBytes(parameters * 4)})`],
    ['multiply-accumulates a picture', formatCount(macs)],
    ['input', model.inputShape.join(' x ')],
    ['classes', formatCount(model.classes)],
  ];
}

function brief(rate: number): string {
  return String(Number(rate.toPrecision(3)));
}
