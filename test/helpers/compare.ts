// Comparison of number arrays whose failure says where, how far, and how much of it is off.
// Invariant: lengths must agree, NaN equals NaN only, an infinity equals itself only.
import { AssertionError } from 'node:assert/strict';

/** |actual - expected| <= atol + rtol * |expected| is close. */
export interface CloseOptions {
  /** Relative to |expected|, element by element. */
  readonly rtol: number;
  /** Absolute. */
  readonly atol: number;
  /** What is compared, for the failure: `conv2.weight gradient`. */
  readonly what: string;
  /** Why the tolerance is what it is; printed on failure. */
  readonly reason?: string;
}

/** How many tolerances `a` is away from `e`: above 1 is off. */
function excess(a: number, e: number, { rtol, atol }: CloseOptions): number {
  if (Object.is(a, e) || a === e) return 0;
  if (!Number.isFinite(a) || !Number.isFinite(e)) return Infinity;
  const tolerance = atol + rtol * Math.abs(e);
  return tolerance === 0 ? Infinity : Math.abs(a - e) / tolerance;
}

/**
 * Compares element by element.
 * @throws AssertionError with the worst index, both values there, and how many of how many are off
 */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  options: CloseOptions,
): void {
  const { rtol, atol, what, reason } = options;
  if (actual.length !== expected.length) {
    throw new AssertionError({ message: `${what}: ${actual.length} values, expected ${expected.length}` });
  }
  let worst = -1;
  let worstExcess = 1;
  let off = 0;
  for (let i = 0; i < expected.length; i++) {
    const e = excess(actual[i]!, expected[i]!, options);
    if (e <= 1) continue;
    off++;
    if (e > worstExcess) [worst, worstExcess] = [i, e];
  }
  if (off === 0) return;
  const [a, e] = [actual[worst]!, expected[worst]!];
  throw new AssertionError({
    message:
      `${what}: ${off} of ${expected.length} values off; worst at [${worst}]: ` +
      `${a}, expected ${e} (difference ${Math.abs(a - e)}, rtol ${rtol}, atol ${atol})` +
      (reason === undefined ? '' : `; tolerance: ${reason}`),
    actual: a,
    expected: e,
    stackStartFn: assertClose,
  });
}
