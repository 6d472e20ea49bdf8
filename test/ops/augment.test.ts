// Crop, mirror and normalise against the float64 reference.
// Invariant: crops touch every edge of the stored picture, and none is allowed beyond.
import assert from 'node:assert/strict';
import { augment } from '../../lib/ops/index.js';
import { forEachDevice, type TestDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, map, type NdArray } from '../helpers/reference.js';

const SIDE = 11;
const COLOUR = hashNdArray({ shape: [3], seed: 131, low: 100, high: 130 });
const PICTURE = hashNdArray({ shape: [SIDE, SIDE, 3], seed: 132, low: 0, high: 255 });
const STD = hashNdArray({ shape: [3], seed: 133, low: 40, high: 60 });

/** The four corners and the middle, straight and mirrored. */
const CROPS = [
  ...[0, 0, 0, 0, 0, 1, 0, 4, 0, 0, 4, 1],
  ...[4, 0, 0, 4, 0, 1, 4, 4, 0, 4, 4, 1],
  ...[2, 1, 0, 1, 2, 1],
];

function pictures(count: number, side = SIDE): NdArray {
  return map(hashNdArray({ shape: [count, side, side, 3], seed: 134, low: 0, high: 256 }), Math.floor);
}

function augmented(
  on: TestDevice,
  images: NdArray,
  { crops, mean, std, crop }: { crops: readonly number[]; mean: NdArray; std: NdArray; crop: number },
) {
  return on.compute(() => {
    const [n, height, width] = images.shape as [number, number, number];
    const bytes = on.device.tensor(Uint8Array.from(images.data), { shape: [n, height, width, 3] });
    const places = on.device.tensor(Int32Array.from(crops), { shape: [n, 3] });
    const constants = { mean: on.tensor(mean), std: on.tensor(std) };
    return { y: augment(bytes, { crops: places, ...constants, crop, label: 'preprocessing' }) };
  });
}

forEachDevice('augment', (on) => {
  for (const [what, mean] of [
    ['mean colour', COLOUR],
    ['mean picture', PICTURE],
  ] as const) {
    it(`with a ${what}: crops at every edge, straight and mirrored`, async () => {
      const images = pictures(CROPS.length / 3);
      const options = { crops: CROPS, mean, std: STD, crop: 7 };
      const { y } = await augmented(on, images, options);
      assert.equal(y.dtype, 'float32');
      on.expect('augment', y, reference.augment(images, CROPS, options));
    });

    it(`with a ${what}: the whole picture`, async () => {
      const images = pictures(2);
      const options = { crops: [0, 0, 0, 0, 0, 1], mean, std: STD, crop: SIDE };
      const { y } = await augmented(on, images, options);
      on.expect('augment', y, reference.augment(images, options.crops, options));
    });
  }

  it('at the size of AlexNet', async () => {
    const images = pictures(2, 256);
    const options = { crops: [29, 0, 1, 13, 29, 0], mean: COLOUR, std: STD, crop: 227 };
    const { y } = await augmented(on, images, options);
    on.expect('augment', y, reference.augment(images, options.crops, options));
  });

  for (const [what, crop] of [
    ['below', [5, 0, 0]],
    ['to the right of', [0, 5, 1]],
    ['above', [-1, 0, 0]],
    ['to the left of', [0, -1, 0]],
  ] as const) {
    it(`refuses a crop ${what} its picture, and names it`, async () => {
      const options = { crops: [0, 0, 0, ...crop], mean: COLOUR, std: STD, crop: 7 };
      const message = new RegExp(
        `^preprocessing \\(augment\\): crop 1 of 7x7 pixels at \\(${crop[0]}, ${crop[1]}\\)`,
      );
      await assert.rejects(augmented(on, pictures(2), options), { code: 'ERR_NATIVE', message });
    });
  }
});
