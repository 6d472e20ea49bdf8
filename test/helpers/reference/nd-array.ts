// The one array type of the references: float64, row-major, logical order (N, C, H, W).
// Invariant: data.length is the product of shape; functions leave their arguments alone.
import { type HashSpec, hashTensor } from '../hash-values.js';

export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Rows and columns. */
export interface Extent2d {
  readonly h: number;
  readonly w: number;
}

/** Rows and columns added on each side. */
export interface Padding2d {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Copies `values`. */
export function ndArray(shape: readonly number[], values: ArrayLike<number>): NdArray {
  if (values.length !== sizeOf(shape)) {
    throw new RangeError(`reference: ${values.length} values do not fill [${shape.join(', ')}]`);
  }
  return { shape: [...shape], data: Float64Array.from(values) };
}

export function zeros(shape: readonly number[]): NdArray {
  return { shape: [...shape], data: new Float64Array(sizeOf(shape)) };
}

/** Hash values (float32-rounded) as float64. */
export function hashNdArray(spec: HashSpec): NdArray {
  return ndArray(spec.shape, hashTensor(spec));
}

/** f(x, i) for every element. */
export function map(x: NdArray, f: (value: number, index: number) => number): NdArray {
  return { shape: x.shape, data: x.data.map((value, index) => f(value, index)) };
}

/** The same values under another shape. */
export function reshape(x: NdArray, shape: readonly number[]): NdArray {
  return ndArray(shape, x.data);
}

/** [a, b, c, d] of a shape of rank 4. */
export function dims4(shape: readonly number[]): [number, number, number, number] {
  if (shape.length !== 4) throw new RangeError(`reference: rank 4 expected, shape is [${shape.join(', ')}]`);
  return [shape[0]!, shape[1]!, shape[2]!, shape[3]!];
}

/** [a, b] of a shape of rank 2. */
export function dims2(shape: readonly number[]): [number, number] {
  if (shape.length !== 2) throw new RangeError(`reference: rank 2 expected, shape is [${shape.join(', ')}]`);
  return [shape[0]!, shape[1]!];
}

/** Windows of `kernel` that fit into `size` and its padding; what is left over at the end is not covered. */
export function windowCount(
  size: number,
  before: number,
  after: number,
  kernel: number,
  stride: number,
): number {
  return Math.floor((size + before + after - kernel) / stride) + 1;
}
