// The types of tensors: elements, rank and literal extents are inferred, and what cannot be is refused.
// Invariant: compiled with everything else, never run; each refusal is one that run time would make too.
import type { Device, Shape, Tensor } from '../../lib/index.js';
import type { Equal, Expect } from './expect.js';

declare const device: Device;
declare const shape: readonly number[];
declare const batch: number;

export const floats = device.tensor(new Float32Array(6), { shape: [2, 3] });
export const integers = device.tensor(new Int32Array(4), { shape: [4] });
export const bytes = device.tensor(new Uint8Array(48), { shape: [1, 4, 4, 3] });
export const numbers = device.tensor([1, 2], { shape: [2] });
export const spelled = device.tensor([1, 2], { shape: [1, 2], dtype: 'int32' });
export const bits = device.tensor(new Uint16Array(1), { shape: [], dtype: 'bfloat16' });
export const batched = device.tensor(new Float32Array(6), { shape: [batch, 3] });
export const anyShape = device.tensor(new Float32Array(6), { shape });

export type Made = [
  Expect<Equal<typeof floats, Tensor<'float32', readonly [2, 3]>>>,
  Expect<Equal<typeof integers, Tensor<'int32', readonly [4]>>>,
  Expect<Equal<typeof bytes, Tensor<'uint8', readonly [1, 4, 4, 3]>>>,
  Expect<Equal<typeof numbers, Tensor<'float32', readonly [2]>>>,
  Expect<Equal<typeof spelled, Tensor<'int32', readonly [1, 2]>>>,
  Expect<Equal<typeof bits, Tensor<'bfloat16', readonly []>>>,
  Expect<Equal<typeof batched, Tensor<'float32', readonly [number, 3]>>>,
  Expect<Equal<typeof anyShape, Tensor<'float32', readonly number[]>>>,
];

export type Read = [
  Expect<Equal<Awaited<ReturnType<typeof floats.data>>, Float32Array>>,
  Expect<Equal<Awaited<ReturnType<typeof integers.data>>, Int32Array>>,
  Expect<Equal<Awaited<ReturnType<typeof bytes.data>>, Uint8Array>>,
  Expect<Equal<Awaited<ReturnType<typeof bits.data>>, Uint16Array>>,
  Expect<Equal<Awaited<ReturnType<typeof floats.item>>, number>>,
  Expect<Equal<typeof floats.dtype, 'float32'>>,
  Expect<Equal<typeof floats.shape, readonly [2, 3]>>,
  Expect<Equal<ReturnType<typeof bytes.share>, typeof bytes>>,
];

export const kept = device.scope(() => ({ loss: numbers, steps: 3 }));
export type Kept = Expect<Equal<typeof kept, { loss: typeof numbers; steps: number }>>;

// A tensor whose shape is known goes where any will do, and not the other way round.
export const loose: Tensor<'float32', Shape> = floats;
export const whatever: Tensor = integers;
// @ts-expect-error the shape of anyShape is not known
export const strict: Tensor<'float32', readonly [2, 3]> = anyShape;
// @ts-expect-error int32 is not float32
export const other: Tensor<'float32'> = integers;

// @ts-expect-error 16 bits are bfloat16 or float16: it has to be said which
device.tensor(new Uint16Array(2), { shape: [2] });
// @ts-expect-error no element type has double precision
device.tensor(new Float64Array(2), { shape: [2] });
// @ts-expect-error integers are not floats
device.tensor(new Int32Array(2), { shape: [2], dtype: 'float32' });
// @ts-expect-error there is no such element type
device.tensor([1], { shape: [1], dtype: 'float64' });
// @ts-expect-error a shape is needed
device.tensor([1], {});
// @ts-expect-error values do not change
floats.shape[0] = 3;
