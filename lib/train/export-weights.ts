// The weights of a training as a file of their own, to keep, to publish, to fine-tune from.
// Invariant: the tensors are the checkpoint's bit for bit, read only if its checksum is right; nothing of the training is left.
import { openSafetensors, writeSafetensors } from '../io/safetensors.js';
import { modelMetadataOf } from '../models/weights.js';
import { CHECKSUM, isOfTraining } from './checkpoint.js';
import { findWeights } from './run-folder.js';

export interface ExportedWeights {
  /** The file that they were taken from. */
  readonly from: string;
  /** Size of the file that was written. */
  readonly bytes: number;
}

/**
 * Writes the weights to predict with (the averages, if the training kept them), classes, architecture, preprocessing and
 * the epoch's metrics: what `loadModel`, `loadWeights` and `loadPretrained` take. Needs no device.
 * @param run  folder of a training, whose best weights are taken; or a file of weights or a checkpoint
 * @param path  file to write, atomically; one that is there is replaced
 * @throws FileFormatError if there are no weights at `run` or they are damaged, FileWriteError
 */
export async function exportWeights(run: string, path: string): Promise<ExportedWeights> {
  const from = await findWeights(run);
  await using file = await openSafetensors(from);
  const metadata = modelMetadataOf(file);
  if (file.entries.some(({ name }) => name === CHECKSUM)) await file.verify(CHECKSUM);
  const entries = file.entries
    .filter(({ name }) => !isOfTraining(name))
    .map((entry) => ({ ...entry, data: () => file.read(entry.name) }));
  return { from, ...(await writeSafetensors(path, entries, metadata)) };
}
