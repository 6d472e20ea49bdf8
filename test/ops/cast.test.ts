// Conversions between all element types against their definitions.
// Invariant: types of 16 bits and less are converted from every value they have.
import assert from 'node:assert/strict';
import { cast } from '../../lib/ops/index.js';
import { dtypes, makeArray, type ArrayOf, type DType } from '../../lib/tensor/dtype.js';
import { forEachDevice, forEachLayout, type TestDevice } from '../helpers/devices.js';
import {
  bfloat16,
  decode,
  float16,
  hashNdArray,
  nearest,
  ndArray,
  roundHalfEven,
} from '../helpers/reference.js';
import { hashUniform } from '../helpers/hash-values.js';

const INT32_MAX = 2 ** 31 - 1;
const INT32_MIN = -(2 ** 31);

/** Halfway between two integers, and at the limits of the integer types. */
const NEAR_INTEGERS = [0.5, 1.5, 2.5, -0.5, -1.5, 1 / 3, 254.5, 255, 255.4, 255.5, 256, -1, 2 ** 24 + 2];
const NEAR_INT32 = [INT32_MAX, 2147483520, INT32_MIN, -2147483904, 1e10, -1e10];

/** At the limits of float16: its largest, what rounds to that or beyond, its smallest, its subnormals and half of them. */
const NEAR_FLOAT16 = [
  65504,
  65519,
  65519.996,
  65520,
  2 ** -14,
  2 ** -24,
  2 ** -25,
  3 * 2 ** -25,
  -(2 ** -26),
];
const HALFWAY_FLOAT16 = [1 + 2 ** -11, 1 + 3 * 2 ** -11];

/** At the limits of bfloat16: its largest, what rounds beyond, float32's largest, subnormals of both. */
const NEAR_BFLOAT16 = [
  (2 - 2 ** -7) * 2 ** 127,
  (2 - 2 ** -8) * 2 ** 127,
  (2 - 2 ** -23) * 2 ** 127,
  1e-40,
  2 ** -149,
];
const HALFWAY_BFLOAT16 = [1 + 2 ** -8, 1 + 3 * 2 ** -8];

const FLOATS = [
  ...[0, -0, NaN, Infinity, -Infinity],
  ...NEAR_INTEGERS,
  ...NEAR_INT32,
  ...NEAR_FLOAT16,
  ...HALFWAY_FLOAT16,
  ...NEAR_BFLOAT16,
  ...HALFWAY_BFLOAT16,
];

function everyPattern(count: number): number[] {
  return Array.from({ length: count }, (_, bits) => bits);
}

const SOURCES: { [D in DType]: ArrayOf<D> } = {
  float32: Float32Array.from([...FLOATS, ...hashUniform(61, 200, -300, 300)]),
  bfloat16: Uint16Array.from(everyPattern(2 ** 16)),
  float16: Uint16Array.from(everyPattern(2 ** 16)),
  int32: Int32Array.of(
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    65504,
    65520,
    2 ** 24 + 1,
    -(2 ** 24) - 3,
    INT32_MAX,
    INT32_MIN,
  ),
  uint8: Uint8Array.from(everyPattern(2 ** 8)),
  int8: Int8Array.from(everyPattern(2 ** 8)),
};

/** The number that an element of a typed array stands for. */
function valueOf(element: number, dtype: DType): number {
  if (dtype === 'bfloat16') return decode(element, bfloat16);
  return dtype === 'float16' ? decode(element, float16) : element;
}

function saturated(value: number, low: number, high: number): number {
  // + 0: integers have no negative zero.
  return Number.isNaN(value) ? 0 : Math.min(Math.max(roundHalfEven(value), low), high) + 0;
}

function converted(value: number, to: DType): number {
  switch (to) {
    case 'float32':
      return Math.fround(value);
    case 'bfloat16':
      return nearest(Math.fround(value), bfloat16);
    case 'float16':
      return nearest(Math.fround(value), float16);
    case 'int32':
      return saturated(value, INT32_MIN, INT32_MAX);
    case 'uint8':
      return saturated(value, 0, 255);
    case 'int8':
      return saturated(value, -128, 127);
  }
}

async function castOn(on: TestDevice, source: ArrayOf<DType>, from: DType, to: DType): Promise<number[]> {
  const shape = [source.length];
  const { y } = await on.compute(() => ({
    y: cast(on.device.tensor(source, { shape, dtype: from }), { dtype: to }),
  }));
  assert.equal(y.dtype, to);
  return Array.from(y.data);
}

forEachDevice('cast', (on) => {
  for (const from of dtypes) {
    for (const to of dtypes) {
      it(`${from} to ${to}: the nearest value, and integers saturate`, async () => {
        const source = SOURCES[from];
        const actual = (await castOn(on, source, from, to)).map((element) => valueOf(element, to));
        const expected = Array.from(source, (element) => converted(valueOf(element, from), to));
        const off = expected.findIndex((value, i) => !Object.is(actual[i], value));
        assert.equal(
          off,
          -1,
          `${valueOf(source[off] ?? 0, from)} became ${actual[off]}, expected ${expected[off]}`,
        );
        on.expect(
          'cast',
          { dtype: to, shape: [source.length], data: actual },
          ndArray([source.length], expected),
        );
      });
    }
  }

  it('to its own type keeps every bit, also those of a NaN', async () => {
    for (const dtype of dtypes) {
      assert.deepEqual(await castOn(on, SOURCES[dtype], dtype, dtype), Array.from(SOURCES[dtype]));
    }
  });

  forEachLayout('gives pictures in the order N, C, H, W', async (layout) => {
    const x = hashNdArray({ shape: [2, 20, 3, 5], seed: 62, low: -4, high: 300 });
    const { y } = await on.compute(() => ({ y: cast(on.tensor(x, layout), { dtype: 'uint8' }) }));
    assert.deepEqual(
      y.data,
      makeArray('uint8', y.data.length).map((_, i) => converted(x.data[i]!, 'uint8')),
    );
  });
});
