// Pictures of any size to those of a store: the shorter side to `side`, then the middle is cut out, or all is kept.
// Invariant: only the pixels that are kept are ever computed; sums are rounded once, at the end.

import { ArgumentError } from '../errors.js';
import { loadAddon } from '../native/addon.js';
import type { Raster } from './raster.js';
import type { RgbImage } from './types.js';

/** Side of the squares that AlexNet's crops are taken from (Krizhevsky et al. 2012, section 2). */
export const DEFAULT_SIDE = 256;

/**
 * What is kept of a scaled picture.
 * - 'centre': the central square, as in the paper.
 * - 'full': all of it; of a picture that is more than {@link MOST_PROPORTION} times as long as wide, the middle.
 */
export type Framing = 'centre' | 'full';

const FRAMINGS: readonly Framing[] = ['centre', 'full'];

/** A longer picture, a panorama say, would cost as much as many others, and most of its crops would miss its subject. */
export const MOST_PROPORTION = 4;

/** How pictures are scaled and cut. */
export interface FrameOptions {
  /** What the shorter side is scaled to, in pixels. */
  readonly side: number;
  readonly framing: Framing;
}

/** @throws ArgumentError if there is no such framing, or the side is not a positive integer */
export function checkFrame({ side, framing }: FrameOptions): void {
  if (!Number.isInteger(side) || side < 1) {
    throw new ArgumentError(`side is ${side}, expected a positive whole number of pixels`);
  }
  if (!FRAMINGS.includes(framing)) {
    throw new ArgumentError(`framing is '${String(framing)}', expected one of ${FRAMINGS.join(', ')}`);
  }
  if (framing === 'full' && side * MOST_PROPORTION >= 2 ** 16) {
    throw new ArgumentError(
      `side is ${side}, expected less than ${2 ** 16 / MOST_PROPORTION} where pictures are not cut`,
    );
  }
}

/**
 * Scales the shorter side to `side` pixels, keeping the proportions, and cuts out the central square. The longer side
 * becomes round(longer * side / shorter); the cut leaves floor(excess / 2) pixels at the left or top.
 *
 * Pixels are squares: pixel i covers [i, i + 1) and its centre is at i + 0.5. With s = input size / output size of an
 * axis, output pixel i covers the input from i * s to (i + 1) * s.
 * - Shrinking (s > 1) averages over that area, pixels on its edge counting by the part that is covered.
 * - Enlarging (s <= 1) is Keys' cubic convolution with a = -0.5 (Catmull-Rom) at (i + 0.5) * s - 0.5; beyond the
 *   border the outermost pixel is repeated. s = 1 leaves the values as they are.
 *
 * Values are averaged as they are stored (sRGB), rounded half up and clamped to 0..255.
 * @param side of the square, in pixels; default 256
 * @returns [side, side, 3], R G B
 * @throws ArgumentError if `side` is not a positive integer
 */
export function resizeToSquare(image: RgbImage, side: number = DEFAULT_SIDE): Uint8Array<ArrayBuffer> {
  return scaleRaster({ ...image, channels: 3, orientation: 1 }, { side, framing: 'centre' }).data;
}

/** Makes a raster upright, opaque RGB, and scales and cuts it as {@link resizeToSquare} does, or keeps all of it. */
export function scaleRaster(
  raster: Raster,
  frame: FrameOptions,
): RgbImage & { data: Uint8Array<ArrayBuffer> } {
  checkFrame(frame);
  const { data, channels, orientation } = raster;
  const [width, height] = orientation > 4 ? [raster.height, raster.width] : [raster.width, raster.height];
  const { side, framing } = frame;
  const shorter = Math.min(width, height);
  const scaledWidth = Math.round((width * side) / shorter);
  const scaledHeight = Math.round((height * side) / shorter);
  const most = framing === 'full' ? side * MOST_PROPORTION : side;
  const kept = { width: Math.min(scaledWidth, most), height: Math.min(scaledHeight, most) };
  const left = Math.floor((scaledWidth - kept.width) / 2);
  const top = Math.floor((scaledHeight - kept.height) / 2);
  const scaled = loadAddon().scalePicture(
    data,
    [raster.width, raster.height, channels, orientation],
    [scaledWidth, scaledHeight, left, top, kept.width, kept.height],
  );
  return { ...kept, data: scaled };
}

/** Makes a raster upright, opaque RGB, in its own size. */
export function uprightRgb({ width, height, channels, orientation, data }: Raster): RgbImage {
  if (channels === 3 && orientation === 1) return { width, height, data };
  const [w, h] = orientation > 4 ? [height, width] : [width, height];
  const upright = loadAddon().scalePicture(data, [width, height, channels, orientation], [w, h, 0, 0, w, h]);
  return { width: w, height: h, data: upright };
}
