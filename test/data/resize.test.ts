// Resizing against a float64 reference that is written straight from the definition.
// Invariant: results differ from the reference by rounding only: at most 1, and in few pixels.

import assert from 'node:assert/strict';
import { resizeToSquare } from '../../lib/data/resize.js';
import type { RgbImage } from '../../lib/data/types.js';
import { ArgumentError } from '../../lib/errors.js';
import { philox4x32 } from '../../lib/random.js';

function noise(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = philox4x32([i, 0, 0, 0], [width, height])[0] & 255;
  return { width, height, data };
}

/** Weight of input pixel j in output pixel i of an axis with `input` pixels scaled to `output`. */
function weightOf(i: number, j: number, input: number, output: number): number {
  const s = input / output;
  if (s > 1) return Math.max(0, Math.min(j + 1, (i + 1) * s) - Math.max(j, i * s)) / s;
  let weight = 0;
  for (let tap = -4; tap < input + 4; tap++) {
    if (Math.min(Math.max(tap, 0), input - 1) === j) weight += keys((i + 0.5) * s - 0.5 - tap);
  }
  return weight;
}

function keys(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d <= 1) return (a + 2) * d ** 3 - (a + 3) * d ** 2 + 1;
  return d < 2 ? a * d ** 3 - 5 * a * d ** 2 + 8 * a * d - 4 * a : 0;
}

/** Values before rounding, [side, side, 3]: both axes at once, all in float64. */
function reference({ width, height, data }: RgbImage, side: number): Float64Array {
  const scaledWidth = Math.round((width * side) / Math.min(width, height));
  const scaledHeight = Math.round((height * side) / Math.min(width, height));
  const left = Math.floor((scaledWidth - side) / 2);
  const top = Math.floor((scaledHeight - side) / 2);
  const out = new Float64Array(side * side * 3);
  for (let y = 0; y < side; y++) {
    const rows = Array.from({ length: height }, (_, j) => weightOf(top + y, j, height, scaledHeight));
    for (let x = 0; x < side; x++) {
      const columns = Array.from({ length: width }, (_, j) => weightOf(left + x, j, width, scaledWidth));
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        rows.forEach((row, j) => {
          if (row === 0) return;
          columns.forEach((column, k) => (sum += row * column * data[(j * width + k) * 3 + c]!));
        });
        out[(y * side + x) * 3 + c] = Math.min(255, Math.max(0, sum));
      }
    }
  }
  return out;
}

describe('resizeToSquare', () => {
  const sizes: [width: number, height: number, side: number][] = [
    [40, 30, 16], // shrinks by a fraction
    [30, 45, 15], // shrinks by whole numbers, cuts top and bottom
    [64, 64, 16],
    [21, 16, 16], // the shorter side stays, only a cut
    [17, 16, 16], // an odd column too many
    [9, 7, 16], // enlarges
    [3, 2, 16], // fewer pixels than the kernel is wide
    [1, 1, 8],
    [1, 50, 8],
    [333, 17, 16], // a strip
    [25, 24, 23], // barely shrinks
    [22, 23, 23], // barely enlarges
  ];
  for (const [width, height, side] of sizes) {
    it(`agrees with the definition: ${width} x ${height} to ${side}`, () => {
      const image = noise(width, height);
      const expected = reference(image, side);
      const square = resizeToSquare(image, side);
      assert.equal(square.length, side * side * 3);
      square.forEach((value, i) => {
        assert.ok(Math.abs(value - expected[i]!) <= 0.5 + 1e-4, `at ${i}: ${value}, expected ${expected[i]}`);
      });
    });
  }

  it('leaves a square of the right size as it is', () => {
    const image = noise(20, 20);
    assert.deepEqual(resizeToSquare(image, 20), image.data);
  });

  it('keeps one colour exactly', () => {
    for (const value of [0, 1, 128, 255]) {
      for (const [width, height] of [
        [301, 200],
        [50, 61],
      ] as const) {
        const flat = { width, height, data: new Uint8Array(width * height * 3).fill(value) };
        assert.ok(resizeToSquare(flat, 64).every((v) => v === value));
      }
    }
  });

  it('cuts the middle out of a wide and of a tall picture', () => {
    const paint = (width: number, height: number, at: (x: number, y: number) => number): RgbImage => ({
      width,
      height,
      data: Uint8Array.from({ length: width * height * 3 }, (_, i) => {
        const pixel = Math.floor(i / 3);
        return at(pixel % width, Math.floor(pixel / width));
      }),
    });
    const wide = resizeToSquare(
      paint(10, 4, (x) => x * 10),
      4,
    );
    assert.deepEqual([wide[0], wide[3], wide[6], wide[9]], [30, 40, 50, 60]);
    const tall = resizeToSquare(
      paint(4, 9, (_, y) => y * 10),
      4,
    );
    assert.deepEqual([tall[0], tall[12], tall[24], tall[36]], [20, 30, 40, 50]);
  });

  it('makes 256 x 256 by default', () => {
    assert.equal(resizeToSquare(noise(3, 5)).length, 256 * 256 * 3);
  });

  it('refuses sides that are none', () => {
    for (const side of [0, -1, 1.5, NaN]) {
      assert.throws(() => resizeToSquare(noise(2, 2), side), ArgumentError);
    }
  });
});
