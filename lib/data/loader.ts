// Batches of pictures in a seeded order, read ahead of their use.
// Invariant: which pictures a batch holds, and what is done to them, depend on (dataset, options) only, never on timing.

import { ArgumentError } from '../errors.js';
import { permutation, seedKey } from '../random.js';
import { abortedBy, throwIfAborted } from './abort.js';
import {
  checkAugmentation,
  planAugmentation,
  RECORD_LENGTH,
  transformPicture,
  type Augmentation,
} from './augmentation.js';
import type { ImageBatch, ImageDataset } from './types.js';

export interface LoaderOptions {
  /** Pictures a batch. */
  readonly batchSize: number;
  /** Non-negative integer; decides the order and the augmentation. */
  readonly seed: number;
  /** Non-negative integer; each epoch has an order and draws of its own. */
  readonly epoch: number;
  /** Whether the pictures come in random order. Default false: in the dataset's. */
  readonly shuffle?: boolean;
  /** What is done to the pictures: `[randomCrop({ size: 227 }), randomMirror()]`. */
  readonly augmentation: Augmentation;
  /** Whether a last batch of fewer than batchSize pictures is left out. Default false. */
  readonly dropLast?: boolean;
  /** Batches that are read ahead while one is used; 0 reads when asked. Default 2. */
  readonly prefetch?: number;
  /** Stops the reading; the iterator then throws AbortedError. */
  readonly signal?: AbortSignal | undefined;
}

const WHAT = 'loading batches';

/**
 * The number of batches of an epoch; fewer come if pictures cannot be decoded.
 * @param length pictures in the dataset
 */
export function batchesPerEpoch(
  length: number,
  { batchSize, dropLast = false }: Pick<LoaderOptions, 'batchSize' | 'dropLast'>,
): number {
  checkInteger('batchSize', batchSize, 1);
  return dropLast ? Math.floor(length / batchSize) : Math.ceil(length / batchSize);
}

/**
 * One epoch of batches. Pictures that cannot be read are left out and the following ones move up, so that all batches
 * but the last have batchSize pictures. Every batch has memory of its own, which the consumer owns. Leaving the loop
 * early, or aborting the signal, ends what is being read ahead.
 * @throws ArgumentError at once, if an option is out of range
 * @throws AbortedError from the iterator, if the signal is aborted; whatever dataset.read() rejects with
 */
export function loadBatches(
  dataset: ImageDataset,
  options: LoaderOptions,
): AsyncIterableIterator<ImageBatch> {
  checkInteger('batchSize', options.batchSize, 1);
  checkInteger('epoch', options.epoch, 0);
  checkInteger('prefetch', options.prefetch ?? 2, 0);
  seedKey(options.seed);
  checkAugmentation(options.augmentation, dataset.side);
  return assembleBatches(dataset, options);
}

/** Consecutive pictures of the order, as they were read. */
interface Chunk {
  readonly indices: readonly number[];
  /** [indices.length, side, side, 3]. */
  readonly images: Uint8Array;
  /** For each of `indices`, whether its picture could be read. */
  readonly readable: readonly boolean[];
}

/** Turns chunks into batches. While nothing fails, a chunk is a batch and no picture is copied. */
async function* assembleBatches(
  dataset: ImageDataset,
  options: LoaderOptions,
): AsyncGenerator<ImageBatch, undefined> {
  const { batchSize, dropLast = false } = options;
  let filling = new PartialBatch(batchSize, dataset.side);
  for await (const chunk of readChunks(dataset, options)) {
    if (filling.size === 0 && chunk.indices.length === batchSize && !chunk.readable.includes(false)) {
      yield toBatch(dataset, options, chunk);
      continue;
    }
    for (const position of chunk.indices.keys()) {
      if (!chunk.readable[position]) continue;
      filling.add(chunk, position);
      if (filling.size < batchSize) continue;
      yield toBatch(dataset, options, filling);
      filling = new PartialBatch(batchSize, dataset.side);
    }
  }
  if (filling.size > 0 && !dropLast) yield toBatch(dataset, options, filling);
  return undefined;
}

