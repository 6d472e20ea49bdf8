// The pictures of a report: kernels, confusion; and the search for what looks alike.
// Invariant: pixels are named one by one where it matters.
import assert from 'node:assert/strict';
import { drawConfusion, MOST_DRAWN_CLASSES } from '../../lib/report/confusion.js';
import { drawKernels, filterSheet } from '../../lib/report/filters.js';
import { NearestPictures } from '../../lib/report/nearest.js';
import type { RgbImage } from '../../lib/data/index.js';
import { TestDevice } from '../helpers/devices.js';
import { smallModel } from '../train/small.js';
import { validationEvent } from './events.js';

function pixel({ width, data }: RgbImage, x: number, y: number): number[] {
  return [...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3)];
}

const WHITE = [255, 255, 255];

describe('a sheet of kernels', () => {
  it('has 16 in a row with a white pixel between them, on one scale for all', () => {
    // 17 kernels of one pixel: red is the kernel's number less 8, green its negative, blue 0.
    const weights = new Float32Array(17 * 3);
    for (let k = 0; k < 17; k++) weights.set([k - 8, 8 - k, 0], k * 3);
    const sheet = drawKernels(weights, { kernels: 17, height: 1, width: 1 });
    assert.deepEqual([sheet.width, sheet.height], [33, 5]);
    assert.deepEqual(pixel(sheet, 1, 1), [0, 255, 128]);
    assert.deepEqual(pixel(sheet, 2, 1), WHITE);
    assert.deepEqual(pixel(sheet, 3, 1), [16, 239, 128]);
    assert.deepEqual(pixel(sheet, 1, 3), [255, 0, 128]);
    assert.deepEqual(pixel(sheet, 3, 3), WHITE);
  });

  it('is black where all weights are alike', () => {
    const sheet = drawKernels(new Float32Array(3).fill(0.5), { kernels: 1, height: 1, width: 1 });
    assert.deepEqual(pixel(sheet, 1, 1), [0, 0, 0]);
  });

  const test = new TestDevice('cpu');
  before(() => test.open());
  after(() => test.close());

  it("is of the model's first convolution", async () => {
    using model = smallModel(test);
    const sheet = await filterSheet(model);
    assert.deepEqual([sheet?.layer, sheet?.kernels, sheet?.kernelSize], ['conv', 4, 3]);
  });
});

describe('a confusion matrix as a picture', () => {
  it('has a row a label, darker the larger the share of the row', () => {
    const { evaluation } = validationEvent(
      ['a', 'b'],
      [
        [4, 0],
        [1, 1],
      ],
    );
    const picture = drawConfusion(evaluation.confusion)!;
    const cell = (row: number, column: number) => pixel(picture, 256 * column + 128, 256 * row + 128);
    assert.deepEqual([cell(0, 0), cell(0, 1)], [[8, 48, 107], WHITE]);
    assert.deepEqual(cell(1, 0), cell(1, 1));
    assert.deepEqual(cell(1, 0), [132, 152, 181]);
  });

  it('is not drawn where cells could not be told apart', () => {
    const names = (n: number) => Array.from({ length: n }, (_, i) => String(i));
    assert.ok(drawConfusion(validationEvent(names(MOST_DRAWN_CLASSES), [[1]]).evaluation.confusion));
    assert.equal(
      drawConfusion(validationEvent(names(MOST_DRAWN_CLASSES + 1), [[1]]).evaluation.confusion),
      undefined,
    );
  });
});

describe('NearestPictures', () => {
  it('finds the nearest of all that pass by, nearest first', () => {
    const nearest = new NearestPictures([Float32Array.of(0, 0), Float32Array.of(10, 0)], 2);
    nearest.add(Float32Array.of(3, 4, 1, 0), Int32Array.of(7, 8));
    nearest.add(Float32Array.of(10, 1, 0, 2, 9, 0), Int32Array.of(9, 10, 11));
    assert.deepEqual(nearest.found, [
      [
        { index: 8, distance: 1 },
        { index: 10, distance: 2 },
      ],
      [
        { index: 9, distance: 1 },
        { index: 11, distance: 1 },
      ],
    ]);
    assert.equal(nearest.seen, 5);
  });
});
