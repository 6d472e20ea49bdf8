// The mean picture and the mean colour of a dataset, which are subtracted before training.
// Invariant: sums are exact (integers in float64), so the result does not depend on the order of reading.

import { setImmediate } from 'node:timers/promises';
import { ArgumentError, DataError } from '../errors.js';
import { bytesOf, centralSquare, pictureBytes, sizeOf } from './picture-size.js';
import type { DatasetMean, ImageDataset } from './types.js';

export interface MeanOptions {
  /** Use at most this many pictures, spread evenly over the dataset. Default: all. */
  readonly maxPictures?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called as pictures are read; `total` is the number that will be. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

/** Pictures that are read at a time. Adding them up takes about ten milliseconds, for which timers wait. */
const MEAN_BATCH = 32;

/**
 * Computes the mean picture and mean colour of a dataset; of pictures that are no squares, of their central squares.
 * Pictures that cannot be read are left out.
 * @throws DataError if no picture can be read
 * @throws ArgumentError if `maxPictures` is not a positive integer
 * @throws AbortedError if the signal is aborted
 */
export async function computeMean(dataset: ImageDataset, options: MeanOptions = {}): Promise<DatasetMean> {
  const sums = new PictureSums(dataset.side * dataset.side * 3);
  await forEachSquare(dataset, options, (square) => sums.add(square));
  const { mean } = sums;
  if (!mean) throw new DataError(`none of ${dataset.length} pictures can be read${firstFailure(dataset)}`);
  return mean;
}

/** Reads the dataset, or a part of it, and gives the central square of each picture: [side, side, 3]. */
export async function forEachSquare(
  dataset: ImageDataset,
  options: MeanOptions,
  use: (square: Uint8Array) => void,
): Promise<void> {
  const indices = sampleEvenly(dataset.length, options.maxPictures ?? dataset.length);
  for (let done = 0; done < indices.length;) {
    const part = [...indices.subarray(done, done + MEAN_BATCH)];
    const images = new Uint8Array(bytesOf(dataset, part));
    const readable = await dataset.read(part, images, options.signal);
    let at = 0;
    for (const [position, index] of part.entries()) {
      const size = sizeOf(dataset, index);
      const picture = images.subarray(at, (at += pictureBytes(size)));
      if (readable[position]) use(centralSquare(picture, size, dataset.side));
    }
    done += part.length;
    // Pictures in memory are read without waiting for anything: let timers have their turn.
    await setImmediate();
    options.onProgress?.({ done, total: indices.length });
  }
}

/** Adds pictures up, for their mean. */
export class PictureSums {
  /** [side, side, 3], the sum of every pixel: an integer. */
  readonly sums: Float64Array;
  #pictures: number;

  /**
   * @param sums  the number of values of a picture, or sums to be continued, which are kept
   * @param pictures that are in the sums; default 0
   */
  constructor(sums: number | Float64Array, pictures = 0) {
    this.sums = typeof sums === 'number' ? new Float64Array(sums) : sums;
    this.#pictures = pictures;
  }

  get pictures(): number {
    return this.#pictures;
  }

  /** @param picture [side, side, 3] */
  add(picture: Uint8Array): void {
    const { sums } = this;
    for (let i = 0; i < sums.length; i++) sums[i]! += picture[i]!;
    this.#pictures++;
  }

  /** Of what was added; undefined if that is nothing. */
  get mean(): DatasetMean | undefined {
    const pictures = this.#pictures;
    if (pictures === 0) return undefined;
    return { image: dividedBy(this.sums, pictures), colour: colourOf(this.sums, pictures), pictures };
  }
}

/** `count` indices of 0..length-1 at equal distances; all of them if there are no more. */
function sampleEvenly(length: number, count: number): Int32Array {
  if (!Number.isInteger(count) || count < 1) {
    throw new ArgumentError(`maxPictures is ${count}, expected a positive integer`);
  }
  const taken = Math.min(count, length);
  return Int32Array.from({ length: taken }, (_, i) => Math.floor((i * length) / taken));
}

/** A plain loop: `Float32Array.from` with a function takes twenty times as long, and timers wait for it. */
function dividedBy(sums: Float64Array, divisor: number): Float32Array {
  const quotients = new Float32Array(sums.length);
  for (let i = 0; i < sums.length; i++) quotients[i] = sums[i]! / divisor;
  return quotients;
}

function colourOf(sums: Float64Array, pictures: number): Float32Array {
  const totals = new Float64Array(3);
  for (let i = 0; i < sums.length; i += 3) {
    totals[0]! += sums[i]!;
    totals[1]! += sums[i + 1]!;
    totals[2]! += sums[i + 2]!;
  }
  return dividedBy(totals, pictures * (sums.length / 3));
}

function firstFailure({ failures }: ImageDataset): string {
  const [first] = failures;
  return first ? `; the first: ${first.path}: ${first.reason}` : '';
}
