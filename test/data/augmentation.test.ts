// What each step decides, how often, and that it depends on the picture alone.
// Invariant: draws are seeded, so the statistics are the same in every run.

import assert from 'node:assert/strict';
import type { ColourStatistics } from '../../lib/data/colour.js';
import {
  brightness,
  centreCrop,
  checkAugmentation,
  contrast,
  IMAGENET_COLOUR_COMPONENTS,
  pcaColour,
  planAugmentation,
  randomCrop,
  randomErasing,
  randomFlip,
  randomMirror,
  randomResizedCrop,
  RECORD_LENGTH,
  saturation,
  tenCrop,
  type Augmentation,
} from '../../lib/data/augmentation.js';
import { ArgumentError } from '../../lib/errors.js';
import { assertClose } from '../helpers/compare.js';

const SIDE = 8;
const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];
const CENTRE = centreCrop({ size: 5 });

interface Plan {
  readonly source: readonly number[];
  readonly mirror: number;
  readonly flip: number;
  readonly matrix: readonly number[];
  readonly offset: readonly number[];
  readonly erase: readonly number[];
}

/** The views of one picture. */
function plan(
  augmentation: Augmentation,
  {
    seed = 1,
    epoch = 0,
    index = 0,
    side = SIDE,
  }: { seed?: number; epoch?: number; index?: number; side?: number } = {},
): Plan[] {
  const records = planAugmentation(augmentation, { seed, epoch, index, height: side, width: side });
  return Array.from({ length: records.length / RECORD_LENGTH }, (_, view) => {
    const record = [...records.subarray(view * RECORD_LENGTH, (view + 1) * RECORD_LENGTH)];
    return {
      source: record.slice(0, 4),
      mirror: record[4]!,
      flip: record[5]!,
      matrix: record.slice(6, 15),
      offset: record.slice(15, 18),
      erase: record.slice(18),
    };
  });
}