/** Reads the order in chunks of batchSize, `prefetch` chunks ahead, and gives them in order. */
async function* readChunks(dataset: ImageDataset, options: LoaderOptions): AsyncGenerator<Chunk, void> {
  const { batchSize, signal, prefetch = 2 } = options;
  const order = orderOf(dataset, options);
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(abortedBy(signal!, WHAT));
  signal?.addEventListener('abort', onAbort, { once: true });
  const ahead: Promise<Chunk>[] = [];
  try {
    for (let next = 0; next < order.length || ahead.length > 0;) {
      throwIfAborted(signal, WHAT);
      for (; next < order.length && ahead.length <= prefetch; next += batchSize) {
        const chunk = readChunk(dataset, [...order.subarray(next, next + batchSize)], {
          ...options,
          signal: stop.signal,
        });
        chunk.catch(() => {}); // reported when it is awaited, and of no interest if it never is
        ahead.push(chunk);
      }
      const chunk = await ahead.shift()!.catch((error: unknown) => {
        throwIfAborted(signal, WHAT);
        throw error;
      });
      throwIfAborted(signal, WHAT);
      yield chunk;
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    stop.abort();
    await Promise.allSettled(ahead);
  }
}

async function readChunk(
  dataset: ImageDataset,
  indices: readonly number[],
  options: LoaderOptions,
): Promise<Chunk> {
  const images = new Uint8Array(indices.length * dataset.side * dataset.side * 3);
  const readable = await dataset.read(indices, images, options.signal);
  transformPictures(dataset, options, { indices, images, readable });
  return { indices, images, readable };
}

/** The part of the augmentation that works on the host; most have none. */
function transformPictures(
  dataset: ImageDataset,
  { augmentation, seed, epoch }: LoaderOptions,
  { indices, images, readable }: Chunk,
): void {
  if (!augmentation.some(({ transform }) => transform)) return;
  const { side } = dataset;
  const bytes = side * side * 3;
  for (const [position, index] of indices.entries()) {
    if (!readable[position]) continue;
    const data = images.subarray(position * bytes, (position + 1) * bytes);
    const pictureName = dataset.nameOf(index);
    transformPicture(augmentation, { width: side, height: side, data }, { seed, epoch, index, pictureName });
  }
}

function orderOf({ length }: ImageDataset, { shuffle = false, seed, epoch }: LoaderOptions): Int32Array {
  return shuffle ? permutation(length, { seed, epoch }) : Int32Array.from({ length }, (_, i) => i);
}

/** A batch that is put together from pictures of several chunks. */
class PartialBatch {
  readonly indices: number[] = [];
  readonly #pictureBytes: number;
  readonly #images: Uint8Array;

  constructor(batchSize: number, side: number) {
    this.#pictureBytes = side * side * 3;
    this.#images = new Uint8Array(batchSize * this.#pictureBytes);
  }

  get size(): number {
    return this.indices.length;
  }

  /** [size, side, side, 3]. */
  get images(): Uint8Array {
    return this.#images.subarray(0, this.size * this.#pictureBytes);
  }

  add(chunk: Chunk, position: number): void {
    const from = position * this.#pictureBytes;
    this.#images.set(chunk.images.subarray(from, from + this.#pictureBytes), this.size * this.#pictureBytes);
    this.indices.push(chunk.indices[position]!);
  }
}

function toBatch(
  dataset: ImageDataset,
  { seed, epoch, augmentation }: LoaderOptions,
  { indices, images }: { readonly indices: readonly number[]; readonly images: Uint8Array },
): ImageBatch {
  const { side, labels } = dataset;
  const { views } = checkAugmentation(augmentation, side);
  const records = new Float32Array(indices.length * views * RECORD_LENGTH);
  for (const [position, index] of indices.entries()) {
    const record = planAugmentation(augmentation, { seed, epoch, index, side });
    records.set(record, position * views * RECORD_LENGTH);
  }
  return {
    size: indices.length,
    side,
    images,
    labels: Int32Array.from(indices, (index) => labels[index]!),
    records,
    views,
    indices: Int32Array.from(indices),
  };
}

function checkInteger(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new ArgumentError(`${name} is ${value}, expected an integer of ${least} or more`);
  }
}
