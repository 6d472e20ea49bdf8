// Made-up events of a training, for whatever takes them.
// Invariant: numbers that a test can name; everything else follows from the step or the epoch.
import {
  ConfusionMatrix,
  type EpochEvent,
  type StepEvent,
  type ValidationEvent,
} from '../../lib/train/index.js';

export const STEPS_PER_EPOCH = 10;

export function stepEvent(step: number, change: Partial<StepEvent> = {}): StepEvent {
  return {
    type: 'step',
    epoch: Math.ceil(step / STEPS_PER_EPOCH),
    epochs: 3,
    step,
    stepInEpoch: ((step - 1) % STEPS_PER_EPOCH) + 1,
    stepsPerEpoch: STEPS_PER_EPOCH,
    batchSize: 32,
    loss: 2 / step,
    top1: 0.5,
    top5: 0.75,
    learningRate: 0.01,
    imagesPerSecond: 100,
    dataWaitMs: 4,
    submitMs: 2,
    deviceWaitMs: 300,
    handlersMs: 1,
    memory: { inUseBytes: 2 ** 20, peakBytes: 2 ** 21 },
    remainingMs: 60_000,
    ...change,
  };
}

export function epochEvent(epoch: number, change: Partial<EpochEvent> = {}): EpochEvent {
  return {
    type: 'epoch',
    epoch,
    epochs: 3,
    step: epoch * STEPS_PER_EPOCH,
    train: { images: 320, loss: 1.5 / epoch, top1: 0.5, top5: 0.75 },
    validation: { images: 100, loss: 1.25 / epoch, top1: 0.625, top5: 0.875 },
    learningRate: 0.01,
    durationMs: 3000,
    best: true,
    ...change,
  };
}

/** A row a label: pictures by the class that they were taken for. */
export function validationEvent(
  classNames: readonly string[],
  rows: readonly (readonly number[])[],
): ValidationEvent {
  const confusion = new ConfusionMatrix(classNames);
  for (const [label, row] of rows.entries()) {
    for (const [predicted, pictures] of row.entries()) {
      for (let i = 0; i < pictures; i++) confusion.add(label, predicted);
    }
  }
  const evaluation = { images: confusion.total, loss: 1, top1: 0.5, top5: 1, confusion, mistakes: [] };
  return { type: 'validation', epoch: 1, epochs: 3, evaluation };
}
