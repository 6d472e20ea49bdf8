// The training loop: epochs of steps, a validation after each, the best weights kept.
// Invariant: a run is a pure function of data, options and seed; the device is never waited for while it could work.
import { AbortedError, ArgumentError, DataError } from '../errors.js';
import {
  batchesPerEpoch,
  computeMean,
  loadBatches,
  checkAugmentation,
  randomCrop,
  randomMirror,
  type Augmentation,
  type DatasetMean,
  type ImageBatch,
  type ImageDataset,
} from '../data/index.js';
import { CrossEntropyLoss, type Loss } from '../layers/index.js';
import { Preprocessing, type Model } from '../models/index.js';
import {
  MultiStep,
  ReduceOnPlateau,
  LossScaler,
  SGD,
  type MultiStepOptions,
  type PlateauOptions,
} from '../optim/index.js';
import { checkClasses, evaluate, preprocessingFor, type Evaluation } from './evaluate.js';
import type { DoneEvent, EpochEvent, Metrics, StepEvent, TrainingEvent } from './events.js';
import { checkFinite, DeadStartGuard } from './guards.js';
import { MetricsMeter, metricsOf, PaceMeter } from './metrics.js';
import { RunFolder } from './run-folder.js';
import { submitTrainingStep, type PendingBatch } from './step.js';

export interface TrainerOptions {
  /** Passes over the training set. Default 90, as in the paper. */
  readonly epochs?: number;
  /** Pictures a step. Default 128. */
  readonly batchSize?: number;
  /** Default: the model's recipe, or 0.01. */
  readonly learningRate?: number;
  /** Default: the model's recipe, or 0.9. */
  readonly momentum?: number;
  /** Default: the model's recipe, or 5e-4. */
  readonly weightDecay?: number;
  /** When the learning rate falls; null: never. Default: by 10 on a plateau of the validation error, three times. */
  readonly plateau?: PlateauOptions | null;
  /** The learning rate falls after given epochs instead: `{ milestones: [120, 130] }`. Not with `plateau`. */
  readonly schedule?: MultiStepOptions;
  /** Decides order, crops, mirroring and dropout. Default 0. */
  readonly seed?: number;
  /**
   * What is done to the training pictures; its crop must have the size of the model's input.
   * Default: a random crop, and half of the pictures mirrored.
   */
  readonly augmentation?: Augmentation;
  /** false: the default augmentation without its mirror, for text, digits, traffic signs. Not with `augmentation`. */
  readonly mirror?: boolean;
  /** Folder for best.safetensors and last.safetensors. Default: nothing is written. */
  readonly out?: string;
  /** Default: cross-entropy. */
  readonly loss?: Loss;
  /** Steps without any learning after which training stops with an explanation; 0: never. Default 2000. */
  readonly deadStartSteps?: number;
}

export interface TrainingData {
  readonly train: ImageDataset;
  /** Without it, the training loss decides about plateaus and the best weights. */
  readonly validation?: ImageDataset | undefined;
}

export interface FitOptions {
  /** Ends training after the current step; weights of whole epochs are on disk. */
  readonly signal?: AbortSignal;
}

/** Trains a model on pictures. */
export class Trainer {
  readonly model: Model;
  readonly options: TrainerOptions;

