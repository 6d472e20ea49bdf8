// One training step, submitted whole: forward, loss, backward, update. Nothing here waits.
// Invariant: when submit returns, every tensor it made is disposed but the two that read() reads.
import type { ImageBatch } from '../data/index.js';
import type { Loss, Mode } from '../layers/index.js';
import type { Model, Preprocessing } from '../models/index.js';
import { labelRank } from '../ops/index.js';
import type { LossScaler, SGD } from '../optim/index.js';
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
export class PendingBatch implements Disposable {
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

/** What a step works on. */
export interface StepParts {
  readonly model: Model;
  readonly preprocessing: Preprocessing;
  readonly loss: Loss;
}

/** Submits a training step; `beforeUpdate` sees the gradients, times the loss scale if there is one. */
export function submitTrainingStep(
  parts: StepParts & {
    readonly optimizer: SGD;
    /** For float16: keeps small gradients from vanishing. */
    readonly lossScaler?: LossScaler | undefined;
    readonly beforeUpdate?: () => void;
  },
  batch: ImageBatch,
  mode: Omit<Mode, 'training' | 'gradient'>,
): PendingBatch {
  const { model, preprocessing, loss, optimizer, lossScaler } = parts;
  const { network, device } = model;
  using labels = device.tensor(batch.labels, { shape: [batch.size] });
  using x = preprocessing.apply(device, batch);
  const forward = network.forward(x, { ...mode, training: true, gradient: true });
  using logits = forward.y as Tensor<'float32', readonly [number, number]>;
  using saved = forward.saved as Disposable;
  const { loss: value, saved: lossState } = loss.forward(logits, labels);
  using state = lossState;
  using plain = loss.backward(state);
  using gradient = lossScaler ? lossScaler.scale(plain) : plain.share();
  network.backward(gradient, saved, { inputGradient: false });
  parts.beforeUpdate?.();
  optimizer.step({ lossScaler });
  return new PendingBatch(value, labelRank(logits, labels));
}
