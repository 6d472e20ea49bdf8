// What training reports, as plain data: the same events feed progress bars, logs and the user's own loop.
// Invariant: events hold no tensors, and are plain data as JSON, so they can be kept, sent and serialised.
import type { MemoryStatistics } from '../tensor/device.js';
import type { Evaluation } from './evaluate.js';
import type { ParameterStatistics } from './layer-statistics.js';

/** After every optimiser step. */
export interface StepEvent {
  readonly type: 'step';
  /** Counted from 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps since the beginning of training, counted from 1. */
  readonly step: number;
  /** Position in this epoch, counted from 1. */
  readonly stepInEpoch: number;
  readonly stepsPerEpoch: number;
  readonly batchSize: number;
  /** Mean cross-entropy of the batch, in nats. */
  readonly loss: number;
  /** Fraction of the batch whose class had the highest logit, 0..1. */
  readonly top1: number;
  /** Fraction of the batch whose class was among the five highest logits, 0..1. */
  readonly top5: number;
  readonly learningRate: number;
  /** Euclidean norm of the gradient of the batch's mean loss, before clipping. Absent for float16. */
  readonly gradientNorm?: number;
  /** Over the last steps. */
  readonly imagesPerSecond: number;
  /** Time this step waited for its batch. */
  readonly dataWaitMs: number;
  /** Time it took to describe this step to the device. */
  readonly submitMs: number;
  /** Time this step's result was waited for, with the next step submitted already. */
  readonly deviceWaitMs: number;
  /** Time that whoever takes the events (progress, logs, reports) took between the step before and this one. */
  readonly handlersMs: number;
  /** The device's memory after this step. */
  readonly memory: Pick<MemoryStatistics, 'inUseBytes' | 'peakBytes'>;
  /** Estimated time to the end of training, validation included. */
  readonly remainingMs: number;
}

/** Before the first step, while the training set's mean is computed (which decodes every picture once). */
export interface PreparingEvent {
  readonly type: 'preparing';
  readonly imagesDone: number;
  readonly images: number;
}

/** While the validation set is evaluated. */
export interface ValidationProgressEvent {
  readonly type: 'validation-progress';
  readonly epoch: number;
  readonly epochs: number;
  readonly imagesDone: number;
  readonly images: number;
}

/** The validation set was evaluated; the epoch's own event follows. */
export interface ValidationEvent {
  readonly type: 'validation';
  readonly epoch: number;
  readonly epochs: number;
  readonly evaluation: Evaluation;
}

/** Mean loss and accuracies over a set of pictures. */
export interface Metrics {
  readonly images: number;
  /** Mean cross-entropy, in nats. */
  readonly loss: number;
  /** Fraction, 0..1. */
  readonly top1: number;
  /** Fraction, 0..1. */
  readonly top5: number;
}

/** After every epoch and its validation. */
export interface EpochEvent {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  /** Means over the epoch's training batches, measured while training (with dropout). */
  readonly train: Metrics;
  /** Absent when there is no validation set. */
  readonly validation?: Metrics;
  readonly learningRate: number;
  readonly durationMs: number;
  /** Whether this epoch has the best validation top-1 error so far. */
  readonly best: boolean;
}

/** How the layers fare, every hundred steps or as often as `layerSteps` says. */
export interface LayersEvent {
  readonly type: 'layers';
  readonly epoch: number;
  readonly step: number;
  /** Norms of weights, gradients and updates. */
  readonly parameters: readonly ParameterStatistics[];
  /** Of each ReLU layer: units, and how many of them gave 0 for every picture of the batch. */
  readonly units: readonly { readonly layer: string; readonly units: number; readonly silent: number }[];
}

/** The learning rate makes a step: the validation error stopped improving, or the schedule says so. */
export interface LearningRateEvent {
  readonly type: 'learning-rate';
  readonly epoch: number;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
}

/** A weights file was written. */
export interface SavedEvent {
  readonly type: 'saved';
  readonly epoch: number;
  readonly path: string;
  readonly kind: 'best' | 'last';
}

/** A checkpoint was written: the training can go on from here. */
export interface CheckpointEvent {
  readonly type: 'checkpoint';
  /** The epoch that was under way, or that ended. */
  readonly epoch: number;
  readonly step: number;
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  /** From the beginning of the writing to its end; steps went on meanwhile. */
  readonly durationMs: number;
}

/** Training goes on where an earlier one ended. */
export interface ResumedEvent {
  readonly type: 'resumed';
  /** The epoch that goes on, or begins. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps that were done. */
  readonly step: number;
  readonly path: string;
}

/** Something the user should know that does not stop training, e.g. pictures that could not be decoded. */
export interface WarningEvent {
  readonly type: 'warning';
  readonly message: string;
}

/** The last event of every training. */
export interface DoneEvent {
  readonly type: 'done';
  readonly epochs: number;
  readonly steps: number;
  readonly durationMs: number;
  /** Why it ended: all epochs were trained, nothing improved any more, or the caller's AbortSignal. */
  readonly reason: 'completed' | 'stopped-early' | 'aborted';
  readonly best?: { readonly epoch: number; readonly validation: Metrics };
}

export type TrainingEvent =
  | PreparingEvent
  | StepEvent
  | ValidationProgressEvent
  | ValidationEvent
  | EpochEvent
  | LayersEvent
  | LearningRateEvent
  | SavedEvent
  | CheckpointEvent
  | ResumedEvent
  | WarningEvent
  | DoneEvent;