  /** The model must have weights: `model.initialize(device, { seed })`, or loaded. */
  constructor(model: Model, options: TrainerOptions = {}) {
    const { epochs = 90, batchSize = 128 } = options;
    for (const [name, value] of Object.entries({ epochs, batchSize })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new ArgumentError(`Trainer: ${name} must be a positive integer, got ${value}.`);
      }
    }
    if (options.schedule && options.plateau) {
      throw new ArgumentError('Trainer: schedule and plateau exclude each other: give one of them.');
    }
    checkTrainingAugmentation(model, options);
    this.model = model;
    this.options = options;
  }

  /**
   * Trains, reporting as it goes. Leaving the loop ends training.
   * @throws TrainingError if the loss is not finite or training does not start; DataError; NativeError
   */
  async *fit(data: TrainingData, options: FitOptions = {}): AsyncGenerator<TrainingEvent, DoneEvent> {
    const run = new TrainingRun(this.model, this.options, data, options.signal);
    try {
      return yield* run.events();
    } finally {
      run.dispose();
    }
  }

  /** Trains to the end and resolves to the last event. `onEvent` is told of all. */
  async run(
    data: TrainingData,
    options: FitOptions & { readonly onEvent?: (event: TrainingEvent) => void } = {},
  ): Promise<DoneEvent> {
    for await (const event of this.fit(data, options)) {
      options.onEvent?.(event);
      if (event.type === 'done') return event;
    }
    throw new AbortedError('Training ended without a result.');
  }
}

/** A step that was submitted and is not read yet. */
interface Submitted {
  readonly pending: PendingBatch;
  readonly step: number;
  readonly stepInEpoch: number;
  readonly dataWaitMs: number;
  readonly submitMs: number;
}

/** One call of fit. */
class TrainingRun {
  readonly #model: Model;
  readonly #options: TrainerOptions;
  readonly #data: TrainingData;
  readonly #signal: AbortSignal;
  readonly #epochs: number;
  #batchSize = 0;
  #stepsPerEpoch = 0;
  readonly #seed: number;
  readonly #loss: Loss;
  readonly #optimizer: SGD;
  readonly #lossScaler: LossScaler | undefined;
  readonly #schedule: ReduceOnPlateau | MultiStep | null;
  readonly #guard: DeadStartGuard;
  readonly #folder: RunFolder | undefined;
  readonly #pace = new PaceMeter();
  readonly #started = performance.now();
  #step = 0;
  #validationMs = 0;
  #handlersMs = 0;
  readonly #reportedFailures = new Set<string>();
  /** Ends what runs beside the loop when the caller leaves it. */
  readonly #ending = new AbortController();
  #best: { epoch: number; error: number; metrics: Metrics } | undefined;

