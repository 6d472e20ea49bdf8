// The steps of an epoch: batches are submitted one ahead of the step that is read.
// Invariant: the device is never waited for while it could work; a step is read, and counts, when the next is submitted.
import { AbortedError } from '../errors.js';
import { loadBatches, type LoadedBatch } from '../data/index.js';
import type { Snapshot } from './checkpoint.js';
import type { StepEvent, TrainingEvent } from './events.js';
import { PaceMeter } from './metrics.js';
import { trainingAugmentation } from './options.js';
import type { RunParts } from './run-parts.js';
import type { RunPlace } from './run-place.js';
import type { RunSaving } from './run-saving.js';
import { submitTrainingStep, type BatchResult, type PendingResult } from './step.js';

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

export class EpochSteps {
  /** Of the last validation; 0 before the first. */
  validationMs = 0;
  readonly #parts: RunParts;
  readonly #place: RunPlace;
  readonly #saving: RunSaving;
  readonly #pace = new PaceMeter();
  #handlersMs = 0;

  constructor(parts: RunParts, place: RunPlace, saving: RunSaving) {
    this.#parts = parts;
    this.#place = place;
    this.#saving = saving;
  }

  /** Trains to the end of the epoch that is under way. @throws AbortedError if training is to stop */
  async *run(): AsyncGenerator<TrainingEvent> {
    this.#pace.restart(performance.now());
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
      if (this.#parts.signal.aborted) throw new AbortedError('Training was stopped.');
    } finally {
      ahead?.pending[Symbol.dispose]();
      await batches.return?.();
    }
  }

  #batches(): AsyncIterator<LoadedBatch> {
    const { model, data, options, seed, signal } = this.#parts;
    const { batchSize, epoch, position } = this.#place;
    return loadBatches(data.train, {
      ...{ batchSize, seed, epoch, startPosition: position, signal },
      sampler: options.sampler ?? 'shuffle',
      dropLast: true,
      augmentation: trainingAugmentation(model, options),
    });
  }

  /** Undefined at the end of the epoch, and when training is to stop. */
  async #nextBatch(batches: AsyncIterator<LoadedBatch>): Promise<LoadedBatch | undefined> {
    const { signal } = this.#parts;
    if (signal.aborted) return undefined;
    try {
      const next = await batches.next();
      return next.done || signal.aborted ? undefined : next.value;
    } catch (error) {
      if (error instanceof AbortedError && signal.aborted) return undefined;
      throw error;
    }
  }

  #submit(
    batch: LoadedBatch,
    { after, dataWaitMs }: { readonly after: Submitted | undefined; readonly dataWaitMs: number },
  ): Submitted {
    const began = performance.now();
    const step = (after?.step ?? this.#place.step) + 1;
    const stepInEpoch = (after?.stepInEpoch ?? this.#place.stepInEpoch) + 1;
    const { options, optimizer, lossScaler, rates, guard, watch, seed, average } = this.#parts;
    const { clip, accumulate } = options;
    const learningRate = rates.apply(
      optimizer,
      this.#place.epoch - 1 + this.#place.progress(stepInEpoch - 1),
    );
    const stepParts = this.#parts.step;
    const parts = {
      ...stepParts,
      ...{ optimizer, lossScaler, clip },
      gate: watch.gate,
      ...(accumulate !== undefined && { accumulate }),
      beforeUpdate: () => {
        guard.beforeUpdate(step);
        watch.beforeUpdate(step, stepParts);
      },
    };
    const pending = submitTrainingStep(parts, batch, { seed, step });
    watch.afterUpdate(step, stepParts, batch);
    average?.update(step);
    const snapshot = this.#saving.snapshotIfDue(step);
    const submitMs = performance.now() - began;
    return {
      ...{ pending, step, stepInEpoch, learningRate, dataWaitMs, submitMs, snapshot },
      position: batch.nextPosition,
    };
  }

  async *#finish(submitted: Submitted): AsyncGenerator<TrainingEvent> {
    const { step, learningRate } = submitted;
    const { guard, model, watch } = this.#parts;
    const began = performance.now();
    const result = await submitted.pending.read();
    const deviceWaitMs = performance.now() - began;
    const memory = model.device.memory();
    const read = { step, epoch: this.#place.epoch, learningRate, loss: result.loss };
    const { gradientNorm, events } = await watch.read(read, this.#parts.step);
    const warning = await guard.afterStep(step, result.loss);
    this.#place.meter.add(result);
    this.#place.moveTo(submitted);
    await this.#saving.stage(submitted.snapshot);
    if (warning) yield { type: 'warning', message: warning };
    yield* events;
    yield* this.#saving.events();
    this.#pace.add(result.images, performance.now());
    const event = this.#event(submitted, { result, gradientNorm, deviceWaitMs, memory });
    const reported = performance.now();
    yield event;
    this.#handlersMs = performance.now() - reported;
  }

  #event(
    { step, stepInEpoch, learningRate, dataWaitMs, submitMs }: Submitted,
    read: Pick<StepEvent, 'deviceWaitMs' | 'memory'> & {
      readonly result: BatchResult;
      readonly gradientNorm: number | undefined;
    },
  ): StepEvent {
    const { result, gradientNorm, deviceWaitMs, memory } = read;
    const { epoch, stepsPerEpoch } = this.#place;
    return {
      ...{ type: 'step', epoch, epochs: this.#parts.epochs, step, stepInEpoch, stepsPerEpoch },
      batchSize: result.images,
      loss: result.loss,
      top1: result.top1 / result.images,
      top5: result.top5 / result.images,
      learningRate,
      ...(gradientNorm !== undefined && { gradientNorm }),
      imagesPerSecond: this.#pace.imagesPerSecond,
      ...{ dataWaitMs, submitMs, deviceWaitMs, handlersMs: this.#handlersMs },
      memory: { inUseBytes: memory.inUseBytes, peakBytes: memory.peakBytes },
      remainingMs: this.#remainingMs(stepInEpoch),
    };
  }

  #remainingMs(stepInEpoch: number): number {
    const { epoch, stepsPerEpoch, batchSize } = this.#place;
    const rate = this.#pace.imagesPerSecond;
    const epochsAfter = this.#parts.epochs - epoch;
    const steps = epochsAfter * stepsPerEpoch + (stepsPerEpoch - stepInEpoch);
    const training = rate > 0 ? (steps * batchSize * 1000) / rate : 0;
    // Before the first validation: a forward pass is about a third of a step.
    const images = this.#parts.data.validation?.length ?? 0;
    const validation = this.validationMs > 0 ? this.validationMs : rate > 0 ? (images * 1000) / rate / 3 : 0;
    return training + validation * (epochsAfter + 1);
  }
}
