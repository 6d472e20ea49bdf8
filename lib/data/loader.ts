// Batches of pictures in a seeded order, read ahead of their use.
// Invariant: which pictures a batch holds, and what is done to them, depend on (dataset, options) only, never on timing.

import { ArgumentError } from '../errors.js';
import { seedKey } from '../random.js';
import { abortedBy, throwIfAborted } from './abort.js';
import {
  checkAugmentation,
  planAugmentation,
  RECORD_LENGTH,
  transformPicture,
  type Augmentation,
} from './augmentation.js';
import { bytesOf, framesOf, pictureBytes, sizeOf } from './picture-size.js';
import { checkSampler, epochOrder, type EpochOrder, type Sampler } from './sampler.js';
import type { ImageBatch, ImageDataset } from './types.js';

export interface LoaderOptions {
  /** Pictures a batch. */
  readonly batchSize: number;
  /** Non-negative integer; decides the order and the augmentation. */
  readonly seed: number;
  /** Non-negative integer; each epoch has an order and draws of its own. */
  readonly epoch: number;
  /** How the epoch goes through the dataset. Default 'sequential', or 'shuffle' if `shuffle` is true. */
  readonly sampler?: Sampler;
  /** Whether the pictures come in random order: short for the sampler 'shuffle'. Not together with `sampler`. */
  readonly shuffle?: boolean;
  /**
   * Begin with this batch of the epoch, counted from 0; what comes before is not read. The batches are bit for bit
   * those that a whole epoch ends with, provided that no picture before them is unreadable: see `startPosition`.
   */
  readonly startBatch?: number;
  /**
   * Begin here in the epoch's order: the `nextPosition` of the last batch that was used. Exact in all cases. Not
   * together with `startBatch`.
   */
  readonly startPosition?: number;
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

/** A batch, and where the one after it begins. */
export interface LoadedBatch extends ImageBatch {
  /** Position in the epoch's order, for {@link LoaderOptions.startPosition}. */
  readonly nextPosition: number;
}

/** The order of an epoch, and what to do with it. */
interface Epoch {
  readonly dataset: ImageDataset;
  readonly options: LoaderOptions;
  readonly order: EpochOrder;
}

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
): AsyncIterableIterator<LoadedBatch> {
  checkInteger('batchSize', options.batchSize, 1);
  checkInteger('epoch', options.epoch, 0);
  checkInteger('prefetch', options.prefetch ?? 2, 0);
  seedKey(options.seed);
  checkAugmentation(options.augmentation, dataset.side);
  checkSampler(samplerOf(options));
  checkStart(dataset.length, options);
  return assembleBatches(dataset, options);
}

function samplerOf({ sampler, shuffle }: LoaderOptions): Sampler {
  if (sampler !== undefined && shuffle !== undefined) {
    throw new ArgumentError('sampler and shuffle are both given; give sampler alone');
  }
  return sampler ?? (shuffle ? 'shuffle' : 'sequential');
}

function checkStart(length: number, options: LoaderOptions): void {
  const { startBatch = 0, startPosition = 0 } = options;
  if (options.startBatch !== undefined && options.startPosition !== undefined) {
    throw new ArgumentError('startBatch and startPosition are both given; give one of them');
  }
  checkInteger('startBatch', startBatch, 0);
  checkInteger('startPosition', startPosition, 0);
  const batches = batchesPerEpoch(length, options);
  if (startBatch > batches) {
    throw new ArgumentError(`startBatch is ${startBatch}, but the epoch has ${batches} batches`);
  }
  if (startPosition > length) {
    throw new ArgumentError(`startPosition is ${startPosition}, but the epoch has ${length} pictures`);
  }
}

/** Consecutive pictures of the order, as they were read. */
interface Chunk {
  /** Positions in the order. */
  readonly positions: readonly number[];
  /** The pictures, one after the other. */
  readonly images: Uint8Array;
  /** For each of `positions`, whether its picture could be read. */
  readonly readable: readonly boolean[];
}

/** Turns chunks into batches. While nothing fails, a chunk is a batch and no picture is copied. */
async function* assembleBatches(
  dataset: ImageDataset,
  options: LoaderOptions,
): AsyncGenerator<LoadedBatch, undefined> {
  const { batchSize, dropLast = false, seed, epoch: n } = options;
  const order = epochOrder(dataset, { sampler: samplerOf(options), seed, epoch: n });
  const epoch: Epoch = { dataset, options, order };
  let filling = new PartialBatch();
  for await (const chunk of readChunks(epoch)) {
    if (filling.size === 0 && chunk.positions.length === batchSize && !chunk.readable.includes(false)) {
      yield toBatch(epoch, chunk);
      continue;
    }
    for (const [place, picture] of picturesOf(epoch, chunk).entries()) {
      if (!chunk.readable[place]) continue;
      filling.add(chunk.positions[place]!, picture);
      if (filling.size < batchSize) continue;
      yield toBatch(epoch, filling);
      filling = new PartialBatch();
    }
  }
  if (filling.size > 0 && !dropLast) yield toBatch(epoch, filling);
  return undefined;
}

