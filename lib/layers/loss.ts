// Losses: from logits and labels to a number, and back to a gradient.
// Invariant: the gradient is that of the batch's mean.
import { crossEntropy, crossEntropyBackward } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { SavedTensors, type Activations } from './layer.js';

type Labels = Tensor<'int32', readonly [number]>;
type Logits = Tensor<'float32', readonly [number, number]>;

/** A loss that a trainer can minimise. Users may write their own. */
export interface Loss<Saved extends Disposable = Disposable> {
  /** logits: [N, classes], labels: [N] -> the mean loss, a scalar; the caller owns it and the saved state. */
  forward(logits: Activations, labels: Labels): { loss: Tensor<'float32'>; saved: Saved };
  /** Gradient of the mean loss: [N, classes], owned by the caller. */
  backward(saved: Saved): Activations;
}

/** Softmax and cross-entropy in one: mean of -log softmax(logits)[label], in nats. */
export class CrossEntropyLoss implements Loss<SavedTensors<'probabilities' | 'labels'>> {
  readonly name: string;

  constructor(options: { readonly name?: string } = {}) {
    this.name = options.name ?? 'loss';
  }

  forward(
    logits: Activations,
    labels: Labels,
  ): { loss: Tensor<'float32'>; saved: SavedTensors<'probabilities' | 'labels'> } {
    const { loss, probabilities } = crossEntropy(logits as Logits, labels, { label: this.name });
    return { loss, saved: new SavedTensors({ probabilities, labels: labels.share() }) };
  }

  backward(saved: SavedTensors<'probabilities' | 'labels'>): Activations {
    const { probabilities, labels } = saved.tensors;
    return crossEntropyBackward(probabilities as Logits, labels as Labels, { label: this.name });
  }
}
