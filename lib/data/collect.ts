// Any iterable of labelled pictures to a dataset in memory.
// Invariant: the pictures are in the order in which they came; nothing of the iterable is kept.

import { setImmediate } from 'node:timers/promises';
import { ArgumentError, DataError } from '../errors.js';
import { throwIfAborted } from './abort.js';
import { InMemoryDataset } from './in-memory-dataset.js';
import { DEFAULT_SIDE, resizeToSquare } from './resize.js';
import type { RgbImage } from './types.js';

/** A picture and its class. */
export interface LabelledImage {
  readonly image: RgbImage;
  /** A class name, or an index into `classNames`. All of one kind. */
  readonly label: string | number;
  /** What a person would call it. Default '#0', '#1', ... */
  readonly name?: string;
}

export interface CollectOptions {
  /** Side of the squares that the pictures are scaled to, in pixels. Default 256. */
  readonly side?: number;
  /** Class names, in the order of their labels. Default: the labels found, sorted; '0', '1', ... if they are numbers. */
  readonly classNames?: readonly string[];
  /** Take at most this many pictures. Default: all there are. */
  readonly maxPictures?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Numbers above are taken for a mistake, unless there are class names. */
const MOST_CLASSES = 100_000;

/** Scaling these takes some ten milliseconds, for which timers wait. */
const PICTURES_A_TURN = 16;

/**
 * Collects the pictures of a (possibly async) iterable: a generator, an array, a database cursor. They are collected, not
 * streamed: all are scaled and held in memory (196,608 bytes each at 256), because an epoch takes them in random order.
 * @throws DataError if there are no pictures, a picture has another size than it says, or a label is no class
 * @throws ArgumentError if `side` or `maxPictures` is not a positive integer
 * @throws AbortedError if the signal is aborted
 */
export async function collectDataset(
  pictures: Iterable<LabelledImage> | AsyncIterable<LabelledImage>,
  options: CollectOptions = {},
): Promise<InMemoryDataset> {
  const { side = DEFAULT_SIDE, maxPictures = Infinity, signal } = options;
  for (const [name, value] of Object.entries({
    side,
    ...(options.maxPictures === undefined ? {} : { maxPictures }),
  })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new ArgumentError(`${name} is ${value}, expected a positive integer`);
    }
  }
  const squares: Uint8Array[] = [];
  const labels: (string | number)[] = [];
  const names: string[] = [];
  for await (const { image, label, name = `#${labels.length}` } of pictures) {
    throwIfAborted(signal, 'collecting pictures');
    checkImage(image, name);
    squares.push(resizeToSquare(image, side));
    labels.push(label);
    names.push(name);
    if (labels.length >= maxPictures) break;
    if (labels.length % PICTURES_A_TURN === 0) await setImmediate();
  }
  if (labels.length === 0) throw new DataError('there are no pictures: the iterable gave none');
  const classes = classify(labels, names, options.classNames);
  return new InMemoryDataset({ images: Buffer.concat(squares), ...classes, side, names });
}

function checkImage({ width, height, data }: RgbImage, name: string): void {
  const whole = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (whole && data.length === width * height * 3) return;
  throw new DataError(
    `${name}: the picture of ${width} x ${height} pixels has ${data.length} bytes, expected ${width * height * 3} ` +
      `([${height}, ${width}, 3])`,
  );
}

function classify(
  found: readonly (string | number)[],
  names: readonly string[],
  given: readonly string[] | undefined,
): { labels: Int32Array; classNames: readonly string[] } {
  const kind = typeof found[0];
  const odd = found.findIndex((label) => typeof label !== kind);
  if (odd >= 0) {
    throw new DataError(`${names[odd]}: its label is a ${typeof found[odd]}, that of ${names[0]} a ${kind}`);
  }
  const classNames = given ?? classNamesOf(found);
  const byName = new Map(classNames.map((name, label) => [name, label]));
  const labels = found.map((label, i) => {
    const index = typeof label === 'number' ? label : (byName.get(label) ?? -1);
    if (Number.isInteger(index) && index >= 0 && index < classNames.length) return index;
    throw new DataError(
      `${names[i]}: its label is ${JSON.stringify(label)}, which is none of the ${classNames.length} classes`,
    );
  });
  return { labels: Int32Array.from(labels), classNames };
}

function classNamesOf(labels: readonly (string | number)[]): string[] {
  if (typeof labels[0] === 'string') return [...new Set(labels as string[])].sort();
  const largest = (labels as number[]).reduce((most, label) => Math.max(most, label), 0);
  const isPlausible = Number.isInteger(largest) && largest < MOST_CLASSES;
  return Array.from({ length: isPlausible ? largest + 1 : 0 }, (_, label) => String(label));
}
