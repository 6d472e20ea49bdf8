// The confusion matrix as a picture.
// Invariant: a cell's shade is its share of its row, so that rare classes are as readable as frequent ones.
import type { RgbImage } from '../data/index.js';

/** Which classes were taken for which, as an evaluation counts them. */
export interface Confusion {
  readonly classNames: readonly string[];
  /** [label, predicted, pictures] of all pairs that occurred. */
  entries(): readonly (readonly [label: number, predicted: number, pictures: number])[];
}

/** More classes than this are not drawn: their cells could not be told apart. */
export const MOST_DRAWN_CLASSES = 256;
/** Pixels of the sheet that cells are made to fill. */
const SHEET_PIXELS = 512;
/** Dark blue, for a share of 1. */
const INK = [8, 48, 107] as const;

/** A row a class, a column for each class that pictures were taken for; undefined for more classes than can be seen. */
export function drawConfusion(confusion: Confusion): RgbImage | undefined {
  const classes = confusion.classNames.length;
  if (classes > MOST_DRAWN_CLASSES) return undefined;
  const cell = Math.max(1, Math.floor(SHEET_PIXELS / classes));
  const side = cell * classes;
  const data = new Uint8Array(side * side * 3).fill(255);
  const totals = rowTotals(confusion);
  for (const [label, predicted, pictures] of confusion.entries()) {
    const share = pictures / (totals[label] as number);
    const colour = INK.map((ink) => Math.round(255 + (ink - 255) * share));
    for (let y = label * cell; y < (label + 1) * cell; y++) {
      for (let x = predicted * cell; x < (predicted + 1) * cell; x++) data.set(colour, (y * side + x) * 3);
    }
  }
  return { width: side, height: side, data };
}

function rowTotals(confusion: Confusion): number[] {
  const totals = confusion.classNames.map(() => 0);
  for (const [label, , pictures] of confusion.entries()) totals[label]! += pictures;
  return totals;
}
