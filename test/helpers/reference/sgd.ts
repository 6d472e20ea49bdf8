// One step of stochastic gradient descent with momentum and weight decay, in its two common forms.
// Invariant: pure; the forms agree while the learning rate is constant and part when it drops.

export interface SgdOptions {
  /**
   * 'paper' (Krizhevsky et al. 2012, section 5; Caffe): v <- mu v - lr decay w - lr g; w <- w + v.
   * 'pytorch' (PyTorch, tfjs, MLX): v <- mu v + (g + decay w); w <- w - lr v.
   */
  readonly form: 'paper' | 'pytorch';
  readonly learningRate: number;
  readonly momentum: number;
  readonly decay: number;
}

export interface SgdState {
  readonly w: Float64Array;
  /** Velocity; zero before the first step. */
  readonly v: Float64Array;
}

/** @param g gradient of the batch mean */
export function sgdStep({ w, v }: SgdState, g: ArrayLike<number>, options: SgdOptions): SgdState {
  const { form, learningRate: lr, momentum, decay } = options;
  if (form === 'paper') {
    const next = v.map((vi, i) => momentum * vi - lr * decay * w[i]! - lr * g[i]!);
    return { w: w.map((wi, i) => wi + next[i]!), v: next };
  }
  const next = v.map((vi, i) => momentum * vi + (g[i]! + decay * w[i]!));
  return { w: w.map((wi, i) => wi - lr * next[i]!), v: next };
}
