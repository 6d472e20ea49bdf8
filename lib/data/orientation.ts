// Turns codec output (RGBA, as stored) into upright RGB: one pass for the EXIF orientation, the alpha channel and the packing.
// Invariant: the result is opaque; transparency shows white.

import type { RgbImage } from './types.js';

/** A decoded picture as codecs give it. */
export interface RgbaImage {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4], R G B A, 0..255, not premultiplied. */
  readonly data: Uint8Array;
}

/**
 * The EXIF orientations 1..8 (EXIF 2.32, tag 0x0112): upright pixel (x, y) is stored pixel (x, y), after the axes
 * were swapped if `swap`, then counted from the right if `flipX` and from the bottom if `flipY`.
 */
const ORIENTATIONS: readonly { readonly swap: boolean; readonly flipX: boolean; readonly flipY: boolean }[] =
  [
    { swap: false, flipX: false, flipY: false },
    { swap: false, flipX: true, flipY: false },
    { swap: false, flipX: true, flipY: true },
    { swap: false, flipX: false, flipY: true },
    { swap: true, flipX: false, flipY: false },
    { swap: true, flipX: false, flipY: true },
    { swap: true, flipX: true, flipY: true },
    { swap: true, flipX: true, flipY: false },
  ];

/**
 * Composites over white and applies an EXIF orientation.
 * @param orientation 1..8; 5..8 swap width and height
 */
export function uprightRgb(image: RgbaImage, orientation: number): RgbImage {
  const { swap, flipX, flipY } = ORIENTATIONS[orientation - 1] ?? ORIENTATIONS[0]!;
  const width = swap ? image.height : image.width;
  const height = swap ? image.width : image.height;
  const alongX = 4 * (flipX ? -1 : 1);
  const alongY = 4 * image.width * (flipY ? -1 : 1);
  const perColumn = swap ? alongY : alongX;
  const perRow = swap ? alongX : alongY;
  const start = 4 * ((flipX ? image.width - 1 : 0) + (flipY ? image.width * (image.height - 1) : 0));

  const source = image.data;
  const data = new Uint8Array(width * height * 3);
  let to = 0;
  for (let y = 0; y < height; y++) {
    let from = start + y * perRow;
    for (let x = 0; x < width; x++, from += perColumn, to += 3) {
      const alpha = source[from + 3]!;
      data[to] = overWhite(source[from]!, alpha);
      data[to + 1] = overWhite(source[from + 1]!, alpha);
      data[to + 2] = overWhite(source[from + 2]!, alpha);
    }
  }
  return { width, height, data };
}

function overWhite(value: number, alpha: number): number {
  return alpha === 255 ? value : Math.round((value * alpha + 255 * (255 - alpha)) / 255);
}
