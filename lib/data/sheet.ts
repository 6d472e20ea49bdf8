// Pictures in rows and columns on one sheet, to be looked at.
// Invariant: cells are of one size; a smaller picture lies in the middle of its cell.

import { Jimp } from 'jimp';
import { ArgumentError } from '../errors.js';
import type { RgbImage } from './types.js';

/** Between cells and around them, in pixels. */
const GAP = 4;
/** Opaque white, RGBA. */
const PAPER = 0xffffffff;

/**
 * A sheet as the bytes of a PNG file.
 * @param rows  pictures from left to right, rows from top to bottom; rows may differ in length
 * @throws ArgumentError if there is no picture
 */
export async function pngSheet(rows: readonly (readonly RgbImage[])[]): Promise<Uint8Array> {
  const all = rows.flat();
  if (all.length === 0) throw new ArgumentError('a sheet needs at least one picture');
  const cellWidth = Math.max(...all.map(({ width }) => width)) + GAP;
  const cellHeight = Math.max(...all.map(({ height }) => height)) + GAP;
  const columns = Math.max(...rows.map((row) => row.length));
  const width = columns * cellWidth + GAP;
  const sheet = new Jimp({ width, height: rows.length * cellHeight + GAP, color: PAPER });
  for (const [row, pictures] of rows.entries()) {
    for (const [column, picture] of pictures.entries()) {
      const left = GAP + column * cellWidth + Math.floor((cellWidth - GAP - picture.width) / 2);
      const top = GAP + row * cellHeight + Math.floor((cellHeight - GAP - picture.height) / 2);
      paste(sheet.bitmap, picture, { left, top });
    }
  }
  return sheet.getBuffer('image/png');
}

function paste(
  onto: { readonly width: number; readonly data: Uint8Array },
  { width, height, data }: RgbImage,
  { left, top }: { readonly left: number; readonly top: number },
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 3;
      onto.data.set(data.subarray(from, from + 3), ((top + y) * onto.width + left + x) * 4);
    }
  }
}
