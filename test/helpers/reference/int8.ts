// Values as 8-bit integers, and sums of them, exactly: a product of such integers is exact in a double, and so is a sum of
// less than 2^38 of them.
// Invariant: an integer q stands for q * scale; ties round to even; what is beyond the range becomes its end.
import { roundHalfEven } from './float-formats.js';
import { map, sizeOf, zeros, type NdArray } from './nd-array.js';

export type IntegerType = 'uint8' | 'int8';

const RANGES: Readonly<Record<IntegerType, readonly [number, number]>> = {
  uint8: [0, 255],
  int8: [-127, 127],
};

export function quantize(x: NdArray, { dtype, scale }: { dtype: IntegerType; scale: number }): NdArray {
  const [low, high] = RANGES[dtype];
  return map(x, (value) =>
    Number.isNaN(value) ? 0 : Math.min(high, Math.max(low, roundHalfEven(value / scale))),
  );
}

/** w: [O, ...] -> q: the same shape, scales: [O]; the largest magnitude of each output is 127. */
export function quantizeWeights(w: NdArray): { q: NdArray; scales: number[] } {
  const [outputs = 1] = w.shape;
  const length = sizeOf(w.shape) / outputs;
  const q = zeros(w.shape);
  const scales = Array.from({ length: outputs }, (_, o) => {
    const row = w.data.slice(o * length, (o + 1) * length);
    const largest = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const scale = largest === 0 ? 1 : largest / 127;
    for (const [i, value] of row.entries()) q.data[o * length + i] = roundHalfEven(value / scale);
    return scale;
  });
  return { q, scales };
}

/** The values of sums: output o lies along dimension 1. */
export function scaleSums(
  sums: NdArray,
  options: { inputScale: number; scales: readonly number[]; b?: readonly number[]; relu?: boolean },
): NdArray {
  const { inputScale, scales, b, relu } = options;
  const [, outputs = 1, ...pixels] = sums.shape;
  return map(sums, (sum, i) => {
    const o = Math.floor(i / sizeOf(pixels)) % outputs;
    const value = sum * inputScale * scales[o]! + (b?.[o] ?? 0);
    return relu ? Math.max(0, value) : value;
  });
}
