// A dataset whose pictures are scaled to squares of another side when they are read.
// Invariant: holds no pictures; what it gives depends on the picture and the side only.

import { setImmediate } from 'node:timers/promises';
import { ArgumentError } from '../errors.js';
import { bytesOf, pictureBytes, sizeOf } from './picture-size.js';
import { checkReadRequest } from './read-request.js';
import { resizeToSquare } from './resize.js';
import type { ImageDataset } from './types.js';

/** Scaling these takes some milliseconds, for which timers wait. */
const PICTURES_A_TURN = 16;

/**
 * The same pictures in another size, for pictures that are smaller than a network's input, such as CIFAR-10's. Closing
 * it leaves the whole open.
 * @returns the dataset itself, if it has that side
 * @throws ArgumentError if `side` is not a positive integer
 */
export function scaleDataset(
  dataset: ImageDataset,
  {
    side,
  }: {
    /** Of the squares, in pixels. */
    readonly side: number;
  },
): ImageDataset {
  if (!Number.isInteger(side) || side < 1) {
    throw new ArgumentError(`side is ${side}, expected a positive integer`);
  }
  return dataset.side === side && !dataset.sizes ? dataset : new ScaledDataset(dataset, side);
}

class ScaledDataset implements ImageDataset {
  readonly side: number;
  readonly #from: ImageDataset;

  constructor(from: ImageDataset, side: number) {
    this.#from = from;
    this.side = side;
  }

  get classNames(): readonly string[] {
    return this.#from.classNames;
  }

  get labels(): Int32Array {
    return this.#from.labels;
  }

  get length(): number {
    return this.#from.length;
  }

  get failures(): ImageDataset['failures'] {
    return this.#from.failures;
  }

  nameOf(index: number): string {
    return this.#from.nameOf(index);
  }

  async read(indices: readonly number[], out: Uint8Array, signal?: AbortSignal): Promise<boolean[]> {
    checkReadRequest(this, indices, out);
    const pictures = new Uint8Array(bytesOf(this.#from, indices));
    const readable = await this.#from.read(indices, pictures, signal);
    const bytes = this.side * this.side * 3;
    let at = 0;
    for (const [position, index] of indices.entries()) {
      const size = sizeOf(this.#from, index);
      const data = pictures.subarray(at, (at += pictureBytes(size)));
      if (readable[position]) out.set(resizeToSquare({ ...size, data }, this.side), position * bytes);
      if (position % PICTURES_A_TURN === PICTURES_A_TURN - 1) await setImmediate();
    }
    return readable;
  }

  async close(): Promise<void> {}
}
