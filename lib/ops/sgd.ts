// The optimiser's arithmetic, in place.
// Invariant: the only op that changes its inputs: parameters and their velocities.
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { run } from './run.js';

export interface SgdStepOptions {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /**
   * 'paper':   v <- momentum v - learningRate (weightDecay w + dw);  w <- w + v
   * 'pytorch': v <- momentum v + weightDecay w + dw;                 w <- w - learningRate v
   * The same while the learning rate is constant; after a change the paper's keeps the old steps in its velocity.
   */
  readonly form: 'paper' | 'pytorch';
  /** Named in errors. */
  readonly label?: string;
}

/** Updates w and v, both of dw's shape. */
export function sgdStep<S extends Shape>(
  w: Tensor<'float32', S>,
  v: Tensor<'float32', S>,
  dw: Tensor<'float32', S>,
  options: SgdStepOptions,
): void {
  const { learningRate, momentum, weightDecay, form, label } = options;
  const torchForm = form === 'pytorch' ? 1 : 0;
  run('sgd', { inputs: { w, v, dw }, attributes: { learningRate, momentum, weightDecay, torchForm }, label });
}
