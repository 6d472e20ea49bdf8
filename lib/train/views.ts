// Evaluation with several views of each picture, whose predictions are averaged.
// Invariant: what is averaged are softmax outputs; loss and ranks are those of the averages.
import type { ImageBatch } from '../data/index.js';
import { avgPool2d, labelRank, reshape, softmax } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { PendingBatch, type StepParts } from './step.js';

/** Submits a batch whose pictures have `batch.views` views each. */
export function submitAveraged(
  { model, preprocessing }: Omit<StepParts, 'loss'>,
  batch: ImageBatch,
): PendingBatch {
  const { device } = model;
  using labels = device.tensor(batch.labels, { shape: [batch.size] });
  using x = preprocessing.apply(device, batch);
  using logits = model.forward(x);
  using probabilities = softmax(logits);
  const averages = averageViews(probabilities, batch);
  const ranks = labelRank(averages, labels);
  return new PendingBatch(averages, ranks, (values) => meanLoss(values, batch.labels));
}

/** probabilities: [size * views, classes] -> [size, classes]; the caller owns it. */
function averageViews(
  probabilities: Tensor<'float32'>,
  { size, views }: Pick<ImageBatch, 'size' | 'views'>,
): Tensor<'float32', readonly [number, number]> {
  const classes = probabilities.shape[1] ?? 0;
  using stacked = reshape(probabilities, { shape: [size, 1, views, classes] });
  using pooled = avgPool2d(stacked, { kernelSize: [views, 1], label: 'average of views' });
  return reshape(pooled, { shape: [size, classes] });
}

/** Below it float32 has no numbers: a probability that vanished counts as this. */
const SMALLEST = 2 ** -149;

/** Mean of -log probability of the label. probabilities: [labels.length, classes]. */
function meanLoss(probabilities: Float32Array, labels: Int32Array): number {
  const classes = probabilities.length / labels.length;
  const losses = Array.from(labels, (label, n) => {
    const probability = probabilities[n * classes + label]!;
    return -Math.log(probability < SMALLEST ? SMALLEST : probability);
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}
