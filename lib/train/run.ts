// One run of training: epochs of steps, a validation after each, the best weights kept, checkpoints on the way.
// Invariant: the device is never waited for while it could work; a step is read, and counts, when the next is submitted.
import { AbortedError, ArgumentError, DataError } from '../errors.js';
import {
  batchesPerEpoch,
  computeMean,
  loadBatches,
  type DatasetMean,
  type LoadedBatch,
} from '../data/index.js';
import { diskWarning } from '../io/disk-space.js';
import { CrossEntropyLoss, type Loss } from '../layers/index.js';
import { Preprocessing, type Model } from '../models/index.js';
import { EarlyStopping, LossScaler, SGD, WeightAverage } from '../optim/index.js';
import {
  Snapshot,
  restoreTensors,
  type Checkpoint,
  type CheckpointContents,
  type TrainingState,
} from './checkpoint.js';
import { Checkpoints, type CheckpointJob } from './checkpoints.js';
import { checkClasses, evaluate, preprocessingFor, type Evaluation } from './evaluate.js';
import type { DoneEvent, EpochEvent, Metrics, StepEvent, TrainingEvent } from './events.js';
import { augmentationFingerprint, checkFingerprint, fingerprint } from './fingerprint.js';
import { DeadStartGuard } from './dead-start.js';
import { MetricsMeter, metricsOf, PaceMeter } from './metrics.js';
import { storedOptions, trainingAugmentation, type TrainerOptions } from './options.js';
import { LearningRates } from './rates.js';
import { RunFolder } from './run-folder.js';
import { submitTrainingStep, type PendingResult, type StepParts } from './step.js';
import { StepWatch } from './step-watch.js';
import type { TrainingData } from './trainer.js';

/** A step that was submitted and is not read yet. */
interface Submitted {
  readonly pending: PendingResult;
  readonly step: number;
  readonly stepInEpoch: number;
  /** In the epoch's order, behind its batch. */
  readonly position: number;
  readonly learningRate: number;
  readonly dataWaitMs: number;
  readonly submitMs: number;
  /** What a checkpoint after this step holds. */
  readonly snapshot: Snapshot | undefined;
}

export interface RunOptions {
  readonly signal: AbortSignal | undefined;
  /** Where to go on. */
  readonly checkpoint: Checkpoint | undefined;
}

/** One call of fit. */
export class TrainingRun {
  readonly #model: Model;
  readonly #options: TrainerOptions;
  readonly #data: TrainingData;
  readonly #signal: AbortSignal;
  readonly #resumed: Checkpoint | undefined;
  readonly #epochs: number;
  readonly #seed: number;
  readonly #loss: Loss;
  readonly #optimizer: SGD;
  readonly #lossScaler: LossScaler | undefined;
  readonly #rates: LearningRates;
  readonly #earlyStopping: EarlyStopping | undefined;
  readonly #guard: DeadStartGuard;
  readonly #watch: StepWatch;
  readonly #folder: RunFolder | undefined;
  readonly #checkpoints: Checkpoints | undefined;
  readonly #pace = new PaceMeter();
  readonly #reportedFailures = new Set<string>();
  /** Ends what runs beside the loop when the caller leaves it. */
  readonly #ending = new AbortController();
  #average: WeightAverage | undefined;
  #fingerprints: CheckpointContents['data'] | undefined;
  #batchSize = 0;
  #stepsPerEpoch = 0;
  /** The epoch that is under way, from 1. */
  #epoch = 1;
  /** Of the last step that was read. */
  #step = 0;
  #stepInEpoch = 0;
  #position = 0;
  #meter = new MetricsMeter();
  #best: TrainingState['best'] = null;
  #started = performance.now();
  #epochStarted = this.#started;
  #validationMs = 0;
  #handlersMs = 0;
  #diskWarned = false;
  /** Step of the last snapshot. */
  #snapshotStep = 0;
  /** Epoch and step of a state that needs no checkpoint: it has one. */
  #savedAt = '';
  /** Waits for the next step to show that the weights are sound. */
  #staged: CheckpointJob | undefined;

