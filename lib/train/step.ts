// One training step, submitted whole: forward, loss, backward, update. Nothing here waits.
// Invariant: when submit returns, every tensor it made is disposed but the two a pass that read() reads.
import type { ImageBatch } from '../data/index.js';
import type { Loss, Mode } from '../layers/index.js';
import type { Model, Preprocessing } from '../models/index.js';
import { affine, labelRank } from '../ops/index.js';
import type { ClipOptions, FiniteGate, LossScaler, SGD } from '../optim/index.js';
import type { Tensor } from '../tensor/tensor.js';

/** Loss and hits of one batch. */
export interface BatchResult {
  readonly images: number;
  /** Mean, in nats. */
  readonly loss: number;
  /** Pictures whose class scored highest; among the five highest. */
  readonly top1: number;
  readonly top5: number;
  /** [images], how many classes scored higher than the picture's own; 0: none. */
  readonly ranks: Int32Array;
}

/** Results that are still being computed. */
export interface PendingResult extends Disposable {
  /** Waits for the device. @throws NativeError */
  read(): Promise<BatchResult>;
}

/** Results of one pass through the network. */
export class PendingBatch implements PendingResult {
  readonly images: number;
  readonly #loss: Tensor<'float32'>;
  readonly #ranks: Tensor<'int32'>;

  /** Owns both tensors. */
  constructor(loss: Tensor<'float32'>, ranks: Tensor<'int32'>) {
    this.#loss = loss;
    this.#ranks = ranks;
    this.images = ranks.size;
  }

  /** Waits for the device. @throws NativeError */
  async read(): Promise<BatchResult> {
    using lossTensor = this.#loss;
    using rankTensor = this.#ranks;
    const [loss, ranks] = await Promise.all([lossTensor.item(), rankTensor.data()]);
    return { images: this.images, loss, top1: ranksBelow(1, ranks), top5: ranksBelow(5, ranks), ranks };
  }

  [Symbol.dispose](): void {
    this.#loss.dispose();
    this.#ranks.dispose();
  }
}

/** How many pictures have their class among the k highest. */
export function ranksBelow(k: number, ranks: Int32Array): number {
  return ranks.reduce((count, rank) => count + (rank < k ? 1 : 0), 0);
}

/** Results of a batch that went through the network in parts. */
class PendingParts implements PendingResult {
  readonly #parts: readonly PendingBatch[];

  constructor(parts: readonly PendingBatch[]) {
    this.#parts = parts;
  }

