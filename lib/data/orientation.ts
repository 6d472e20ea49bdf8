// Turns codec output (RGBA, as stored) into upright RGB: one pass for the EXIF orientation, the alpha channel and the packing.
// Invariant: the result is opaque; transparency shows white.

import type { RgbImage } from './types.js';

/** A decoded picture as codecs give it. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  /** 3: R G B. 4: R G B A, not premultiplied. */
  readonly channels: 3 | 4;
  /** [height, width, channels], 0..255. */
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
export function uprightRgb(image: Raster, orientation: number): RgbImage {
  if (orientation === 1 && image.channels === 3) {
    return { width: image.width, height: image.height, data: image.data };
  }
  const { channels } = image;
  const { swap, flipX, flipY } = ORIENTATIONS[orientation - 1] ?? ORIENTATIONS[0]!;
  const width = swap ? image.height : image.width;
  const height = swap ? image.width : image.height;
  const alongX = channels * (flipX ? -1 : 1);
  const alongY = channels * image.width * (flipY ? -1 : 1);
  const perColumn = swap ? alongY : alongX;
  const perRow = swap ? alongX : alongY;
  const start = channels * ((flipX ? image.width - 1 : 0) + (flipY ? image.width * (image.height - 1) : 0));

  const data = new Uint8Array(width * height * 3);
  const packRow = channels === 3 ? packRgb : packRgba;
  for (let y = 0; y < height; y++) {
    packRow(image.data, start + y * perRow, perColumn, data.subarray(y * width * 3, (y + 1) * width * 3));
  }
  return { width, height, data };
}

/** Fills a row of R G B from every `step`-th byte of `source`, from `from` on. */
function packRgb(source: Uint8Array, from: number, step: number, row: Uint8Array): void {
  for (let to = 0; to < row.length; to += 3, from += step) {
    row[to] = source[from]!;
    row[to + 1] = source[from + 1]!;
    row[to + 2] = source[from + 2]!;
  }
}

/** {@link packRgb}, for pixels with an alpha channel behind them. */
function packRgba(source: Uint8Array, from: number, step: number, row: Uint8Array): void {
  for (let to = 0; to < row.length; to += 3, from += step) {
    const alpha = source[from + 3]!;
    row[to] = overWhite(source[from]!, alpha);
    row[to + 1] = overWhite(source[from + 1]!, alpha);
    row[to + 2] = overWhite(source[from + 2]!, alpha);
  }
}

function overWhite(value: number, alpha: number): number {
  return alpha === 255 ? value : Math.round((value * alpha + 255 * (255 - alpha)) / 255);
}