/** Reads the order in chunks of batchSize, `prefetch` chunks ahead, and gives them in order. */
async function* readChunks(epoch: Epoch): AsyncGenerator<Chunk, void> {
  const { batchSize, signal, prefetch = 2, startBatch = 0, startPosition } = epoch.options;
  const { length } = epoch.order.indices;
  const stop = new AbortController();
  const onAbort = (): void => stop.abort(abortedBy(signal!, WHAT));
  signal?.addEventListener('abort', onAbort, { once: true });
  const ahead: Promise<Chunk>[] = [];
  try {
    for (let next = startPosition ?? startBatch * batchSize; next < length || ahead.length > 0;) {
      throwIfAborted(signal, WHAT);
      for (; next < length && ahead.length <= prefetch; next += batchSize) {
        const chunk = readChunk(epoch, { start: next, signal: stop.signal });
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

/** Reads batchSize pictures, or what is left, from `start` on. */
async function readChunk(
  { dataset, options, order }: Epoch,
  { start, signal }: { readonly start: number; readonly signal: AbortSignal },
): Promise<Chunk> {
  const indices = [...order.indices.subarray(start, start + options.batchSize)];
  const images = new Uint8Array(bytesOf(dataset, indices));
  const readable = await dataset.read(indices, images, signal);
  const positions = indices.map((_, i) => start + i);
  const chunk = { positions, images, readable };
  transformPictures({ dataset, options, order }, chunk);
  return chunk;
}

/** The pictures of a chunk, each where it lies. */
function picturesOf({ dataset, order }: Epoch, { positions, images }: Chunk): Uint8Array[] {
  let at = 0;
  return positions.map((position) => {
    const bytes = pictureBytes(sizeOf(dataset, order.indices[position]!));
    return images.subarray(at, (at += bytes));
  });
}

/** The part of the augmentation that works on the host; most have none. */
function transformPictures(epoch: Epoch, chunk: Chunk): void {
  const { dataset, options, order } = epoch;
  const { augmentation, seed } = options;
  if (!augmentation.some(({ transform }) => transform)) return;
  for (const [place, data] of picturesOf(epoch, chunk).entries()) {
    if (!chunk.readable[place]) continue;
    const position = chunk.positions[place]!;
    const index = order.indices[position]!;
    const draw = { seed, epoch: options.epoch, index: drawIndex(epoch, position) };
    const image = { ...sizeOf(dataset, index), data };
    transformPicture(augmentation, image, { ...draw, pictureName: dataset.nameOf(index) });
  }
}

/** A picture that comes again is drawn for anew: as if the dataset went on with copies behind its end. */
function drawIndex({ dataset, order }: Epoch, position: number): number {
  const copies = (order.repeats?.[position] ?? 0) * dataset.length;
  return (order.indices[position]! + copies) % 2 ** 32;
}

/** A batch that is put together from pictures of several chunks; it keeps copies, so that no chunk is kept for one. */
class PartialBatch {
  readonly positions: number[] = [];
  readonly #pictures: Uint8Array[] = [];

  get size(): number {
    return this.positions.length;
  }

  /** The pictures, one after the other. */
  get images(): Uint8Array {
    const images = new Uint8Array(this.#pictures.reduce((total, { length }) => total + length, 0));
    let at = 0;
    for (const picture of this.#pictures) {
      images.set(picture, at);
      at += picture.length;
    }
    return images;
  }

  add(position: number, picture: Uint8Array): void {
    this.#pictures.push(new Uint8Array(picture));
    this.positions.push(position);
  }
}

function toBatch(
  work: Epoch,
  { positions, images }: { readonly positions: readonly number[]; readonly images: Uint8Array },
): LoadedBatch {
  const { dataset } = work;
  const { side, labels } = dataset;
  const { seed, epoch, augmentation } = work.options;
  const indices = Int32Array.from(positions, (position) => work.order.indices[position]!);
  const { views } = checkAugmentation(augmentation, side);
  const records = new Float32Array(indices.length * views * RECORD_LENGTH);
  for (const [place, position] of positions.entries()) {
    const size = sizeOf(dataset, indices[place]!);
    const draw = { seed, epoch, index: drawIndex(work, position) };
    records.set(planAugmentation(augmentation, { ...draw, ...size }), place * views * RECORD_LENGTH);
  }
  return {
    size: indices.length,
    side,
    images,
    ...(dataset.sizes && { frames: framesOf(dataset, indices) }),
    labels: indices.map((index) => labels[index]!),
    records,
    views,
    indices,
    nextPosition: positions.at(-1)! + 1,
  };
}

function checkInteger(name: string, value: number, least: number): void {
  if (!Number.isInteger(value) || value < least) {
    throw new ArgumentError(`${name} is ${value}, expected an integer of ${least} or more`);
  }
}