  async read(): Promise<BatchResult> {
    const results = await Promise.all(this.#parts.map((part) => part.read()));
    const sum = (of: (result: BatchResult) => number) =>
      results.reduce((total, result) => total + of(result), 0);
    const images = sum((result) => result.images);
    return {
      images,
      loss: sum((result) => (result.loss * result.images) / images),
      top1: sum(({ top1 }) => top1),
      top5: sum(({ top5 }) => top5),
      ranks: Int32Array.from(results.flatMap(({ ranks }) => [...ranks])),
    };
  }

  [Symbol.dispose](): void {
    for (const part of this.#parts) part[Symbol.dispose]();
  }
}

/** What a step works on. */
export interface StepParts {
  readonly model: Model;
  readonly preprocessing: Preprocessing;
  readonly loss: Loss;
}

/** The phases of a training step, as they are marked in a profile of the device. */
export type StepPhase = 'input' | 'forward' | 'loss' | 'backward' | 'update' | 'metrics';

export interface TrainingStepParts extends StepParts {
  readonly optimizer: SGD;
  /** For float16: keeps small gradients from vanishing. */
  readonly lossScaler?: LossScaler | undefined;
  /** Without a loss scale: keeps numbers that are not finite out of the weights. */
  readonly gate?: FiniteGate | undefined;
  readonly clip?: ClipOptions | undefined;
  /** Parts that the batch goes through the network in. Default 1. */
  readonly accumulate?: number;
  /** Sees the gradients, times the loss scale if there is one. */
  readonly beforeUpdate?: () => void;
}

/** Submits a training step: the gradient of the batch's mean loss, and the update. */
export function submitTrainingStep(
  parts: TrainingStepParts,
  batch: ImageBatch,
  { seed, step }: Pick<Mode, 'seed' | 'step'>,
): PendingResult {
  return parts.model.device.gather(() => submitStep(parts, batch, { seed, step }));
}

function submitStep(
  parts: TrainingStepParts,
  batch: ImageBatch,
  { seed, step }: Pick<Mode, 'seed' | 'step'>,
): PendingResult {
  const { optimizer, accumulate = 1, model } = parts;
  const begin = (phase: StepPhase) => model.device.markProfile(phase);
  const passes: PendingBatch[] = [];
  try {
    for (const { part, ...mode } of passesOf(batch, { seed, step, accumulate })) {
      submitPass(parts, part, { ...mode, share: part.size / batch.size, passes });
    }
    parts.beforeUpdate?.();
    begin('update');
    optimizer.step({ lossScaler: parts.lossScaler, gate: parts.gate, clip: parts.clip });
    begin('metrics');
  } catch (error) {
    for (const pass of passes) pass[Symbol.dispose]();
    throw error;
  }
  return passes.length === 1 ? (passes[0] as PendingBatch) : new PendingParts(passes);
}

/** The parts of a batch, each with random numbers of its own; those of a whole batch are the step's. */
export function passesOf(
  batch: ImageBatch,
  { seed, step, accumulate = 1 }: Pick<Mode, 'seed' | 'step'> & { readonly accumulate?: number | undefined },
) {
  return partsOf(batch, accumulate).map((part, i) => ({ part, seed, step: (step - 1) * accumulate + i + 1 }));
}

interface PassOptions extends Pick<Mode, 'seed' | 'step'> {
  /** Weight of the part in the batch's mean. */
  readonly share: number;
  /** The result is added to it. */
  readonly passes: PendingBatch[];
}

/** Submits forward and backward of a part of a batch. */
function submitPass(
  { model, preprocessing, loss, lossScaler }: TrainingStepParts,
  batch: ImageBatch,
  { share, passes, ...mode }: PassOptions,
): void {
  const { network, device } = model;
  const begin = (phase: StepPhase) => device.markProfile(phase);
  begin('input');
  using labels = device.tensor(batch.labels, { shape: [batch.size] });
  using x = preprocessing.apply(device, batch);
  begin('forward');
  const forward = network.forward(x, { ...mode, training: true, gradient: true });
  using logits = forward.y as Tensor<'float32', readonly [number, number]>;
  using saved = forward.saved as Disposable;
  begin('loss');
  const { loss: value, saved: lossState } = loss.forward(logits, labels);
  passes.push(new PendingBatch(value, labelRank(logits, labels)));
  using state = lossState;
  using whole = loss.backward(state);
  using weighted = share === 1 ? whole.share() : affine(whole, { scale: share });
  using gradient = lossScaler ? lossScaler.scale(weighted) : weighted.share();
  begin('backward');
  network.backward(gradient, saved, { inputGradient: false });
}

/** A batch in parts that share its memory, as even as can be. */
function partsOf(batch: ImageBatch, count: number): ImageBatch[] {
  if (count === 1) return [batch];
  const { size, side, views, frames } = batch;
  const record = batch.records.length / size;
  const begin = (n: number): number =>
    n === size ? batch.images.length : frames ? frames[n * 3]! : n * side * side * 3;
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [Math.floor((i * size) / count), Math.floor(((i + 1) * size) / count)];
    return {
      size: to - from,
      side,
      views,
      images: batch.images.subarray(begin(from), begin(to)),
      ...(frames && { frames: movedBack(frames.subarray(from * 3, to * 3), begin(from)) }),
      labels: batch.labels.subarray(from, to),
      records: batch.records.subarray(from * record, to * record),
      indices: batch.indices.subarray(from, to),
    };
  }).filter((part) => part.size > 0);
}

/** Frames of pictures that begin earlier in memory. */
function movedBack(frames: Int32Array, by: number): Int32Array {
  return frames.map((value, i) => (i % 3 === 0 ? value - by : value));
}
