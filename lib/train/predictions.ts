// What models make of a batch: softmax outputs, averaged over the views of a picture and over the models.
// Invariant: one model and one view are reported as the device computed them; averages are taken in float64.
import type { ImageBatch } from '../data/index.js';
import { labelRank, softmax, topK } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { StepParts } from './step.js';

/** Loss, ranks and classes of a batch. */
interface Judgement {
  /** Mean over the batch, in nats. */
  readonly loss: number;
  /**
   * [n], how many classes scored higher than the picture's own; 0: it was recognised. The number of classes where the
   * outputs are not numbers.
   */
  readonly ranks: Int32Array;
  /** [n], the likeliest class; of equals the first. */
  readonly predicted: Int32Array;
}

/** What became of each picture of a batch. */
export interface EvaluatedBatch extends Judgement {
  /** [n], indices into the dataset. */
  readonly indices: Int32Array;
  /** [n], class indices. */
  readonly labels: Int32Array;
  /** [n, classes], means of the softmax outputs. */
  readonly probabilities: Float32Array;
}

/** What the device itself makes of logits where every picture has one view. */
interface Judged {
  readonly loss: Tensor<'float32'>;
  readonly ranks: Tensor<'int32'>;
  readonly predicted: Tensor<'int32'>;
}

/** Outputs of one model that are still being computed. */
export class PendingOutputs implements Disposable {
  readonly #probabilities: Tensor<'float32'>;
  readonly #judged: Judged | undefined;

  /** Owns all of them. probabilities: [size * views, classes]. */
  constructor(probabilities: Tensor<'float32'>, judged: Judged | undefined) {
    this.#probabilities = probabilities;
    this.#judged = judged;
  }

  /** Waits for the device. @throws NativeError */
  async read(): Promise<{ probabilities: Float32Array; judged: Judgement | undefined }> {
    try {
      const judged = this.#judged;
      const [probabilities, loss, ranks, predicted] = await Promise.all([
        this.#probabilities.data(),
        judged?.loss.item(),
        judged?.ranks.data(),
        judged?.predicted.data(),
      ]);
      if (loss === undefined || !ranks || !predicted) return { probabilities, judged: undefined };
      return { probabilities, judged: { loss, ranks, predicted } };
    } finally {
      this[Symbol.dispose]();
    }
  }

  [Symbol.dispose](): void {
    this.#probabilities.dispose();
    for (const tensor of Object.values<Tensor>({ ...this.#judged })) tensor.dispose();
  }
}

/** Submits a batch to one model, without learning from it. */
export function submitEvaluation(
  { model, preprocessing, loss }: StepParts,
  batch: ImageBatch,
): PendingOutputs {
  const { device } = model;
  using x = preprocessing.apply(device, batch);
  using logits = model.forward(x);
  if (batch.views > 1) return new PendingOutputs(softmax(logits), undefined);
  using labels = device.tensor(batch.labels, { shape: [batch.size] });
  const { loss: value, saved } = loss.forward(logits, labels);
  saved[Symbol.dispose]();
  const { values, indices } = topK(logits, { k: 1 });
  values.dispose();
  const ranks = labelRank(logits, labels);
  return new PendingOutputs(softmax(logits), { loss: value, ranks, predicted: indices });
}

/** Waits for the models, and averages what they say. */
export async function readEvaluation(
  pending: readonly PendingOutputs[],
  batch: ImageBatch,
): Promise<EvaluatedBatch> {
  const outputs = await Promise.all(pending.map((one) => one.read()));
  const [first] = outputs;
  const { indices, labels } = batch;
  if (outputs.length === 1 && first?.judged) {
    return { indices, labels, probabilities: first.probabilities, ...first.judged };
  }
  const all = outputs.map(({ probabilities }) => probabilities);
  const probabilities = averaged(all, batch);
  return { indices, labels, probabilities, ...judge(probabilities, labels) };
}

/** outputs: [size * views, classes] each -> [size, classes] */
function averaged(outputs: readonly Float32Array[], { size, views }: ImageBatch): Float32Array {
  const classes = outputs[0]!.length / (size * views);
  const sums = new Float64Array(size * classes);
  for (const output of outputs) {
    for (let row = 0; row < size * views; row++) {
      const to = Math.floor(row / views) * classes;
      for (let c = 0; c < classes; c++) sums[to + c]! += output[row * classes + c]!;
    }
  }
  return Float32Array.from(sums, (sum) => sum / (views * outputs.length));
}

/** As the ops `crossEntropy`, `labelRank` and `topK` do it; probabilities: [labels.length, classes]. */
function judge(probabilities: Float32Array, labels: Int32Array): Judgement {
  const classes = probabilities.length / labels.length;
  const rows = Array.from(labels, (_, n) => probabilities.subarray(n * classes, (n + 1) * classes));
  return {
    loss: rows.reduce((sum, row, n) => sum - logOf(row[labels[n]!]!), 0) / labels.length,
    ranks: labels.map((label, n) => rankOf(label, rows[n]!)),
    predicted: Int32Array.from(rows, likeliest),
  };
}

/** Below it float32 has no numbers: a probability that vanished counts as this. */
const SMALLEST = 2 ** -149;

function logOf(probability: number): number {
  return Math.log(probability < SMALLEST ? SMALLEST : probability);
}

/** Of equals the first. */
function likeliest(row: Float32Array): number {
  return row.reduce((best, probability, c) => (probability > row[best]! ? c : best), 0);
}

/** Among equals the lower class comes first; a NaN ranks the picture last: `classes`. */
function rankOf(label: number, row: Float32Array): number {
  const own = row[label]!;
  let rank = 0;
  for (let c = 0; c < row.length; c++) {
    const other = row[c]!;
    if (Number.isNaN(other)) return row.length;
    if (other > own || (other === own && c < label)) rank++;
  }
  return rank;
}
