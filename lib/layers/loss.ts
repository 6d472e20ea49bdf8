// Losses: from logits and labels to a number, and back to a gradient.
// Invariant: the gradient is that of the batch's mean; logits, loss and gradient are float32 in every precision.
import { ArgumentError } from '../errors.js';
import { crossEntropy, crossEntropyBackward, type CrossEntropyOptions } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { SavedTensors, type Activations } from './layer.js';

type Labels = Tensor<'int32', readonly [number]>;
type Logits = Tensor<'float32', readonly [number, number]>;

/** A loss that a trainer can minimise. Users may write their own. */
export interface Loss<Saved extends Disposable = Disposable> {
  /** logits: [N, classes], float32, labels: [N] -> the mean loss, a scalar; the caller owns it and the saved state. */
  forward(logits: Activations, labels: Labels): { loss: Tensor<'float32'>; saved: Saved };
  /** Gradient of the mean loss: [N, classes], owned by the caller. */
  backward(saved: Saved): Tensor<'float32'>;
}

export interface CrossEntropyLossOptions {
  /** Named in errors. Default 'loss'. */
  readonly name?: string;
  /**
   * Label smoothing: the share of the target that goes to all classes in equal parts. For training alone: `evaluate`
   * measures the plain loss. 0 <= smoothing < 1, default 0.
   */
  readonly smoothing?: number;
}

/** Softmax and cross-entropy in one: mean of -log softmax(logits)[label], in nats. */
export class CrossEntropyLoss implements Loss<SavedTensors<'probabilities' | 'labels'>> {
  readonly name: string;
  readonly smoothing: number;

  /** @throws ArgumentError if smoothing is out of range */
  constructor(options: CrossEntropyLossOptions = {}) {
    this.name = options.name ?? 'loss';
    this.smoothing = options.smoothing ?? 0;
    if (!(this.smoothing >= 0 && this.smoothing < 1)) {
      throw new ArgumentError(
        `${this.name}: smoothing must be at least 0 and below 1, got ${this.smoothing}.`,
      );
    }
  }

  forward(
    logits: Activations,
    labels: Labels,
  ): { loss: Tensor<'float32'>; saved: SavedTensors<'probabilities' | 'labels'> } {
    const { loss, probabilities } = crossEntropy(logits as Logits, labels, this.#options);
    return { loss, saved: new SavedTensors({ probabilities, labels: labels.share() }) };
  }

  backward(saved: SavedTensors<'probabilities' | 'labels'>): Tensor<'float32'> {
    const { probabilities, labels } = saved.tensors;
    return crossEntropyBackward(probabilities as Logits, labels as Labels, this.#options);
  }

  get #options(): CrossEntropyOptions {
    return { smoothing: this.smoothing, label: this.name };
  }
}
