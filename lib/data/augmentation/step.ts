// What an augmentation is made of, and where its steps draw their numbers from.
// Invariant: draws are a pure function of (seed, epoch, picture, position in the list), the same for all views.

import { ArgumentError } from '../../errors.js';
import { augmentationStream, randomWords, uniformBelow } from '../../random.js';
import type { RgbImage } from '../types.js';
import type { AugmentedView } from './record.js';

/** Where a step is applied. */
export interface StepContext {
  /** Of the stored picture, in pixels. */
  readonly height: number;
  readonly width: number;
  /** Side of the network's input, in pixels. */
  readonly size: number;
  /** Which of the picture's views, from 0. */
  readonly view: number;
  readonly random: StepRandom;
}

/** One step of an augmentation. Made by `randomCrop()` and its like; plain data and pure functions. */
export interface AugmentationStep {
  /** As in the list: 'randomCrop'. */
  readonly name: string;
  /** Side of the network's input, for the one step that decides it. */
  readonly size?: number;
  /** Views a picture; default 1. */
  readonly views?: number;
  /** @throws ArgumentError if pictures of this shorter side cannot be treated so */
  readonly check?: (side: number) => void;
  /** Changes what is done to one view. */
  readonly apply?: (view: AugmentedView, context: StepContext) => void;
  /** Changes the picture itself, on the host, before all that `apply` decides. */
  readonly transform?: (image: RgbImage, random: () => number) => RgbImage;
}

/** Names one picture in one epoch. */
export interface PictureDraw {
  readonly seed: number;
  readonly epoch: number;
  /** The picture's index in its dataset. */
  readonly index: number;
}

/** The numbers that one step draws for one picture. */
export class StepRandom {
  readonly #draw: PictureDraw;
  readonly #position: number;
  #words: readonly number[] = [];
  #block = 0;
  #next = 0;

  /** @param position  of the step in the list */
  constructor(draw: PictureDraw, position: number) {
    this.#draw = draw;
    this.#position = position;
  }

  /** 0 <= x < 1. */
  uniform(): number {
    return this.#word() / 2 ** 32;
  }

  /** low <= x < high. */
  between([low, high]: readonly [number, number]): number {
    return low + (high - low) * this.uniform();
  }

  /** 0..n-1. */
  below(n: number): number {
    return uniformBelow(n, [this.#word()]);
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }

  /** N(0, 1), by Box and Muller; |x| < 6.8. */
  gaussian(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  #word(): number {
    if (this.#next === this.#words.length) {
      const stream = augmentationStream(this.#position, this.#block++);
      this.#words = randomWords({ ...this.#draw, stream });
      this.#next = 0;
    }
    return this.#words[this.#next++]!;
  }
}

/** @throws ArgumentError unless 0 <= value <= 1 */
export function checkProbability(step: string, value: number): void {
  if (!(value >= 0 && value <= 1)) {
    throw new ArgumentError(`${step}: probability is ${value}, expected a number from 0 to 1`);
  }
}

/** @throws ArgumentError unless least <= low <= high, all finite */
export function checkRange(
  what: string,
  range: readonly [number, number],
  { least, most = Number.MAX_VALUE }: { readonly least: number; readonly most?: number },
): void {
  const [low, high] = range;
  if (!(low >= least && low <= high && high <= most)) {
    const upTo = most === Number.MAX_VALUE ? '' : ` and at most ${most}`;
    throw new ArgumentError(
      `${what} is [${low}, ${high}], expected [low, high] with low <= high, at least ${least}${upTo}`,
    );
  }
}

/** @throws ArgumentError unless it is a positive integer */
export function checkSize(step: string, size: number): void {
  if (!Number.isInteger(size) || size < 1) {
    throw new ArgumentError(`${step}: size is ${size}, expected a positive integer`);
  }
}
