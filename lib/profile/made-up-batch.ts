// A batch of noise for profiles, and a preprocessing that takes it.
// Invariant: the same for the same seed; it has the size of pictures, and costs as much.
import { InMemoryDataset, loadBatches, randomCrop, randomMirror, type ImageBatch } from '../data/index.js';
import { ArgumentError } from '../errors.js';
import { Preprocessing, type Model } from '../models/index.js';

export interface MadeUpBatch {
  readonly batch: ImageBatch;
  /** The caller owns it. */
  readonly preprocessing: Preprocessing;
}

export async function madeUpBatch(
  model: Model,
  { batchSize, seed }: { readonly batchSize: number; readonly seed: number },
): Promise<MadeUpBatch> {
  const { classNames, inputShape, recipe } = model;
  const [, , crop] = inputShape;
  const side = Math.ceil((crop * 8) / 7);
  const images = new Uint8Array(batchSize * side * side * 3);
  // The high bits of Knuth's multiplicative hash.
  for (let i = 0; i < images.length; i++) images[i] = Math.imul(i, 0x9e3779b1) >>> 24;
  const labels = Int32Array.from({ length: batchSize }, (_, i) => i % classNames.length);
  const dataset = new InMemoryDataset({ images, labels, classNames, side });
  const augmentation = [randomCrop({ size: crop }), randomMirror()];
  const mean = new Float32Array(recipe?.mean === 'colour' ? 3 : side * side * 3).fill(128);
  const preprocessing = new Preprocessing({ side, crop, mean, std: recipe?.std ?? [1, 1, 1] });
  for await (const batch of loadBatches(dataset, { batchSize, seed, epoch: 0, augmentation })) {
    return { batch, preprocessing };
  }
  throw new ArgumentError('profile: there is no batch');
}
