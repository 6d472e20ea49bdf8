// Shapes: extents in the order N, C, H, W. A scalar's shape is [].
// Invariant: every extent is a positive integer.
import { ShapeError } from '../errors.js';

/** Extents of a tensor, outermost first. */
export type Shape = readonly number[];

/** Number of elements. */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** `[128, 3, 227, 227]` */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

/** @throws ShapeError if an extent is not a positive integer */
export function checkShape(shape: Shape, what: string): void {
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 1) {
      throw new ShapeError(`${what}: every extent must be a positive integer, got ${formatShape(shape)}.`);
    }
  }
}
