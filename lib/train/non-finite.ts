// Where in a step the first number left the range of its type.
// Invariant: runs the step again without its update: weights, velocities and gradients are as they were.
import type { ImageBatch } from '../data/index.js';
import type { Mode } from '../layers/index.js';
import { affine, cast, sumSquares } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { probed } from './probe.js';
import type { StepParts } from './step.js';

/** A place in a step: 0 if all numbers there are finite, else NaN. */
interface Place {
  readonly what: string;
  readonly zero: Tensor<'float32', readonly []>;
}

/** 0 if all elements are finite, else NaN, as a scalar; the caller owns it. */
export function zeroIfFinite(x: Tensor): Tensor<'float32', readonly []> {
  using values = x.dtype === 'float32' ? x.share() : cast(x, { dtype: 'float32' });
  // Infinity and NaN times zero are NaN; the sum of the squares themselves may be infinite where no element is.
  using zeros = affine(values as Tensor<'float32'>, { scale: 0 });
  return sumSquares(zeros);
}

/**
 * Goes through weights, input, outputs, loss and gradients in the order in which the step computes them.
 * @param mode  that of the step, so that dropout drops the same
 * @returns 'the output of conv2'; undefined if all are finite
 */
export async function findNonFinite(
  parts: StepParts,
  batch: ImageBatch,
  mode: Pick<Mode, 'seed' | 'step'>,
): Promise<string | undefined> {
  const places: Place[] = [];
  try {
    lookThrough(parts, { batch, mode, places });
    for (const { what, zero } of places) if ((await zero.item()) !== 0) return what;
    return undefined;
  } finally {
    for (const { zero } of places) zero.dispose();
    for (const parameter of parts.model.network.parameters) parameter.clearGradient();
  }
}

interface Search {
  readonly batch: ImageBatch;
  readonly mode: Pick<Mode, 'seed' | 'step'>;
  /** Filled. */
  readonly places: Place[];
}

function lookThrough({ model, preprocessing, loss }: StepParts, { batch, mode, places }: Search): void {
  const { device, network } = model;
  const look = (what: string, x: Tensor) => places.push({ what, zero: zeroIfFinite(x) });
  for (const { name, value } of network.parameters) look(`the weights ${name}`, value);
  const seen = probed(network, {
    output: (layer, y) => look(`the output of ${layer.name}`, y),
    gradient: (layer, dx) => {
      for (const { name, gradient } of layer.parameters) {
        if (gradient) look(`the gradient of ${name}`, gradient);
      }
      if (dx) look(`the gradient at the input of ${layer.name}`, dx);
    },
  });
  using labels = device.tensor(batch.labels, { shape: [batch.size] });
  using x = preprocessing.apply(device, batch);
  look('the input', x);
  const forward = seen.forward(x, { ...mode, training: true, gradient: true });
  using logits = forward.y;
  using saved = forward.saved as Disposable;
  const { loss: value, saved: lossSaved } = loss.forward(logits, labels);
  using lossValue = value;
  look('the loss', lossValue);
  using lossState = lossSaved;
  using gradient = loss.backward(lossState);
  look('the gradient of the loss', gradient);
  seen.backward(gradient, saved, { inputGradient: false });
}
