// Checks a backward pass against its forward pass by central differences in float64.
// Invariant: kinks are skipped, as Caffe's GradientChecker does, never smoothed over by a larger tolerance.
import assert from 'node:assert/strict';
import { assertClose } from './compare.js';
import { hashNdArray, type NdArray } from './reference.js';

/** Inputs this close to `at` are not checked: the difference would straddle the kink. */
export interface Kink {
  readonly at: number;
  /** At least the step. */
  readonly range: number;
}

export interface GradientCheckOptions {
  readonly what: string;
  /** y as a function of the input under test alone. */
  readonly forward: (x: NdArray) => NdArray;
  /** dx for a dy of y's shape. */
  readonly backward: (dy: NdArray) => NdArray;
  readonly x: NdArray;
  /** Half the distance of the two evaluations. Default 1e-5: errors of about step^2 and 1e-16 / step. */
  readonly step?: number;
  readonly kink?: Kink;
  /** Default 1e-6. */
  readonly rtol?: number;
  /** Default 1e-8. */
  readonly atol?: number;
}

/** (f(x + step e_i) - f(x - step e_i)) / 2 step for every i. */
export function numericGradient(objective: (x: NdArray) => number, x: NdArray, step: number): Float64Array {
  const at = (i: number, delta: number): number =>
    objective({ shape: x.shape, data: x.data.map((value, j) => (i === j ? value + delta : value)) });
  return x.data.map((_, i) => (at(i, step) - at(i, -step)) / (2 * step));
}

function dot(a: NdArray, b: NdArray): number {
  return a.data.reduce((sum, value, i) => sum + value * b.data[i]!, 0);
}

/**
 * The objective is sum(y * dy) with a fixed dy of hash values, so its gradient is backward(dy).
 * @throws AssertionError where they differ, or if kinks leave less than half of the elements to check
 */
export function assertGradient(options: GradientCheckOptions): void {
  const { what, forward, backward, x, step = 1e-5, kink, rtol = 1e-6, atol = 1e-8 } = options;
  const dy = hashNdArray({ shape: forward(x).shape, seed: 4242, low: -1, high: 1 });
  const dx = backward(dy);
  assert.deepEqual(dx.shape, x.shape, `${what}: shape of the gradient`);
  const numeric = numericGradient((moved) => dot(forward(moved), dy), x, step);
  const smooth = (_: number, i: number): boolean =>
    kink === undefined || Math.abs(x.data[i]! - kink.at) > kink.range;
  const checked = dx.data.filter(smooth);
  assert.ok(
    checked.length * 2 >= dx.data.length,
    `${what}: only ${checked.length} elements are off the kink`,
  );
  assertClose(checked, numeric.filter(smooth), { rtol, atol, what: `${what}, against central differences` });
}