  constructor(model: Model, options: TrainerOptions, data: TrainingData, { signal, checkpoint }: RunOptions) {
    const { recipe } = model;
    this.#model = model;
    this.#options = options;
    this.#data = data;
    this.#signal = signal ? AbortSignal.any([signal, this.#ending.signal]) : this.#ending.signal;
    this.#resumed = checkpoint;
    this.#epochs = options.epochs ?? 90;
    this.#seed = options.seed ?? 0;
    this.#loss = options.loss ?? new CrossEntropyLoss({ smoothing: options.labelSmoothing ?? 0 });
    const learningRate = options.learningRate ?? recipe?.learningRate ?? 0.01;
    this.#rates = new LearningRates(model, options, { base: learningRate });
    this.#optimizer = new SGD(model.network.parameters, {
      learningRate,
      momentum: options.momentum ?? recipe?.momentum ?? 0.9,
      weightDecay: options.weightDecay ?? recipe?.weightDecay ?? 5e-4,
      momentumForm: recipe?.momentumForm ?? 'paper',
      groups: this.#rates.groups,
    });
    const lossScale = checkpoint?.lossScale;
    this.#lossScaler =
      model.precision === 'float16'
        ? new LossScaler(model.device, { ...(lossScale && { state: lossScale }) })
        : undefined;
    this.#earlyStopping = options.earlyStopping && new EarlyStopping(options.earlyStopping);
    this.#guard = new DeadStartGuard(model.network.parameters, {
      classes: model.classes,
      giveUpAfterSteps: options.deadStartSteps ?? 2000,
    });
    this.#watch = new StepWatch({
      optimizer: this.#optimizer,
      lossScaler: this.#lossScaler,
      layerSteps: options.layerSteps ?? 100,
      seed: this.#seed,
      accumulate: options.accumulate,
    });
    if (options.out === undefined) return;
    this.#folder = new RunFolder(options.out, { keep: options.checkpoints?.keep ?? 2 });
    this.#checkpoints = new Checkpoints(this.#folder, { seed: this.#seed });
  }

  /** Lets go of everything; the model stays, with the averages if there are any. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#checkpoints?.idle();
    this.#average?.exchange();
    this.#average?.dispose();
    this.#optimizer.dispose();
    this.#lossScaler?.dispose();
    this.#guard.dispose();
    this.#watch.dispose();
  }

  async *events(): AsyncGenerator<TrainingEvent, DoneEvent> {
    let reason: DoneEvent['reason'] = 'completed';
    try {
      yield* this.#prepare();
      while (this.#epoch <= this.#epochs && reason === 'completed') {
        if (this.#earlyStopping?.reached) reason = 'stopped-early';
        else yield* this.#runEpoch();
      }
    } catch (error) {
      if (!(error instanceof AbortedError) || !this.#signal.aborted) throw error;
      reason = 'aborted';
      await this.#saveStopped();
    }
    await this.#checkpoints?.idle();
    yield* this.#checkpointEvents();
    this.#checkpoints?.check();
    const done: DoneEvent = {
      type: 'done',
      epochs: this.#epoch - 1,
      steps: this.#step,
      durationMs: performance.now() - this.#started,
      reason,
      ...(this.#best && { best: { epoch: this.#best.epoch, validation: this.#best.metrics } }),
    };
    yield done;
    return done;
  }

  /** Classes, run folder, the mean that is subtracted from every picture, and what a checkpoint says. */
  async *#prepare(): AsyncGenerator<TrainingEvent> {
    const { train, validation } = this.#data;
    const model = this.#model;
    if (!model.preprocessing) model.classNames = train.classNames;
    checkClasses(model, train);
    if (validation) checkClasses(model, validation);
    if (this.#folder || this.#resumed) {
      const data = {
        train: await fingerprint(train),
        validation: validation ? await fingerprint(validation) : null,
      };
      this.#fingerprints = data;
    }
    if (this.#resumed) this.#checkSame(this.#resumed);
    await this.#folder?.create({ resumedAt: this.#resumed?.state.step });
    this.#planSteps();
    if (!model.preprocessing) yield* this.#measureMean();
    const { averaging } = this.#options;
    if (averaging) this.#average = new WeightAverage(model.network.parameters, averaging);
    if (this.#resumed) yield* this.#restore(this.#resumed);
  }

  /** Pictures that are known to be unreadable make no batches: without them a batch may be larger than what is left. */
  #planSteps(): void {
    const { train } = this.#data;
    const readable = Math.max(1, train.length - train.failures.length);
    this.#batchSize = Math.min(this.#options.batchSize ?? 128, readable);
    this.#stepsPerEpoch = batchesPerEpoch(readable, { batchSize: this.#batchSize, dropLast: true });
  }

  async *#measureMean(): AsyncGenerator<TrainingEvent> {
    const { train } = this.#data;
    const model = this.#model;
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

  /** @throws DataError, ArgumentError if the run would not go on as it began */
  #checkSame({ path, data, augmentation }: Checkpoint): void {
    const found = this.#fingerprints as CheckpointContents['data'];
    checkFingerprint(found.train, data.train, { what: 'training', path });
    if ((found.validation === null) !== (data.validation === null)) {
      const had = data.validation ? 'had validation pictures' : 'had no validation pictures';
      throw new DataError(`${path}: the training ${had}; resume it with the same pictures.`);
    }
    if (found.validation && data.validation) {
      checkFingerprint(found.validation, data.validation, { what: 'validation', path });
    }
    if (this.#augmentationFingerprint() !== augmentation) {
      throw new ArgumentError(
        `${path}: the training had another augmentation; give it again: resume(run, { augmentation }).`,
      );
    }
  }

  #augmentationFingerprint(): string {
    return augmentationFingerprint(trainingAugmentation(this.#model, this.#options), this.#data.train.side);
  }

  async *#restore({ path, state, skipped }: Checkpoint): AsyncGenerator<TrainingEvent> {
    for (const { message } of skipped) {
      yield { type: 'warning', message: `${message} The checkpoint before it is taken.` };
    }
    await restoreTensors(path, this.#tensors);
    this.#batchSize = state.batchSize;
    this.#stepsPerEpoch = state.stepsPerEpoch;
    this.#epoch = state.epoch;
    this.#step = state.step;
    this.#snapshotStep = state.step;
    this.#savedAt = this.#place;
    this.#stepInEpoch = state.stepInEpoch;
    this.#position = state.position;
    this.#meter = new MetricsMeter(state.meter);
    this.#best = state.best;
    this.#rates.state = state;
    this.#guard.state = state.guard;
    if (this.#earlyStopping && state.earlyStopping) this.#earlyStopping.state = state.earlyStopping;
    this.#started = performance.now() - state.elapsedMs;
    this.#epochStarted = performance.now() - state.epochMs;
    await this.#folder?.restoreNames(path, namesOf(state));
    yield { type: 'resumed', epoch: state.epoch, epochs: this.#epochs, step: state.step, path };
  }

  get #tensors() {
    return { model: this.#model, optimizer: this.#optimizer, average: this.#average };
  }

  get #place(): string {
    return `${this.#epoch}/${this.#step}`;
  }

  #state(): TrainingState {
    const now = performance.now();
    return {
      step: this.#step,
      epoch: this.#epoch,
      position: this.#position,
      stepInEpoch: this.#stepInEpoch,
      batchSize: this.#batchSize,
      stepsPerEpoch: this.#stepsPerEpoch,
      meter: this.#meter.state,
      best: this.#best,
      ...this.#rates.state,
      earlyStopping: this.#earlyStopping?.state ?? null,
      guard: this.#guard.state,
      elapsedMs: now - this.#started,
      epochMs: now - this.#epochStarted,
    };
  }

  #contents(): CheckpointContents {
    return {
      state: this.#state(),
      options: storedOptions(this.#options),
      data: this.#fingerprints as CheckpointContents['data'],
      augmentation: this.#augmentationFingerprint(),
      ownLoss: this.#options.loss !== undefined,
      frozen: this.#model.network.parameters.filter(({ frozen }) => frozen).map(({ name }) => name),
      configuration: this.#options.configuration,
    };
  }

  #snapshot(step: number): Snapshot {
    this.#snapshotStep = step;
    return new Snapshot({ ...this.#tensors, lossScaler: this.#lossScaler });
  }

  async *#runEpoch(): AsyncGenerator<TrainingEvent> {
    const epoch = this.#epoch;
    if (this.#stepInEpoch === 0) this.#epochStarted = performance.now();
    this.#pace.restart(performance.now());
    yield* this.#trainEpoch();
    const train = this.#meter.value;
    if (train.images === 0) {
      throw new DataError(
        `Epoch ${epoch} had no step: so many pictures cannot be read that they do not fill a batch of ` +
          `${this.#batchSize}. Take a smaller batch, or replace them.`,
      );
    }
    const learningRate = this.#rates.at(epoch - 1 + this.#progress(this.#stepInEpoch - 1));
    const validation = yield* this.#validate(epoch);
    const metrics = validation ?? train;
    const error = validation ? 1 - validation.top1 : metrics.loss;
    const best = this.#isBest(error, metrics.loss);
    if (best) this.#best = { epoch, error, metrics };
    const event: EpochEvent = {
      type: 'epoch',
      epoch,
      epochs: this.#epochs,
      step: this.#step,
      train,
      ...(validation && { validation }),
      learningRate,
      durationMs: performance.now() - this.#epochStarted,
      best,
    };
    yield* this.#newFailures();
    const change = this.#rates.afterEpoch(epoch, error);
    this.#earlyStopping?.update(error);
    this.#beginEpoch(epoch + 1);
    await this.#saveEpoch({ epoch, metrics, best });
    yield* this.#checkpointEvents();
    yield event;
    if (!change) return;
    const { from, to, patience } = change;
    const what = this.#data.validation ? 'the validation error' : 'the training loss';
    const reason =
      patience === undefined
        ? `the schedule says so after epoch ${epoch}`
        : `${what} has not improved for ${patience} epochs`;
    yield { type: 'learning-rate', epoch, from, to, reason };
  }

  #beginEpoch(epoch: number): void {
    this.#epoch = epoch;
    this.#position = 0;
    this.#stepInEpoch = 0;
    this.#meter = new MetricsMeter();
    this.#epochStarted = performance.now();
  }

  async #saveEpoch(epochEnd: NonNullable<CheckpointJob['epochEnd']>): Promise<void> {
    this.#staged = undefined;
    if (!this.#checkpoints) return;
    this.#savedAt = this.#place;
    await this.#checkpoints.start({
      snapshot: this.#snapshot(this.#step),
      contents: this.#contents(),
      epochEnd,
    });
  }

  /** Training was stopped: where it is now is where it goes on. */
  async #saveStopped(): Promise<void> {
    this.#staged = undefined;
    if (!this.#checkpoints || this.#step === 0 || this.#savedAt === this.#place) return;
    await this.#checkpoints.start({ snapshot: this.#snapshot(this.#step), contents: this.#contents() });
  }

  async *#checkpointEvents(): AsyncGenerator<TrainingEvent> {
    if (!this.#checkpoints || !this.#folder) return;
    for (const event of this.#checkpoints.takeEvents()) {
      yield event;
      if (event.type !== 'checkpoint' || this.#diskWarned) continue;
      const message = await diskWarning(this.#folder.folder, { fileBytes: event.bytes });
      this.#diskWarned = message !== undefined;
      if (message) yield { type: 'warning', message };
    }
  }

  /** Equal errors, which are common with few pictures, are told apart by their losses. */
  #isBest(error: number, loss: number): boolean {
    const best = this.#best;
    return !best || error < best.error || (error === best.error && loss < best.metrics.loss);
  }

  /** The part of the epoch's steps that are behind, 0..1. */
  #progress(stepInEpoch: number): number {
    return Math.min(1, Math.max(0, stepInEpoch) / this.#stepsPerEpoch);
  }

  async *#trainEpoch(): AsyncGenerator<TrainingEvent> {
    let ahead: Submitted | undefined;
    const batches = this.#batches();
    try {
      for (;;) {
        const waited = performance.now();
        const batch = await this.#nextBatch(batches);
        if (!batch) break;
        const submitted = this.#submit(batch, { after: ahead, dataWaitMs: performance.now() - waited });
        const before = ahead;
        ahead = submitted;
        if (before) yield* this.#finish(before);
      }
      const last = ahead;
      ahead = undefined;
      if (last) yield* this.#finish(last);
      if (this.#signal.aborted) throw new AbortedError('Training was stopped.');
    } finally {
      ahead?.pending[Symbol.dispose]();
      await batches.return?.();
    }
  }

  #batches(): AsyncIterator<LoadedBatch> {
    return loadBatches(this.#data.train, {
      batchSize: this.#batchSize,
      seed: this.#seed,
      epoch: this.#epoch,
      startPosition: this.#position,
      sampler: this.#options.sampler ?? 'shuffle',
      dropLast: true,
      augmentation: trainingAugmentation(this.#model, this.#options),
      signal: this.#signal,
    });
  }

  /** Undefined at the end of the epoch, and when training is to stop. */
  async #nextBatch(batches: AsyncIterator<LoadedBatch>): Promise<LoadedBatch | undefined> {
    if (this.#signal.aborted) return undefined;
    try {
      const next = await batches.next();
      return next.done || this.#signal.aborted ? undefined : next.value;
    } catch (error) {
      if (error instanceof AbortedError && this.#signal.aborted) return undefined;
      throw error;
    }
  }

  #submit(
    batch: LoadedBatch,
    { after, dataWaitMs }: { readonly after: Submitted | undefined; readonly dataWaitMs: number },
  ): Submitted {
    const began = performance.now();
    const step = (after?.step ?? this.#step) + 1;
    const stepInEpoch = (after?.stepInEpoch ?? this.#stepInEpoch) + 1;
    const { clip, accumulate } = this.#options;
    const position = this.#epoch - 1 + this.#progress(stepInEpoch - 1);
    const learningRate = this.#rates.apply(this.#optimizer, position);
    const parts = {
      ...this.#parts,
      optimizer: this.#optimizer,
      lossScaler: this.#lossScaler,
      gate: this.#watch.gate,
      clip,
      ...(accumulate !== undefined && { accumulate }),
      beforeUpdate: () => {
        this.#guard.beforeUpdate(step);
        this.#watch.beforeUpdate(step, this.#parts);
      },
    };
    const pending = submitTrainingStep(parts, batch, { seed: this.#seed, step });
    this.#watch.afterUpdate(step, this.#parts, batch);
    this.#average?.update(step);
    const snapshot = this.#isDue(step) ? this.#snapshot(step) : undefined;
    const submitMs = performance.now() - began;
    return {
      pending,
      step,
      stepInEpoch,
      position: batch.nextPosition,
      learningRate,
      dataWaitMs,
      submitMs,
      snapshot,
    };
  }

  get #parts(): StepParts {
    const preprocessing = preprocessingFor(this.#model, this.#data.train);
    return { model: this.#model, preprocessing, loss: this.#loss };
  }

  /** While a checkpoint is being written, the next one waits. */
  #isDue(step: number): boolean {
    const { everySteps = 1000 } = this.#options.checkpoints ?? {};
    if (!this.#checkpoints || everySteps === 0 || this.#staged || this.#checkpoints.busy) return false;
    return step - this.#snapshotStep >= everySteps;
  }

  async *#finish(submitted: Submitted): AsyncGenerator<TrainingEvent> {
    const { step, stepInEpoch, learningRate, dataWaitMs, submitMs } = submitted;
    const epoch = this.#epoch;
    const began = performance.now();
    const result = await submitted.pending.read();
    const deviceWaitMs = performance.now() - began;
    const { inUseBytes, peakBytes } = this.#model.device.memory();
    const read = { step, epoch, learningRate, loss: result.loss };
    const { gradientNorm, events } = await this.#watch.read(read, this.#parts);
    const warning = await this.#guard.afterStep(step, result.loss);
    this.#meter.add(result);
    this.#step = step;
    this.#stepInEpoch = stepInEpoch;
    this.#position = submitted.position;
    await this.#stage(submitted.snapshot);
    if (warning) yield { type: 'warning', message: warning };
    yield* events;
    yield* this.#checkpointEvents();
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
      ...(gradientNorm !== undefined && { gradientNorm }),
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

  /**
   * A finite loss shows that the weights it was computed with, those of the step before, are sound: only then does
   * their checkpoint replace an older one.
   */
  async #stage(snapshot: Snapshot | undefined): Promise<void> {
    const sound = this.#staged;
    this.#staged = snapshot && { snapshot, contents: this.#contents() };
    if (sound) await this.#checkpoints?.start(sound);
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
    using _lent = this.#average?.lend();
    const evaluation = yield* reporting<TrainingEvent, Evaluation>((report) =>
      evaluate(this.#model, validation, {
        batchSize: this.#batchSize,
        ...(this.#options.loss && { loss: this.#options.loss }),
        signal: this.#signal,
        onProgress: (progress) =>
          report({ type: 'validation-progress', epoch, epochs: this.#epochs, ...progress }),
      }),
    );
    this.#validationMs = performance.now() - began;
    yield { type: 'validation', epoch, epochs: this.#epochs, evaluation };
    return metricsOf(evaluation);
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

/** Whose names a checkpoint ought to have. A process that is killed may have written it and not named it yet. */
function namesOf({ epoch, position, best }: TrainingState): ('best' | 'last')[] {
  if (position > 0 || epoch === 1) return [];
  return best?.epoch === epoch - 1 ? ['last', 'best'] : ['last'];
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
