// What tells a dataset, or an augmentation, from another one, so that a training is not resumed on something else.
// Invariant: says nothing of where files lie: a dataset that was moved is the same one.
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { DataError } from '../errors.js';
import { planAugmentation, type Augmentation, type ImageDataset } from '../data/index.js';

export interface Fingerprint {
  readonly pictures: number;
  /** In pixels. */
  readonly side: number;
  /** SHA-256 of the class names in their order. */
  readonly classes: string;
  /** SHA-256 of each picture's label and file name, in the order of the dataset. */
  readonly names: string;
}

/** Pictures that are hashed at a time: a few milliseconds of the event loop. */
const SLICE = 5000;

export async function fingerprint(dataset: ImageDataset): Promise<Fingerprint> {
  const names = createHash('sha256');
  for (let at = 0; at < dataset.length; at += SLICE) {
    const lines: string[] = [];
    for (let i = at; i < Math.min(dataset.length, at + SLICE); i++) {
      lines.push(`${dataset.labels[i]} ${fileName(dataset.nameOf(i))}\n`);
    }
    names.update(lines.join(''));
    await setImmediate();
  }
  return {
    pictures: dataset.length,
    side: dataset.side,
    classes: createHash('sha256').update(JSON.stringify(dataset.classNames)).digest('hex'),
    names: names.digest('hex'),
  };
}

function fileName(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
}

/** @throws DataError that says in what the dataset differs from the one of the checkpoint at `path` */
export function checkFingerprint(
  found: Fingerprint,
  expected: Fingerprint,
  { what, path }: { readonly what: string; readonly path: string },
): void {
  const advice = `Resume with the pictures that ${path} was trained on, or start another training.`;
  if (found.pictures !== expected.pictures) {
    throw new DataError(
      `There are ${found.pictures} ${what} pictures; the training had ${expected.pictures}. ${advice}`,
    );
  }
  if (found.side !== expected.side) {
    throw new DataError(
      `The ${what} pictures are stored with ${found.side} pixels; the training had ${expected.side}. ${advice}`,
    );
  }
  if (found.classes !== expected.classes) {
    throw new DataError(`The classes of the ${what} pictures are not those of the training. ${advice}`);
  }
  if (found.names !== expected.names) {
    throw new DataError(
      `The ${what} pictures have other names, another order or other classes than in the training. ${advice}`,
    );
  }
}

/** SHA-256 of what an augmentation does to a few pictures: options that matter show in it. */
export function augmentationFingerprint(augmentation: Augmentation, side: number): string {
  const hash = createHash('sha256');
  hash.update(augmentation.map(({ name }) => name).join());
  for (let index = 0; index < 16; index++) {
    const record = planAugmentation(augmentation, { seed: 0, epoch: 0, index, height: side, width: side });
    hash.update(new Uint8Array(record.buffer, record.byteOffset, record.byteLength));
  }
  return hash.digest('hex');
}
