// Crop, resize, mirror, recolour, erase and normalise against the float64 reference.
// Invariant: rectangles touch every edge of the stored picture, and none is allowed beyond.
import assert from 'node:assert/strict';
import * as data from '../../lib/data/augmentation.js';
import { augment } from '../../lib/ops/index.js';
import { forEachDevice, type TestDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, map, ndArray, type NdArray } from '../helpers/reference.js';

const SIDE = 11;
const COLOUR = hashNdArray({ shape: [3], seed: 131, low: 100, high: 130 });
const PICTURE = hashNdArray({ shape: [SIDE, SIDE, 3], seed: 132, low: 0, high: 255 });
const STD = hashNdArray({ shape: [3], seed: 133, low: 40, high: 60 });
const MIX = [0.9, 0.2, -0.1, 0.05, 1.1, 0.3, -0.25, 0.125, 0.75];

interface Change {
  readonly mirror?: number;
  readonly flip?: number;
  readonly colour?: readonly number[];
  readonly offset?: readonly number[];
  readonly erase?: readonly number[];
}

function record(source: readonly [number, number, number, number], change: Change = {}): number[] {
  const { mirror = 0, flip = 0, colour = [1, 0, 0, 0, 1, 0, 0, 0, 1], offset = [0, 0, 0] } = change;
  return [...source, mirror, flip, ...colour, ...offset, ...(change.erase ?? [0, 0, 0, 0])];
}

function pictures(count: number, side = SIDE): NdArray {
  return map(hashNdArray({ shape: [count, side, side, 3], seed: 134, low: 0, high: 256 }), Math.floor);
}

interface Options {
  readonly records: readonly (readonly number[])[];
  readonly mean: NdArray;
  readonly crop: number;
}

function augmented(on: TestDevice, images: NdArray, { records, mean, crop }: Options) {
  return on.compute(() => {
    const [n, height, width] = images.shape as [number, number, number];
    const bytes = on.device.tensor(Uint8Array.from(images.data), { shape: [n, height, width, 3] });
    const options = {
      records: on.device.tensor(Float32Array.from(records.flat()), { shape: [records.length, 22] }),
      mean: on.tensor(mean),
      std: on.tensor(STD),
    };
    return { y: augment(bytes, { ...options, crop, label: 'preprocessing' }) };
  });
}

async function expectReference(on: TestDevice, images: NdArray, options: Options): Promise<void> {
  const { y } = await augmented(on, images, options);
  assert.equal(y.dtype, 'float32');
  on.expect('augment', y, reference.augment(images, options.records.flat(), { ...options, std: STD }));
}

/** Of 7x7 pixels: the four corners and the middle, straight, mirrored, upside down, and both. */
const CROPS = [
  record([0, 0, 7, 7]),
  record([0, 4, 7, 7], { mirror: 1 }),
  record([4, 0, 7, 7], { flip: 1 }),
  record([4, 4, 7, 7], { mirror: 1, flip: 1 }),
  record([2, 1, 7, 7]),
];

/** For an output of 7x7: shrunk, enlarged, one axis alone, to the last pixel; in every orientation. */
const RECTANGLES = [
  record([0, 0, 11, 11]),
  record([0, 0, 11, 11], { mirror: 1 }),
  record([1, 2, 9, 8], { flip: 1 }),
  record([3, 4, 2, 5], { mirror: 1, flip: 1 }),
  record([10, 0, 1, 1]),
  record([0, 10, 11, 1]),
  record([2, 0, 7, 11], { mirror: 1 }),
  record([0, 3, 11, 7]),
];

const COLOURED = [
  record([1, 1, 7, 7], { offset: [10.5, -20.25, 3] }),
  record([1, 1, 7, 7], { colour: MIX, offset: [10.5, -20.25, 3], mirror: 1 }),
  record([0, 0, 10, 9], { colour: MIX, flip: 1 }),
  record([0, 0, 10, 9], { offset: [-1, -2, -3], mirror: 1 }),
];

const ERASED = [
  record([1, 1, 7, 7], { erase: [0, 0, 7, 7] }),
  record([1, 1, 7, 7], { erase: [5, 2, 2, 5], mirror: 1, flip: 1 }),
  record([1, 1, 9, 9], { erase: [0, 3, 1, 1], colour: MIX }),
  record([1, 1, 9, 9], { erase: [3, 3, 0, 4] }),
];

