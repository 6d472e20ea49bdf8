// Element types: their names, their sizes, and the typed arrays that carry them.
// Invariant: bfloat16 and float16 travel as their bits in a Uint16Array; arithmetic on them is the device's.
import { DTypeError } from '../errors.js';

/** Type of a tensor's elements. */
export type DType = 'float32' | 'bfloat16' | 'float16' | 'int32' | 'uint8' | 'int8';

/** Types that networks compute in. */
export type FloatDType = 'float32' | 'bfloat16' | 'float16';

/**
 * What a network computes in. 'float32', or mixed: activations, their gradients and a copy of the weights in 'bfloat16' or
 * 'float16', while the weights that are trained and saved, their gradients, sums, logits and loss stay float32.
 */
export type Precision = FloatDType;

/** What predictions are computed in: as trained, or in 8-bit integers, see `quantizeModel`. */
export type InferencePrecision = Precision | 'int8';

/** Types of quantised values: uint8 for what is never negative, int8 for all else. */
export type QuantizedDType = 'uint8' | 'int8';

/** The typed array that holds elements of each type. */
export interface DTypeArrays {
  float32: Float32Array;
  bfloat16: Uint16Array;
  float16: Uint16Array;
  int32: Int32Array;
  uint8: Uint8Array;
  int8: Int8Array;
}

export type ArrayOf<D extends DType> = DTypeArrays[D];

const constructors = {
  float32: Float32Array,
  bfloat16: Uint16Array,
  float16: Uint16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  int8: Int8Array,
} as const;

export const dtypes = Object.keys(constructors) as DType[];

/** Bytes of one element. */
export function bytesPerElement(dtype: DType): number {
  return constructors[dtype].BYTES_PER_ELEMENT;
}

/** A new array of zeros. */
export function makeArray<D extends DType>(dtype: D, length: number): ArrayOf<D> {
  return new constructors[dtype](length) as ArrayOf<D>;
}

/** Whether elements of the type are held in an array of this class; a Buffer is a Uint8Array. */
export function holds(array: ArrayBufferView, dtype: DType): boolean {
  return array instanceof constructors[dtype];
}

/** Converts numbers into an array of the type; for bfloat16 and float16, numbers are their bits. */
export function arrayFrom<D extends DType>(dtype: D, values: readonly number[]): ArrayOf<D> {
  return constructors[dtype].from(values) as ArrayOf<D>;
}

/**
 * The element type that a typed array stands for.
 * @throws DTypeError for an array that could be several, or none
 */
export function dtypeOfArray(array: ArrayBufferView): DType {
  if (array instanceof Float32Array) return 'float32';
  if (array instanceof Int32Array) return 'int32';
  if (array instanceof Uint8Array) return 'uint8';
  if (array instanceof Int8Array) return 'int8';
  if (array instanceof Uint16Array) {
    throw new DTypeError(
      "A Uint16Array holds bfloat16 or float16 bits: pass dtype: 'bfloat16' or 'float16'.",
    );
  }
  throw new DTypeError(
    `${array.constructor.name} is not the array of any dtype. Use Float32Array, Int32Array, Uint8Array, Int8Array, or Uint16Array with a dtype.`,
  );
}
