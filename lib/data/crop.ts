// Where crops are taken from the stored squares, and which are mirrored.
// Invariant: a pure function of (seed, epoch, picture index): the same for any batch size, order or number of threads.

import { ArgumentError } from '../errors.js';
import { RandomStream, randomWords, uniformBelow } from '../random.js';
import type { CropOptions } from './types.js';

/** One picture's crop: pixels from the top and from the left of the square, and whether it is mirrored (1) or not (0). */
export interface Crop {
  readonly top: number;
  readonly left: number;
  readonly mirror: 0 | 1;
}

/** Names one picture in one epoch. */
export interface CropDraw {
  readonly seed: number;
  readonly epoch: number;
  /** The picture's index in its dataset. */
  readonly index: number;
}

/** @throws ArgumentError if the crop is no positive integer, or larger than the squares */
export function checkCrop({ crop }: CropOptions, side: number): void {
  if (!Number.isInteger(crop) || crop < 1 || crop > side) {
    throw new ArgumentError(
      `crop is ${crop}, expected an integer from 1 to ${side}, the side of the stored pictures; ` +
        `store larger pictures or take smaller crops`,
    );
  }
}

/**
 * The crop of one picture. In 'random' mode every position 0..side - crop is equally likely, and half of the pictures
 * are mirrored (left to right) unless `mirror` is false. In 'centre' mode floor((side - crop) / 2) pixels are left at
 * the top and left, and nothing is mirrored.
 * @param options.side of the stored squares, in pixels
 */
export function cropOf(draw: CropDraw, options: CropOptions & { readonly side: number }): Crop {
  const { crop, mode, mirror = true, side } = options;
  const positions = side - crop + 1;
  if (mode === 'centre') {
    const middle = Math.floor((side - crop) / 2);
    return { top: middle, left: middle, mirror: 0 };
  }
  const [topWord, leftWord, mirrorWord] = randomWords({ ...draw, stream: RandomStream.crop });
  return {
    top: uniformBelow(positions, [topWord]),
    left: uniformBelow(positions, [leftWord]),
    mirror: mirror && mirrorWord >= 2 ** 31 ? 1 : 0,
  };
}
