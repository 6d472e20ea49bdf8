// What a training is resumed on must be what it began with: its pictures and its augmentation.
// Invariant: says nothing of places and speeds; a run goes on with other folders, threads and workers.
import { ArgumentError, DataError } from '../errors.js';
import type { Checkpoint, CheckpointContents } from './checkpoint.js';
import { augmentationFingerprint, checkFingerprint, fingerprint } from './fingerprint.js';
import { trainingAugmentation } from './options.js';
import type { RunParts } from './run-parts.js';

/** As a checkpoint holds it. */
export type RunIdentity = Pick<CheckpointContents, 'data' | 'augmentation'>;

export async function identityOf({ model, options, data }: RunParts): Promise<RunIdentity> {
  const { train, validation } = data;
  return {
    data: {
      train: await fingerprint(train),
      validation: validation ? await fingerprint(validation) : null,
    },
    augmentation: augmentationFingerprint(trainingAugmentation(model, options), train.side),
  };
}

/** @throws DataError, ArgumentError if the run would not go on as it began */
export function checkSame(
  found: RunIdentity,
  { path, data, augmentation }: Pick<Checkpoint, 'path' | 'data' | 'augmentation'>,
): void {
  const { train, validation } = found.data;
  checkFingerprint(train, data.train, { what: 'training', path });
  if ((validation === null) !== (data.validation === null)) {
    const had = data.validation ? 'had validation pictures' : 'had no validation pictures';
    throw new DataError(`${path}: the training ${had}; resume it with the same pictures.`);
  }
  if (validation && data.validation) {
    checkFingerprint(validation, data.validation, { what: 'validation', path });
  }
  if (found.augmentation !== augmentation) {
    throw new ArgumentError(
      `${path}: the training had another augmentation; give it again: resume(run, { augmentation }).`,
    );
  }
}