  constructor(model: Model, options: TrainerOptions, data: TrainingData, signal: AbortSignal | undefined) {
    const { recipe } = model;
    this.#model = model;
    this.#options = options;
    this.#data = data;
    this.#signal = signal ? AbortSignal.any([signal, this.#ending.signal]) : this.#ending.signal;
    this.#epochs = options.epochs ?? 90;
    this.#planSteps();
    this.#seed = options.seed ?? 0;
    this.#loss = options.loss ?? new CrossEntropyLoss();
    this.#lossScaler = model.precision === 'float16' ? new LossScaler(model.device) : undefined;
    this.#optimizer = new SGD(model.network.parameters, {
      learningRate: options.learningRate ?? recipe?.learningRate ?? 0.01,
      momentum: options.momentum ?? recipe?.momentum ?? 0.9,
      weightDecay: options.weightDecay ?? recipe?.weightDecay ?? 5e-4,
      momentumForm: recipe?.momentumForm ?? 'paper',
    });
    this.#schedule = scheduleOf(options);
    this.#guard = new DeadStartGuard(model.network.parameters, {
      classes: model.classes,
      giveUpAfterSteps: options.deadStartSteps ?? 2000,
    });
    this.#folder = options.out === undefined ? undefined : new RunFolder(options.out);
  }

  /** Pictures that are known to be unreadable make no batches: without them a batch may be larger than what is left. */
  #planSteps(): void {
    const { train } = this.#data;
    const readable = Math.max(1, train.length - train.failures.length);
    this.#batchSize = Math.min(this.#options.batchSize ?? 128, readable);
    this.#stepsPerEpoch = batchesPerEpoch(readable, { batchSize: this.#batchSize, dropLast: true });
  }

  dispose(): void {
    this.#ending.abort();
    this.#optimizer.dispose();
    this.#lossScaler?.dispose();
    this.#guard.dispose();
  }

  async *events(): AsyncGenerator<TrainingEvent, DoneEvent> {
    let reason: DoneEvent['reason'] = 'completed';
    let epoch = 0;
    try {
      yield* this.#prepare();
      while (epoch < this.#epochs) {
        yield* this.#epoch(epoch + 1);
        epoch++;
      }
    } catch (error) {
      if (!(error instanceof AbortedError) || !this.#signal.aborted) throw error;
      reason = 'aborted';
    }
    const best = this.#best && { epoch: this.#best.epoch, validation: this.#best.metrics };
    const durationMs = performance.now() - this.#started;
    const done: DoneEvent = {
      type: 'done',
      epochs: epoch,
      steps: this.#step,
      durationMs,
      reason,
      ...(best && { best }),
    };
    yield done;
    return done;
  }

  /** Classes, run folder, and the mean that is subtracted from every picture. */
  async *#prepare(): AsyncGenerator<TrainingEvent> {
    const { train, validation } = this.#data;
    const model = this.#model;
    if (!model.preprocessing) model.classNames = train.classNames;
    checkClasses(model, train);
    if (validation) checkClasses(model, validation);
    await this.#folder?.create();
    if (model.preprocessing) return;
    const mean = train.mean ?? (yield* this.#computeMean());
    const { mean: kind = 'image', std = [1, 1, 1] as const } = model.recipe ?? {};
    const [, , crop] = model.inputShape;
    model.preprocessing = new Preprocessing({
      side: train.side,
      crop,
      // A mean picture is for pictures whose pixels have the same places.
      mean: kind === 'image' && !train.sizes ? mean.image : mean.colour,
      std,
    });
    // Every picture was read for the mean.
    this.#planSteps();
    yield* this.#newFailures();
  }

  async *#computeMean(): AsyncGenerator<TrainingEvent, DatasetMean> {
    return yield* reporting<TrainingEvent, DatasetMean>((report) =>
      computeMean(this.#data.train, {
        signal: this.#signal,
        onProgress: ({ done, total }) => report({ type: 'preparing', imagesDone: done, images: total }),
      }),
    );
  }

  async *#epoch(epoch: number): AsyncGenerator<TrainingEvent> {
    const began = performance.now();
    const meter = new MetricsMeter();
    this.#pace.restart(began);
    yield* this.#trainEpoch(epoch, meter);
    if (meter.value.images === 0) {
      throw new DataError(
        `Epoch ${epoch} had no step: so many pictures cannot be read that they do not fill a batch of ` +
          `${this.#batchSize}. Take a smaller batch, or replace them.`,
      );
    }
    const validation = yield* this.#validate(epoch);
    const judged = validation ?? meter.value;
    const error = validation ? 1 - validation.top1 : judged.loss;
    const best = this.#isBest(error, judged.loss);
    if (best) this.#best = { epoch, error, metrics: judged };
    const event: EpochEvent = {
      type: 'epoch',
      epoch,
      epochs: this.#epochs,
      step: this.#step,
      train: meter.value,
      ...(validation && { validation }),
      learningRate: this.#optimizer.learningRate,
      durationMs: performance.now() - began,
      best,
    };
    yield* this.#newFailures();
    yield* this.#save(epoch, { best, metrics: judged });
    yield event;
    yield* this.#adjustLearningRate(epoch, error);
  }

  /** Equal errors, which are common with few pictures, are told apart by their losses. */
  #isBest(error: number, loss: number): boolean {
    const best = this.#best;
    return !best || error < best.error || (error === best.error && loss < best.metrics.loss);
  }

  async *#trainEpoch(epoch: number, meter: MetricsMeter): AsyncGenerator<TrainingEvent> {
    let ahead: Submitted | undefined;
    let stepInEpoch = 0;
    const batches = this.#batches(epoch);
    try {
      for (;;) {
        const waited = performance.now();
        const next = await batches.next();
        if (next.done) break;
        if (this.#signal.aborted) throw new AbortedError('Training was stopped.');
        const dataWaitMs = performance.now() - waited;
        const submitted = this.#submit(next.value, ++stepInEpoch, dataWaitMs);
        if (ahead) yield* this.#read(epoch, ahead, meter);
        ahead = submitted;
      }
      if (ahead) yield* this.#read(epoch, ahead, meter);
    } finally {
      ahead?.pending[Symbol.dispose]();
      await batches.return?.();
    }
  }

  #batches(epoch: number): AsyncIterator<ImageBatch> {
    return loadBatches(this.#data.train, {
      batchSize: this.#batchSize,
      seed: this.#seed,
      epoch,
      shuffle: true,
      dropLast: true,
      augmentation: trainingAugmentation(this.#model, this.#options),
      signal: this.#signal,
    });
  }

  #submit(batch: ImageBatch, stepInEpoch: number, dataWaitMs: number): Submitted {
    const began = performance.now();
    const step = ++this.#step;
    const parts = {
      model: this.#model,
      preprocessing: preprocessingFor(this.#model, this.#data.train),
      loss: this.#loss,
      optimizer: this.#optimizer,
      lossScaler: this.#lossScaler,
      beforeUpdate: () => this.#guard.beforeUpdate(step),
    };
    const pending = submitTrainingStep(parts, batch, { seed: this.#seed, step });
    return { pending, step, stepInEpoch, dataWaitMs, submitMs: performance.now() - began };
  }

  async *#read(epoch: number, submitted: Submitted, meter: MetricsMeter): AsyncGenerator<TrainingEvent> {
    const { step, stepInEpoch, dataWaitMs, submitMs } = submitted;
    const began = performance.now();
    const result = await submitted.pending.read();
    const deviceWaitMs = performance.now() - began;
    const { inUseBytes, peakBytes } = this.#model.device.memory();
    const { learningRate } = this.#optimizer;
    checkFinite(result.loss, { step, epoch, learningRate });
    const warning = await this.#guard.afterStep(step, result.loss);
    if (warning) yield { type: 'warning', message: warning };
    meter.add(result);
    this.#pace.add(result.images, performance.now());
    const event: StepEvent = {
      type: 'step',
      epoch,
      epochs: this.#epochs,
      step,
      stepInEpoch,
      stepsPerEpoch: this.#stepsPerEpoch,
      batchSize: result.images,
      loss: result.loss,
      top1: result.top1 / result.images,
      top5: result.top5 / result.images,
      learningRate,
      imagesPerSecond: this.#pace.imagesPerSecond,
      dataWaitMs,
      submitMs,
      deviceWaitMs,
      handlersMs: this.#handlersMs,
      memory: { inUseBytes, peakBytes },
      remainingMs: this.#remainingMs(epoch, stepInEpoch),
    };
    const reported = performance.now();
    yield event;
    this.#handlersMs = performance.now() - reported;
  }

  #remainingMs(epoch: number, stepInEpoch: number): number {
    const rate = this.#pace.imagesPerSecond;
    const epochsAfter = this.#epochs - epoch;
    const steps = epochsAfter * this.#stepsPerEpoch + (this.#stepsPerEpoch - stepInEpoch);
    const training = rate > 0 ? (steps * this.#batchSize * 1000) / rate : 0;
    // Before the first validation: a forward pass is about a third of a step.
    const images = this.#data.validation?.length ?? 0;
    const validation =
      this.#validationMs > 0 ? this.#validationMs : rate > 0 ? (images * 1000) / rate / 3 : 0;
    return training + validation * (epochsAfter + 1);
  }

  async *#validate(epoch: number): AsyncGenerator<TrainingEvent, Metrics | undefined> {
    const { validation } = this.#data;
    if (!validation) return undefined;
    const began = performance.now();
    const evaluation = yield* reporting<TrainingEvent, Evaluation>((report) =>
      evaluate(this.#model, validation, {
        batchSize: this.#batchSize,
        loss: this.#loss,
        signal: this.#signal,
        onProgress: (progress) =>
          report({ type: 'validation-progress', epoch, epochs: this.#epochs, ...progress }),
      }),
    );
    this.#validationMs = performance.now() - began;
    yield { type: 'validation', epoch, epochs: this.#epochs, evaluation };
    return metricsOf(evaluation);
  }

  async *#save(
    epoch: number,
    { best, metrics }: { readonly best: boolean; readonly metrics: Metrics },
  ): AsyncGenerator<TrainingEvent> {
    if (!this.#folder) return;
    const notes = { epoch, step: this.#step, seed: this.#seed, ...metrics };
    const paths = await this.#folder.save(this.#model, { best, notes });
    yield { type: 'saved', epoch, path: paths.last, kind: 'last' };
    if (paths.best !== undefined) yield { type: 'saved', epoch, path: paths.best, kind: 'best' };
  }

  *#adjustLearningRate(epoch: number, error: number): Generator<TrainingEvent> {
    const schedule = this.#schedule;
    const factor = schedule?.update(error) ?? 1;
    if (!schedule || factor === 1) return;
    const from = this.#optimizer.learningRate;
    const to = from * factor;
    this.#optimizer.learningRate = to;
    const what = this.#data.validation ? 'the validation error' : 'the training loss';
    const reason =
      schedule instanceof MultiStep
        ? `the schedule says so after epoch ${epoch}`
        : `${what} has not improved for ${schedule.patience} epochs`;
    yield { type: 'learning-rate', epoch, from, to, reason };
  }

  *#newFailures(): Generator<TrainingEvent> {
    const { train, validation } = this.#data;
    for (const { path, reason } of [...train.failures, ...(validation?.failures ?? [])]) {
      if (this.#reportedFailures.has(path)) continue;
      this.#reportedFailures.add(path);
      yield { type: 'warning', message: `skipped ${path}: ${reason}` };
    }
  }
}

function scheduleOf({ schedule, plateau }: TrainerOptions): ReduceOnPlateau | MultiStep | null {
  if (schedule) return new MultiStep(schedule);
  return plateau === null ? null : new ReduceOnPlateau(plateau);
}

/** The paper's, unless another one is given. */
function trainingAugmentation(model: Model, { augmentation, mirror = true }: TrainerOptions): Augmentation {
  if (augmentation) return augmentation;
  const [, , size] = model.inputShape;
  return [randomCrop({ size }), ...(mirror ? [randomMirror()] : [])];
}

/** @throws ArgumentError if the augmentation makes something else than one input of the model's size */
function checkTrainingAugmentation(model: Model, { augmentation, mirror }: TrainerOptions): void {
  if (!augmentation) return;
  if (mirror !== undefined) {
    throw new ArgumentError(
      'Trainer: augmentation and mirror exclude each other: put randomMirror() into the augmentation, or leave it out.',
    );
  }
  const { size, views } = checkAugmentation(augmentation, Infinity);
  const [, , input] = model.inputShape;
  if (size !== input || views !== 1) {
    throw new ArgumentError(
      `Trainer: the augmentation makes ${views} input(s) of ${size} pixels, the model takes one of ${input} pixels.`,
    );
  }
}

/** Runs work that reports through a callback, and yields what it reports; returns its result. */
async function* reporting<Event, Result>(
  work: (report: (event: Event) => void) => Promise<Result>,
): AsyncGenerator<Event, Result> {
  const events: Event[] = [];
  let wake = () => {};
  let ended = false;
  const result = work((event) => {
    events.push(event);
    wake();
  }).finally(() => {
    ended = true;
    wake();
  });
  // It is awaited below; until then a failure must not count as unhandled.
  result.catch(() => {});
  for (;;) {
    yield* events.splice(0);
    if (ended) break;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  yield* events.splice(0);
  return result;
}
