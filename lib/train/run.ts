// One run of training: epochs of steps, a validation after each, the best weights kept, checkpoints on the way.
// Invariant: it ends with one done event, or with the error that stopped it; nothing is being written any more by then.
import { AbortedError, DataError } from '../errors.js';
import type { Model } from '../models/index.js';
import type { Checkpoint } from './checkpoint.js';
import { EpochSteps } from './epoch-steps.js';
import { evaluate, type Evaluation } from './evaluate.js';
import type { DoneEvent, EpochEvent, LearningRateEvent, Metrics, TrainingEvent } from './events.js';
import { metricsOf } from './metrics.js';
import type { TrainerOptions } from './options.js';
import type { RateChange } from './rates.js';
import { reporting } from './reporting.js';
import { RunParts, type RunOptions } from './run-parts.js';
import { RunPlace } from './run-place.js';
import { RunSaving } from './run-saving.js';
import { agreeOnClasses, measureMean, planSteps, SkippedPictures } from './run-start.js';
import type { TrainingData } from './trainer.js';

/** One call of fit. */
export class TrainingRun {
  readonly #parts: RunParts;
  readonly #place = new RunPlace();
  readonly #saving: RunSaving;
  readonly #steps: EpochSteps;
  readonly #skipped: SkippedPictures;
  readonly #resumed: Checkpoint | undefined;

  constructor(model: Model, options: TrainerOptions, data: TrainingData, runOptions: RunOptions) {
    this.#parts = new RunParts(model, options, data, runOptions);
    this.#saving = new RunSaving(this.#parts, this.#place);
    this.#steps = new EpochSteps(this.#parts, this.#place, this.#saving);
    this.#skipped = new SkippedPictures(data);
    this.#resumed = runOptions.checkpoint;
  }

  /** Lets go of everything; the model stays, with the averages if there are any. */
  async close(): Promise<void> {
    this.#parts.end();
    try {
      await this.#saving.close();
    } finally {
      this.#parts.dispose();
    }
  }

  async *events(): AsyncGenerator<TrainingEvent, DoneEvent> {
    const { earlyStopping, epochs, signal } = this.#parts;
    let reason: DoneEvent['reason'] = 'completed';
    try {
      yield* this.#prepare();
      while (this.#place.epoch <= epochs && reason === 'completed') {
        if (earlyStopping?.reached) reason = 'stopped-early';
        else yield* this.#runEpoch();
      }
    } catch (error) {
      if (!(error instanceof AbortedError) || !signal.aborted) throw error;
      reason = 'aborted';
      await this.#saving.saveStopped();
    }
    await this.#saving.idle();
    yield* this.#saving.events();
    this.#saving.check();
    const { best, elapsedMs, epoch, step } = this.#place;
    const done: DoneEvent = {
      type: 'done',
      epochs: epoch - 1,
      steps: step,
      durationMs: elapsedMs,
      reason,
      ...(best && { best: { epoch: best.epoch, validation: best.metrics } }),
    };
    yield done;
    return done;
  }

  async *#prepare(): AsyncGenerator<TrainingEvent> {
    agreeOnClasses(this.#parts);
    yield* this.#saving.open(this.#resumed);
    planSteps(this.#parts, this.#place);
    if (!this.#parts.model.preprocessing) {
      yield* measureMean(this.#parts);
      // Every picture was read for it.
      planSteps(this.#parts, this.#place);
      yield* this.#skipped.warnings();
    }
    this.#parts.beginAverage();
    if (this.#resumed) yield* this.#saving.restore(this.#resumed);
  }

  async *#runEpoch(): AsyncGenerator<TrainingEvent> {
    const place = this.#place;
    const { epoch } = place;
    place.startEpochClock();
    yield* this.#steps.run();
    const train = place.meter.value;
    if (train.images === 0) throw noSteps(place);
    const { rates, earlyStopping } = this.#parts;
    const learningRate = rates.at(epoch - 1 + place.progress(place.stepInEpoch - 1));
    const validation = yield* this.#validate(epoch);
    const metrics = validation ?? train;
    const error = validation ? 1 - validation.top1 : metrics.loss;
    const best = place.isBest(error, metrics.loss);
    if (best) place.best = { epoch, error, metrics };
    const event: EpochEvent = {
      ...{ type: 'epoch', epoch, epochs: this.#parts.epochs, step: place.step, train },
      ...(validation && { validation }),
      ...{ learningRate, durationMs: place.epochMs, best },
    };
    yield* this.#skipped.warnings();
    const change = rates.afterEpoch(epoch, error);
    earlyStopping?.update(error);
    place.beginEpoch(epoch + 1);
    await this.#saving.saveEpoch({ epoch, metrics, best });
    yield* this.#saving.events();
    yield event;
    if (change) yield this.#rateEvent(epoch, change);
  }

  #rateEvent(epoch: number, { from, to, patience }: RateChange): LearningRateEvent {
    const what = this.#parts.data.validation ? 'the validation error' : 'the training loss';
    const reason =
      patience === undefined
        ? `the schedule says so after epoch ${epoch}`
        : `${what} has not improved for ${patience} epochs`;
    return { type: 'learning-rate', epoch, from, to, reason };
  }

  async *#validate(epoch: number): AsyncGenerator<TrainingEvent, Metrics | undefined> {
    const { average, data, epochs, model, options, signal } = this.#parts;
    const { validation } = data;
    if (!validation) return undefined;
    const began = performance.now();
    using _lent = average?.lend();
    const evaluation = yield* reporting<TrainingEvent, Evaluation>((report) =>
      evaluate(model, validation, {
        batchSize: this.#place.batchSize,
        ...(options.loss && { loss: options.loss }),
        signal,
        onProgress: (progress) => report({ type: 'validation-progress', epoch, epochs, ...progress }),
      }),
    );
    this.#steps.validationMs = performance.now() - began;
    yield { type: 'validation', epoch, epochs, evaluation };
    return metricsOf(evaluation);
  }
}

function noSteps({ epoch, batchSize }: RunPlace): DataError {
  return new DataError(
    `Epoch ${epoch} had no step: so many pictures cannot be read that they do not fill a batch of ${batchSize}. ` +
      'Take a smaller batch, or replace them.',
  );
}