/** The first view of each of `count` pictures. */
function plans(augmentation: Augmentation, count: number, side = SIDE): Plan[] {
  return Array.from({ length: count }, (_, index) => plan(augmentation, { index, side })[0]!);
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

function assertNear(actual: number, expected: number, by: number, what: string): void {
  assert.ok(Math.abs(actual - expected) < by, `${what}: ${actual}, expected ${expected} +- ${by}`);
}

/** A colour in changed colours: [3]. */
function recoloured({ matrix, offset }: Plan, colour: readonly number[]): number[] {
  return offset.map((value, row) => colour.reduce((sum, c, i) => sum + matrix[row * 3 + i]! * c, value));
}

describe('randomCrop and randomMirror', () => {
  it('reach every position about equally often, and mirror half of the pictures, independently', () => {
    const counts = new Map<string, number>();
    for (const { source, mirror } of plans([randomCrop({ size: 5 }), randomMirror()], 16_000)) {
      const key = `${source.join()},${mirror}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    assert.equal(counts.size, 4 * 4 * 2);
    // 500 of each are expected, with a standard deviation of 22.
    for (const [key, count] of counts) assert.ok(Math.abs(count - 500) < 100, `${key}: ${count}`);
  });

  it('are independent of colours, which stay as they are', () => {
    const [view] = plan([randomCrop({ size: 5 }), randomMirror()]);
    assert.deepEqual([view?.matrix, view?.offset, view?.erase], [IDENTITY, [0, 0, 0], [0, 0, 0, 0]]);
  });
});

describe('randomMirror and randomFlip', () => {
  it('happen with their probabilities, independently', () => {
    const all = plans([CENTRE, randomMirror({ probability: 0.2 }), randomFlip({ probability: 0.7 })], 10_000);
    assertNear(meanOf(all.map(({ mirror }) => mirror)), 0.2, 0.015, 'mirrored');
    assertNear(meanOf(all.map(({ flip }) => flip)), 0.7, 0.015, 'flipped');
    assertNear(meanOf(all.map(({ mirror, flip }) => mirror * flip)), 0.14, 0.015, 'both');
  });

  it('never and always', () => {
    const never = plans([CENTRE, randomMirror({ probability: 0 }), randomFlip({ probability: 0 })], 100);
    assert.ok(never.every(({ mirror, flip }) => mirror === 0 && flip === 0));
    const always = plans([CENTRE, randomMirror({ probability: 1 }), randomFlip({ probability: 1 })], 100);
    assert.ok(always.every(({ mirror, flip }) => mirror === 1 && flip === 1));
  });

  it('twice is as it was', () => {
    const [view] = plan([CENTRE, randomMirror({ probability: 1 }), randomMirror({ probability: 1 })]);
    assert.equal(view?.mirror, 0);
  });
});

describe('centreCrop', () => {
  for (const [side, size, at] of [
    [256, 227, 14],
    [256, 224, 16],
    [8, 8, 0],
  ] as const) {
    it(`of ${size} of ${side} begins at ${at}`, () => {
      assert.deepEqual(plan([centreCrop({ size })], { side })[0]?.source, [at, at, size, size]);
    });
  }
});

describe('tenCrop', () => {
  it('is top left, top right, centre, bottom left, bottom right, then the same mirrored', () => {
    const views = plan([tenCrop({ size: 5 })]);
    const places = [
      [0, 0],
      [0, 3],
      [1, 1],
      [3, 0],
      [3, 3],
    ].map((at) => [...at, 5, 5]);
    assert.deepEqual(
      views.map(({ source }) => source),
      [...places, ...places],
    );
    assert.deepEqual(
      views.map(({ mirror }) => mirror),
      [0, 0, 0, 0, 0, 1, 1, 1, 1, 1],
    );
  });

  it('shares the colours that are drawn for the picture', () => {
    const views = plan([tenCrop({ size: 5 }), pcaColour()]);
    assert.equal(new Set(views.map(({ offset }) => offset.join())).size, 1);
    assert.notDeepEqual(views[0]?.offset, [0, 0, 0]);
  });
});

describe('randomResizedCrop', () => {
  const side = 256;

  it('cuts rectangles inside the picture, whose areas and proportions are uniform over their ranges', () => {
    const scale = [0.1, 0.5] as const;
    const all = plans([randomResizedCrop({ size: 227, scale })], 5000, side);
    const areas: number[] = [];
    const proportions: number[] = [];
    for (const { source } of all) {
      const [top = 0, left = 0, height = 0, width = 0] = source;
      assert.ok(source.every(Number.isInteger) && height >= 1 && width >= 1, source.join());
      assert.ok(top >= 0 && left >= 0 && top + height <= side && left + width <= side, source.join());
      areas.push((height * width) / side ** 2);
      proportions.push(Math.log(width / height));
    }
    // Rounding to whole pixels moves both by less than 1 %.
    assert.ok(Math.min(...areas) > 0.099 && Math.max(...areas) < 0.506);
    assertNear(meanOf(areas), 0.3, 0.01, 'mean area');
    assertNear(Math.min(...proportions), Math.log(3 / 4), 0.02, 'narrowest');
    assertNear(Math.max(...proportions), Math.log(4 / 3), 0.02, 'widest');
    assertNear(meanOf(proportions), 0, 0.015, 'mean logarithm');
  });

  it('reaches all edges', () => {
    const all = plans([randomResizedCrop({ size: 4, scale: [0.2, 0.4] })], 2000);
    const ends = (at: number): number[] => all.map(({ source }) => source[at]! + source[at + 2]!);
    assert.deepEqual([Math.min(...all.map(({ source }) => source[0]!)), Math.max(...ends(0))], [0, SIDE]);
    assert.deepEqual([Math.min(...all.map(({ source }) => source[1]!)), Math.max(...ends(1))], [0, SIDE]);
  });

  it('takes the middle in the nearest allowed proportion if nothing fits', () => {
    const wide = randomResizedCrop({ size: 4, scale: [1, 1], ratio: [2, 4] });
    assert.deepEqual(plan([wide])[0]?.source, [2, 0, 4, 8]);
    const tall = randomResizedCrop({ size: 4, scale: [1, 1], ratio: [0.25, 0.5] });
    assert.deepEqual(plan([tall])[0]?.source, [0, 2, 8, 4]);
  });

  it('may enlarge: the input may be larger than the stored picture', () => {
    assert.deepEqual(checkAugmentation([randomResizedCrop({ size: 500 })], side), { size: 500, views: 1 });
  });
});

describe('pcaColour', () => {
  const { vectors, deviations } = IMAGENET_COLOUR_COMPONENTS;

  it('adds noise along the components with their deviations, and changes nothing else', () => {
    const all = plans([CENTRE, pcaColour()], 20_000);
    assert.ok(all.every(({ matrix }) => matrix.join() === IDENTITY.join()));
    const along = (vector: readonly number[]) =>
      all.map(({ offset }) => offset.reduce((sum, value, c) => sum + value * vector[c]!, 0));
    for (const [i, vector] of vectors.entries()) {
      const lengths = along(vector);
      const expected = 0.1 * deviations[i]!;
      // Of 20,000 draws: the mean has a deviation of 0.7 %, the deviation one of 0.5 %.
      assertNear(meanOf(lengths), 0, 0.03 * expected, `mean along vector ${i}`);
      assertNear(
        Math.sqrt(meanOf(lengths.map((x) => x * x))),
        expected,
        0.02 * expected,
        `deviation along ${i}`,
      );
      const kurtosis = meanOf(lengths.map((x) => x ** 4)) / expected ** 4;
      assertNear(kurtosis, 3, 0.25, `fourth moment along ${i}, which is 3 for normal draws`);
    }
    const [first, second] = [along(vectors[0]), along(vectors[1])];
    const mixed = meanOf(first.map((x, n) => x * second[n]!)) / (0.01 * deviations[0] * deviations[1]);
    assertNear(mixed, 0, 0.03, 'correlation of the first two');
  });

  it('takes components, or the statistics of pictures', () => {
    const components = {
      vectors: [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      deviations: [0, 0, 5],
    } as const;
    const blue = plans([CENTRE, pcaColour({ std: 1, components })], 50);
    assert.ok(blue.every(({ offset: [red, green, b] }) => red === 0 && green === 0 && b !== 0));
    const covariance: ColourStatistics['covariance'] = [
      [0, 0, 0],
      [0, 25, 0],
      [0, 0, 0],
    ];
    const statistics: ColourStatistics = {
      mean: [0, 0, 0],
      covariance,
      components: [
        [0, 1, 0],
        [1, 0, 0],
        [0, 0, 1],
      ],
      standardDeviations: [5, 0, 0],
    };
    const green = plans([CENTRE, pcaColour({ std: 1, statistics })], 50);
    assert.ok(green.every(({ offset: [red, g, b] }) => red === 0 && g !== 0 && b === 0));
    assert.throws(() => pcaColour({ components, statistics }), /exclude each other/);
  });
});

describe('brightness, contrast and saturation', () => {
  const GREY = [90, 90, 90];
  const COLOUR = [200, 100, 50];

  it('brightness multiplies', () => {
    const [view] = plan([CENTRE, brightness({ range: [0.5, 0.5] })]);
    assert.deepEqual(recoloured(view!, COLOUR), [100, 50, 25]);
  });

  it('contrast moves away from grey 128, or from a colour', () => {
    const [view] = plan([CENTRE, contrast({ range: [2, 2] })]);
    assert.deepEqual(recoloured(view!, [128, 129, 0]), [128, 130, -128]);
    const [other] = plan([CENTRE, contrast({ range: [0, 0], pivot: [1, 2, 3] })]);
    assert.deepEqual(recoloured(other!, COLOUR), [1, 2, 3]);
  });

  it('saturation keeps greys, and makes greys at 0', () => {
    for (const factor of [0, 0.5, 3]) {
      const [view] = plan([CENTRE, saturation({ range: [factor, factor] })]);
      assertClose(recoloured(view!, GREY), GREY, { rtol: 1e-6, atol: 0, what: `grey at ${factor}` });
    }
    const [view] = plan([CENTRE, saturation({ range: [0, 0] })]);
    const grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50;
    assertClose(recoloured(view!, COLOUR), [grey, grey, grey], {
      rtol: 1e-6,
      atol: 0,
      what: 'grey of a colour',
    });
  });

  it('draw factors uniformly from their ranges', () => {
    const factors = plans([CENTRE, brightness({ range: [0.6, 1.4] })], 5000).map(({ matrix }) => matrix[0]!);
    assertNear(Math.min(...factors), 0.6, 0.01, 'smallest');
    assertNear(Math.max(...factors), 1.4, 0.01, 'largest');
    assertNear(meanOf(factors), 1, 0.015, 'mean');
  });

  it('are composed in the order of the list', () => {
    const [half, twice] = [brightness({ range: [0.5, 0.5] }), contrast({ range: [2, 2], pivot: 100 })];
    assert.deepEqual(recoloured(plan([CENTRE, half, twice])[0]!, COLOUR), [100, 0, -50]);
    assert.deepEqual(recoloured(plan([CENTRE, twice, half])[0]!, COLOUR), [150, 50, 0]);
  });
});

describe('randomErasing', () => {
  it('erases rectangles of the given areas inside the input, of so many pictures', () => {
    const erasing = randomErasing({ probability: 0.3, scale: [0.1, 0.2], ratio: [0.5, 2] });
    const all = plans([centreCrop({ size: 200 }), erasing], 4000, 256).map(({ erase }) => erase);
    const erased = all.filter(([, , height]) => height! > 0);
    assertNear(erased.length / all.length, 0.3, 0.03, 'part of the pictures');
    for (const [top = 0, left = 0, height = 0, width = 0] of erased) {
      assert.ok(top >= 0 && left >= 0 && top + height <= 200 && left + width <= 200);
      const area = (height * width) / 200 ** 2;
      assert.ok(area > 0.098 && area < 0.204, `${height}x${width}`);
      assert.ok(height / width > 0.48 && height / width < 2.08, `${height}x${width}`);
    }
    assertNear(
      meanOf(erased.map(([, , height]) => height!)),
      meanOf(erased.map(([, , , width]) => width!)),
      4,
      'sides',
    );
  });
});

describe('planAugmentation', () => {
  const everything = [
    randomResizedCrop({ size: 6 }),
    randomMirror(),
    randomFlip(),
    pcaColour(),
    brightness({ range: [0.8, 1.2] }),
    contrast({ range: [0.8, 1.2] }),
    saturation({ range: [0.8, 1.2] }),
    randomErasing(),
  ];
  const epochOf = (augmentation: Augmentation, { seed, epoch }: { seed: number; epoch: number }): string =>
    JSON.stringify([...Array(20).keys()].map((index) => plan(augmentation, { seed, epoch, index })));

  it('depends on seed, epoch and picture, and on nothing else', () => {
    assert.equal(epochOf(everything, { seed: 1, epoch: 2 }), epochOf(everything, { seed: 1, epoch: 2 }));
    assert.notEqual(epochOf(everything, { seed: 1, epoch: 2 }), epochOf(everything, { seed: 1, epoch: 3 }));
    assert.notEqual(epochOf(everything, { seed: 1, epoch: 2 }), epochOf(everything, { seed: 2, epoch: 2 }));
    assert.equal(new Set(plans(everything, 20).map((each) => JSON.stringify(each))).size, 20);
  });

  it('draws for a step what it drew without the steps behind it', () => {
    const crop = [randomCrop({ size: 5 }), randomMirror()];
    for (const [index, { source, mirror }] of plans(crop, 50).entries()) {
      const [more] = plan([...crop, pcaColour(), randomFlip()], { index });
      assert.deepEqual([more?.source, more?.mirror], [source, mirror]);
    }
  });

  it('draws other numbers for the same step at another position', () => {
    const mirrors = plans([CENTRE, randomMirror(), randomMirror()], 200).map(({ mirror }) => mirror);
    assertNear(meanOf(mirrors), 0.5, 0.12, 'two mirrors that do not undo each other');
  });
});

describe('checkAugmentation', () => {
  for (const [what, augmentation, message] of [
    ['no step that decides the size', [randomMirror()], /\[randomMirror\]: none decides the size/],
    ['an empty list', [], /\[\]: none decides/],
    ['two that do', [CENTRE, tenCrop({ size: 5 })], /centreCrop and tenCrop decides the size .* exactly one/],
    [
      'crops larger than the pictures',
      [randomCrop({ size: 9 })],
      /randomCrop: size is 9, expected an integer from 1 to 8/,
    ],
    ['a ten-crop larger than the pictures', [tenCrop({ size: 9 })], /tenCrop: size is 9/],
    ['two erasing steps', [CENTRE, randomErasing(), randomErasing()], /randomErasing may stand once/],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => checkAugmentation(augmentation, SIDE),
        (error: Error) => {
          assert.ok(error instanceof ArgumentError);
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  it('says what comes out', () => {
    assert.deepEqual(checkAugmentation([randomMirror(), tenCrop({ size: 5 })], SIDE), { size: 5, views: 10 });
  });

  it('is preceded by the checks of each step', () => {
    for (const bad of [0, -1, 1.5, NaN]) {
      for (const step of [randomCrop, centreCrop, tenCrop, randomResizedCrop]) {
        assert.throws(() => step({ size: bad }), /size is .*, expected a positive integer/);
      }
    }
    for (const probability of [-0.1, 1.1, NaN]) {
      for (const step of [randomMirror, randomFlip, randomErasing]) {
        assert.throws(() => step({ probability }), /probability is .*, expected a number from 0 to 1/);
      }
    }
    for (const range of [
      [1, 0.5],
      [-1, 1],
      [NaN, 1],
      [0, Infinity],
    ] as const) {
      for (const step of [brightness, contrast, saturation]) {
        assert.throws(() => step({ range }), ArgumentError);
      }
    }
    assert.throws(() => randomResizedCrop({ size: 4, scale: [0.5, 1.5] }), /scale is \[0.5, 1.5\]/);
    assert.throws(() => randomErasing({ ratio: [0, 1] }), /ratio is \[0, 1\]/);
    assert.throws(() => contrast({ range: [1, 1], pivot: NaN }), /pivot must be finite/);
    assert.throws(() => pcaColour({ std: -1 }), /std/);
  });
});
