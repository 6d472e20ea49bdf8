// Bounds gradients before they are applied, by value and by the norm of all of them together.
// Invariant: the norm stays on the device: nothing is waited for.
import { ArgumentError } from '../errors.js';
import type { Parameter } from '../layers/index.js';
import { add, clamp, clipScale, multiply, sumSquares } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

export interface ClipOptions {
  /** Largest norm of all gradients together; all are scaled down alike (Pascanu et al. 2013). Default: no limit. */
  readonly norm?: number;
  /** Largest absolute value of an element, applied first. Not with a loss scale. Default: no limit. */
  readonly value?: number;
}

export type Scalar = Tensor<'float32', readonly []>;

/** @throws ArgumentError if a limit is not above 0 */
export function checkClip(options: ClipOptions): ClipOptions {
  for (const [name, limit] of Object.entries(options) as [string, number | undefined][]) {
    if (limit !== undefined && !(limit > 0)) {
      throw new ArgumentError(`clip: ${name} must be above 0, got ${limit}.`);
    }
  }
  return options;
}

/** Bounds each element of the gradients that the parameters have. */
export function clipValues(parameters: readonly Parameter[], value: number): void {
  for (const parameter of parameters) {
    const { gradient, name: label } = parameter;
    if (gradient) parameter.setGradient(clamp(gradient, { low: -value, high: value, label }));
  }
}

/**
 * What the gradients are to be multiplied with, so that their norm is at most `norm`; undefined if there are none. The
 * caller owns it.
 * @param options.unscale  a factor that they are to be multiplied with first; it is in what is returned
 */
export function normScale(
  parameters: readonly Parameter[],
  { norm, unscale }: { readonly norm: number; readonly unscale: Scalar | undefined },
): Scalar | undefined {
  using squares = totalSquares(parameters);
  if (!squares) return undefined;
  const label = 'clip';
  if (!unscale) return clipScale(squares, { maxNorm: norm, label });
  using square = multiply(unscale, unscale);
  using unscaled = multiply(squares, square);
  using scale = clipScale(unscaled, { maxNorm: norm, label });
  return multiply(unscale, scale);
}

/** Sum of the squares of all gradients; undefined if there are none. The caller owns it. */
export function totalSquares(parameters: readonly Parameter[]): Scalar | undefined {
  let total: Scalar | undefined;
  for (const { gradient } of parameters) {
    if (!gradient) continue;
    using before: Scalar | undefined = total;
    const squares = sumSquares(gradient);
    if (!before) {
      total = squares;
      continue;
    }
    using more = squares;
    total = add(before, more);
  }
  return total;
}
