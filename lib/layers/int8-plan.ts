// Where a chain of layers computes in 8-bit integers, and where values become integers on the way.
// Invariant: decided from the layers alone; what is quantised has one taker, so every other layer gets float32.
import { Conv2d } from './conv2d.js';
import { Dropout } from './dropout.js';
import { Flatten } from './flatten.js';
import type { Layer } from './layer.js';
import { Linear } from './linear.js';
import { LocalResponseNorm } from './normalization.js';
import { MaxPool2d } from './pooling.js';

/** A step of a quantised chain. */
export type Int8Step =
  /** Values become integers, under this name. */
  | { readonly kind: 'quantize'; readonly name: string }
  /** As it is: in float32, or on integers, which it takes as it finds them. */
  | { readonly kind: 'layer'; readonly layer: Layer }
  /** In integers, with weights. */
  | { readonly kind: 'sums'; readonly layer: Conv2d | Linear }
  | { readonly kind: 'normalises'; readonly layer: LocalResponseNorm };

/** Convolutions, fully connected layers and normalisation across channels take integers and give float32. */
export function planInt8(layers: readonly Layer[]): Int8Step[] {
  const steps: Int8Step[] = [];
  for (const layer of layers) {
    const step = stepOf(layer);
    if (step.kind !== 'layer') insertBeforePassing(steps, { kind: 'quantize', name: `${layer.name}.input` });
    steps.push(step);
  }
  return steps;
}

function stepOf(layer: Layer): Int8Step {
  if (layer instanceof Conv2d || layer instanceof Linear) return { kind: 'sums', layer };
  const across = layer instanceof LocalResponseNorm && layer.options.region !== 'within';
  return across ? { kind: 'normalises', layer } : { kind: 'layer', layer };
}

/** Whether it moves values without changing them: the order of that and of rounding does not matter. */
function passes(layer: Layer): boolean {
  if (layer instanceof Dropout) return layer.convention === 'inverted';
  return layer instanceof MaxPool2d || layer instanceof Flatten;
}

/** As early as it makes no difference, so that what only moves values moves bytes. */
function insertBeforePassing(steps: Int8Step[], step: Int8Step): void {
  const last = steps.findLastIndex((each) => each.kind !== 'layer' || !passes(each.layer));
  steps.splice(last + 1, 0, step);
}