const STEPS: Readonly<Record<string, data.AugmentationStep>> = {
  randomCrop: data.randomCrop({ size: 7 }),
  centreCrop: data.centreCrop({ size: 7 }),
  randomResizedCrop: data.randomResizedCrop({ size: 7 }),
  tenCrop: data.tenCrop({ size: 7 }),
  randomMirror: data.randomMirror(),
  randomFlip: data.randomFlip(),
  pcaColour: data.pcaColour(),
  brightness: data.brightness({ range: [0.5, 1.5] }),
  contrast: data.contrast({ range: [0.5, 1.5] }),
  saturation: data.saturation({ range: [0, 2] }),
  randomErasing: data.randomErasing({ probability: 1 }),
};

forEachDevice('augment', (on) => {
  for (const [what, mean] of [
    ['mean colour', COLOUR],
    ['mean picture', PICTURE],
  ] as const) {
    for (const [how, records] of [
      ['crops at every edge, in every orientation', CROPS],
      ['resampled rectangles', RECTANGLES],
      ['changed colours', COLOURED],
      ['erased rectangles', ERASED],
    ] as const) {
      it(`with a ${what}: ${how}`, () =>
        expectReference(on, pictures(records.length), { records, mean, crop: 7 }));
    }

    it(`with a ${what}: the whole picture, as it is and enlarged`, async () => {
      const records = [record([0, 0, SIDE, SIDE]), record([0, 0, SIDE, SIDE], { mirror: 1 })];
      await expectReference(on, pictures(2), { records, mean, crop: SIDE });
      await expectReference(on, pictures(2), { records, mean, crop: 20 });
    });

    it(`with a ${what}: shrunk to one pixel, which is an average`, () =>
      expectReference(on, pictures(1), { records: [record([0, 0, SIDE, SIDE])], mean, crop: 1 }));

    it(`with a ${what}: several views of each picture`, () =>
      expectReference(on, pictures(2), { records: [...CROPS, ...CROPS.toReversed()], mean, crop: 7 }));
  }

  it('at the size of AlexNet, copied and resampled', async () => {
    const records = [
      record([29, 0, 227, 227], { mirror: 1, offset: [-30, 12, 7] }),
      record([13, 29, 227, 227], { colour: MIX }),
      record([0, 0, 256, 256]),
      record([100, 37, 80, 61], { mirror: 1 }),
    ];
    await expectReference(on, pictures(4, 256), { records, mean: COLOUR, crop: 227 });
  });

  for (const [name, step] of Object.entries(STEPS)) {
    it(`does what ${name} decides`, async () => {
      const count = 4;
      const cropped = 'size' in step ? [step] : [data.randomCrop({ size: 7 }), step];
      const plan = (index: number) =>
        data.planAugmentation(cropped, { seed: 3, epoch: 1, index, height: SIDE, width: SIDE });
      const values = Array.from({ length: count }, (_, index) => [...plan(index)]).flat();
      const records = Array.from({ length: values.length / 22 }, (_, r) => values.slice(r * 22, r * 22 + 22));
      for (const mean of [COLOUR, PICTURE]) {
        await expectReference(on, pictures(count), { records, mean, crop: 7 });
      }
    });
  }

  it('does not depend on the pictures beside it', async () => {
    const images = pictures(8);
    const { y } = await augmented(on, images, { records: RECTANGLES, mean: PICTURE, crop: 7 });
    const bytes = SIDE * SIDE * 3;
    for (const [i, one] of RECTANGLES.entries()) {
      const alone = ndArray([1, SIDE, SIDE, 3], images.data.slice(i * bytes, (i + 1) * bytes));
      const single = await augmented(on, alone, { records: [one], mean: PICTURE, crop: 7 });
      assert.deepEqual(
        [...(single.y.data as Float32Array)],
        [...(y.data as Float32Array).slice(i * 147, (i + 1) * 147)],
      );
    }
  });

  describe('of pictures of several sizes', () => {
    const sizes = [
      [9, 16],
      [11, 7],
      [8, 8],
    ] as const;
    const bytesOf = ([height, width]: readonly [number, number]): number => height * width * 3;
    const shapes = sizes.map(([height, width], i) =>
      map(hashNdArray({ shape: [1, height, width, 3], seed: 140 + i, low: 0, high: 256 }), Math.floor),
    );
    /** They lie in another order than they come, with bytes between them that are nobody's. */
    const packed = new Uint8Array(2000).fill(77);
    const offsets = [700, 50, 1400];
    shapes.forEach(({ data }, i) => packed.set(Uint8Array.from(data), offsets[i]));
    const frames = sizes.map(([height, width], i) => [offsets[i]!, height, width]);
    const views = [
      [record([0, 0, 9, 16], { mirror: 1 }), record([2, 9, 7, 7])],
      [record([4, 0, 7, 7], { flip: 1, colour: MIX }), record([0, 0, 11, 7], { offset: [1, 2, 3] })],
      [record([0, 0, 8, 8]), record([1, 1, 7, 7], { erase: [0, 0, 2, 2] })],
    ];

    const framed = (places: readonly (readonly number[])[], mean = COLOUR) =>
      on.compute(() => ({
        y: augment(on.device.tensor(packed, { shape: [packed.length] }), {
          frames: on.device.tensor(Int32Array.from(places.flat()), { shape: [places.length, 3] }),
          records: on.device.tensor(Float32Array.from(views.flat(2)), { shape: [6, 22] }),
          mean: on.tensor(mean),
          std: on.tensor(STD),
          crop: 7,
          label: 'preprocessing',
        }),
      }));

    it('each is cut and resized for itself', async () => {
      const { y } = await framed(frames);
      const expected = shapes.flatMap((image, i) => [
        ...reference.augment(image, views[i]!.flat(), { crop: 7, mean: COLOUR, std: STD }).data,
      ]);
      on.expect('augment', y, ndArray([6, 3, 7, 7], expected));
    });

    for (const [what, bad] of [
      ['begins before the images', [-1, 9, 16]],
      ['ends behind them', [2001 - bytesOf([8, 8]), 8, 8]],
      ['has no rows', [0, 0, 16]],
      ['has a negative width', [0, 9, -16]],
      ['is of more bytes than there are numbers', [0, 2 ** 31 - 1, 2 ** 31 - 1]],
    ] as const) {
      it(`refuses a frame that ${what}, and names the picture`, async () => {
        await assert.rejects(
          framed([frames[0]!, frames[1]!, bad]),
          new RegExp(`preprocessing \\(augment\\): picture 2: its frame of .* bytes of the images$`),
        );
      });
    }

    it('refuses a rectangle beyond its own picture', async () => {
      await assert.rejects(
        framed([frames[0]!, frames[2]!, frames[1]!]),
        /picture 1.* of the picture of 8x8$/,
      );
    });

    it('refuses a mean image, which has no size to be of', async () => {
      await assert.rejects(framed(frames, PICTURE), /mean is .* expected .* no mean image/);
    });
  });

  const rectangle = (source: readonly [number, number, number, number]) => record(source);
  for (const [what, bad, complaint] of [
    ['below its picture', rectangle([5, 0, 7, 7]), /source rectangle of 7x7 pixels at \(5, 0\) .* 11x11$/],
    ['to the right of it', rectangle([0, 5, 7, 7]), /source rectangle of 7x7 pixels at \(0, 5\)/],
    ['above it', rectangle([-1, 0, 7, 7]), /source rectangle of 7x7 pixels at \(-1, 0\)/],
    ['to the left of it', rectangle([0, -1, 7, 7]), /source rectangle of 7x7 pixels at \(0, -1\)/],
    ['of no pixels', rectangle([0, 0, 0, 7]), /source rectangle of 0x7 pixels/],
    ['of parts of pixels', rectangle([0.5, 0, 7, 7]), /source rectangle of 7x7 pixels at \(0.5, 0\)/],
    ['that is not a number', rectangle([NaN, 0, 7, 7]), /source rectangle of 7x7 pixels at \(-?nan, 0\)/],
    ['of endless width', rectangle([0, 0, 7, Infinity]), /source rectangle of 7xinf pixels/],
    ['half mirrored', record([0, 0, 7, 7], { mirror: 0.5 }), /mirror is 0.5 and flip 0, expected 0 or 1/],
    [
      'with a NaN in its colours',
      record([0, 0, 7, 7], { colour: [1, 0, 0, 0, 1, 0, 0, NaN, 1] }),
      /value 7 of the colour matrix is -?nan/,
    ],
    [
      'with an endless offset',
      record([0, 0, 7, 7], { offset: [0, Infinity, 0] }),
      /value 1 of the colour offset is inf/,
    ],
    [
      'erased beyond the output',
      record([0, 0, 7, 7], { erase: [0, 6, 1, 2] }),
      /erased rectangle of 1x2 pixels at \(0, 6\) .* 7x7$/,
    ],
    [
      'erased above the output',
      record([0, 0, 7, 7], { erase: [-1, 0, 2, 2] }),
      /erased rectangle of 2x2 pixels at \(-1, 0\)/,
    ],
  ] as const) {
    it(`refuses a rectangle ${what}, and names the picture`, async () => {
      const good = record([0, 0, 7, 7]);
      for (const [records, name] of [
        [[good, bad], 'picture 1: '],
        [[good, good, good, bad], 'picture 1, view 1: '],
      ] as const) {
        await assert.rejects(
          augmented(on, pictures(2), { records, mean: COLOUR, crop: 7 }),
          (error: Error) => {
            assert.ok(error.message.startsWith(`preprocessing (augment): ${name}`), error.message);
            assert.match(error.message, complaint);
            return true;
          },
        );
      }
    });
  }
});
