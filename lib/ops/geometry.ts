// How windows slide over pictures: kernel, stride and padding, shared by convolution and pooling.
// Invariant: padding is per side, so that uneven padding (as the authors' 224-pixel input needs) is expressible.
import { ArgumentError } from '../errors.js';

/** One number for both axes, or [height, width]. */
export type Size2d = number | readonly [height: number, width: number];

/** One number for all four sides, or each side (default 0), in pixels. */
export type Padding2d =
  | number
  | { readonly top?: number; readonly bottom?: number; readonly left?: number; readonly right?: number };

export interface Padding {
  readonly padTop: number;
  readonly padBottom: number;
  readonly padLeft: number;
  readonly padRight: number;
}

/** @throws ArgumentError unless both are positive integers */
export function size2d(size: Size2d, what: string): readonly [number, number] {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  for (const extent of [height, width]) {
    if (!Number.isInteger(extent) || extent < 1) {
      throw new ArgumentError(
        `${what} must be a positive integer, or two of them; got ${JSON.stringify(size)}.`,
      );
    }
  }
  return [height, width];
}

/** @throws ArgumentError unless all sides are non-negative integers */
export function padding2d(padding: Padding2d | undefined, what: string): Padding {
  const sides =
    typeof padding === 'number' ? { top: padding, bottom: padding, left: padding, right: padding } : padding;
  const { top = 0, bottom = 0, left = 0, right = 0 } = sides ?? {};
  for (const side of [top, bottom, left, right]) {
    if (!Number.isInteger(side) || side < 0) {
      throw new ArgumentError(
        `${what}: padding must be a non-negative integer, got ${JSON.stringify(padding)}.`,
      );
    }
  }
  return { padTop: top, padBottom: bottom, padLeft: left, padRight: right };
}
