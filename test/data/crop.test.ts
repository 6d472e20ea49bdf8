// Where crops are taken from.
// Invariant: draws are seeded, so the statistics are the same in every run.

import assert from 'node:assert/strict';
import { checkCrop, cropOf } from '../../lib/data/crop.js';
import { ArgumentError } from '../../lib/errors.js';

const RANDOM = { crop: 5, mode: 'random', side: 8 } as const;

describe('cropOf', () => {
  it('reaches every position about equally often, and mirrors half of the pictures, independently', () => {
    const counts = new Map<string, number>();
    const draws = 16_000;
    for (let index = 0; index < draws; index++) {
      const { top, left, mirror } = cropOf({ seed: 1, epoch: 0, index }, RANDOM);
      const key = `${top},${left},${mirror}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    assert.equal(counts.size, 4 * 4 * 2);
    // 500 of each are expected, with a standard deviation of 22.
    for (const [key, count] of counts) assert.ok(Math.abs(count - 500) < 100, `${key}: ${count}`);
  });

  it('depends on seed, epoch and picture', () => {
    const crops = ({ seed, epoch }: { seed: number; epoch: number }): string =>
      JSON.stringify([...Array(20).keys()].map((index) => cropOf({ seed, epoch, index }, RANDOM)));
    assert.equal(crops({ seed: 1, epoch: 2 }), crops({ seed: 1, epoch: 2 }));
    assert.notEqual(crops({ seed: 1, epoch: 2 }), crops({ seed: 1, epoch: 3 }));
    assert.notEqual(crops({ seed: 1, epoch: 2 }), crops({ seed: 2, epoch: 2 }));
  });

  it('mirrors nothing when told so, at the same positions', () => {
    for (let index = 0; index < 50; index++) {
      const draw = { seed: 1, epoch: 0, index };
      assert.deepEqual(cropOf(draw, { ...RANDOM, mirror: false }), { ...cropOf(draw, RANDOM), mirror: 0 });
    }
  });

  it('takes the middle in centre mode, the upper left one of two', () => {
    const centre = (side: number, crop: number): unknown =>
      cropOf({ seed: 1, epoch: 0, index: 0 }, { crop, mode: 'centre', side });
    assert.deepEqual(centre(256, 227), { top: 14, left: 14, mirror: 0 });
    assert.deepEqual(centre(256, 224), { top: 16, left: 16, mirror: 0 });
    assert.deepEqual(centre(8, 8), { top: 0, left: 0, mirror: 0 });
  });

  it('refuses crops larger than the picture', () => {
    assert.throws(
      () => checkCrop({ crop: 257, mode: 'centre' }, 256),
      /crop is 257, expected an integer from 1 to 256/,
    );
    for (const crop of [0, 1.5, NaN]) {
      assert.throws(() => checkCrop({ crop, mode: 'random' }, 8), ArgumentError);
    }
  });
});
