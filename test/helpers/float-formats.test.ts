// The 16-bit formats against values that their standards list.
// Invariant: every bit pattern that is a number is its own nearest value.
import assert from 'node:assert/strict';
import { bfloat16, decode, float16, nearest, roundHalfEven } from './reference.js';

describe('reference number formats', () => {
  it('decode the values that IEEE 754 lists for float16', () => {
    const known = {
      0x3c00: 1,
      0xc000: -2,
      0x7bff: 65504,
      0x0400: 2 ** -14,
      0x0001: 2 ** -24,
      0x3555: 0.333251953125,
    };
    for (const [bits, value] of Object.entries(known)) assert.equal(decode(Number(bits), float16), value);
    assert.equal(decode(0xfc00, float16), -Infinity);
    assert.equal(decode(0x7e00, float16), NaN);
    assert.ok(Object.is(decode(0x8000, float16), -0));
  });

  it('decode bfloat16 as the upper half of a float32', () => {
    const view = new DataView(new ArrayBuffer(4));
    for (let bits = 0; bits < 2 ** 16; bits++) {
      view.setUint32(0, bits * 2 ** 16);
      assert.ok(Object.is(decode(bits, bfloat16), view.getFloat32(0)), `bits ${bits}`);
    }
  });

  it('leave alone what they can represent', () => {
    for (const format of [bfloat16, float16]) {
      for (let bits = 0; bits < 2 ** 16; bits++) {
        const value = decode(bits, format);
        assert.ok(Object.is(nearest(value, format), value), `bits ${bits}`);
      }
    }
  });

  it('round to nearest, ties to even, and to infinity beyond the largest', () => {
    assert.equal(nearest(1 + 2 ** -11, float16), 1);
    assert.equal(nearest(1 + 3 * 2 ** -11, float16), 1 + 2 ** -9);
    assert.equal(nearest(1 + 2 ** -11 + 2 ** -30, float16), 1 + 2 ** -10);
    assert.equal(nearest(65519, float16), 65504);
    assert.equal(nearest(65520, float16), Infinity);
    assert.equal(nearest(2 ** -25, float16), 0);
    assert.equal(nearest(-3 * 2 ** -25, float16), -(2 ** -23));
    assert.deepEqual([0.5, 1.5, 2.5, -0.5, -1.5, 2.4].map(roundHalfEven), [0, 2, 2, 0, -2, 2]);
  });
});
