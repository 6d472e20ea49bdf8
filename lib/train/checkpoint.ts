// One checkpoint: a model file that also holds what training needs to go on, and a checksum over all of it.
// Invariant: tensors under the parameters' own names are the weights to predict with, so every reader of models reads it.
import { FileFormatError } from '../errors.js';
import {
  openSafetensors,
  writeSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
} from '../io/safetensors.js';
import type { Parameter } from '../layers/index.js';
import { meanOf, modelMetadata } from '../models/weights.js';
import type { Model } from '../models/index.js';
import type {
  BestState,
  LossScaler,
  LossScalerState,
  PlateauState,
  SGD,
  WeightAverage,
} from '../optim/index.js';
import type { Device } from '../tensor/device.js';
import type { Tensor } from '../tensor/tensor.js';
import { checkContents } from './checkpoint-contents.js';
import type { Metrics } from './events.js';
import type { Fingerprint } from './fingerprint.js';
import type { GuardState } from './dead-start.js';
import type { MeterState } from './metrics.js';
import type { StoredOptions } from './options.js';

export const CHECKSUM = 'checkpoint.sha256';
const VERSION = 1;
/** Names of what training needs besides the weights to predict with: momentum, and the weights behind averages. */
const [VELOCITY, TRAINING] = ['velocity/', 'training/'];

/** Whether a tensor of a checkpoint is not part of the model. */
export function isOfTraining(name: string): boolean {
  return name.startsWith(VELOCITY) || name.startsWith(TRAINING) || name === CHECKSUM;
}

/** Where a training is: all that its next step depends on besides tensors and options. */
export interface TrainingState {
  /** Steps done. Random numbers are counted by it. */
  readonly step: number;
  /** The epoch that is under way, from 1. */
  readonly epoch: number;
  /** Pictures of the epoch's order that are behind. */
  readonly position: number;
  readonly stepInEpoch: number;
  readonly batchSize: number;
  readonly stepsPerEpoch: number;
  /** Of the epoch's steps so far. */
  readonly meter: MeterState;
  readonly best: { readonly epoch: number; readonly error: number; readonly metrics: Metrics } | null;
  /** What plateaus have made of the learning rate, as a factor. */
  readonly plateauFactor: number;
  readonly plateau: PlateauState | null;
  readonly earlyStopping: BestState | null;
  readonly guard: GuardState;
  /** Time spent, before it in this epoch, in milliseconds. */
  readonly elapsedMs: number;
  readonly epochMs: number;
}

/** The JSON in a checkpoint. */
export interface CheckpointContents {
  readonly state: TrainingState;
  readonly options: StoredOptions;
  readonly data: { readonly train: Fingerprint; readonly validation: Fingerprint | null };
  /** See `augmentationFingerprint`. */
  readonly augmentation: string;
  /** Whether the loss was the caller's own. */
  readonly ownLoss: boolean;
  /** Names of frozen parameters. */
  readonly frozen: readonly string[];
  /** The caller's, see `TrainerOptions.configuration`. */
  readonly configuration: unknown;
}

/** What a file holds besides: read from the device with the tensors. */
export interface DeviceState {
  /** Of a float16 network. */
  readonly lossScale?: LossScalerState;
}

/** A checkpoint that was found whole. */
export interface Checkpoint extends CheckpointContents, DeviceState {
  readonly path: string;
  /** The folder of its training. */
  readonly run: string;
  /** Newer ones that could not be used, and why. */
  readonly skipped: readonly FileFormatError[];
  /** Paths of all checkpoints of later steps that its run had. */
  readonly later: readonly string[];
}

interface Tensors {
  readonly model: Model;
  readonly optimizer: SGD;
  readonly average: WeightAverage | undefined;
}

/** Tensors on their way from the device, as they are now: later steps do not change them. */
export class Snapshot {
  readonly #values = new Map<string, { shape: readonly number[]; data: Promise<Float32Array> }>();
  readonly #model: Model;
  readonly #lossScale: Promise<LossScalerState> | undefined;

  constructor({
    model,
    optimizer,
    average,
    lossScaler,
  }: Tensors & { readonly lossScaler: LossScaler | undefined }) {
    this.#model = model;
    this.#lossScale = lossScaler?.state();
    this.#lossScale?.catch(() => {});
    const tensors = model.network.parameters.flatMap((parameter): [string, Tensor<'float32'>][] => {
      const { name, value } = parameter;
      const mean = average?.averages.get(parameter);
      const velocity = optimizer.velocities.get(parameter);
      return [
        [name, mean ?? value],
        ...(mean ? [[`${TRAINING}${name}`, value] as [string, Tensor<'float32'>]] : []),
        ...(velocity ? [[`${VELOCITY}${name}`, velocity] as [string, Tensor<'float32'>]] : []),
      ];
    });
    // One block for all: V8 collects garbage whenever it hears of a large new one.
    const block = new ArrayBuffer(4 * tensors.reduce((total, [, { size }]) => total + size, 0));
    let offset = 0;
    for (const [name, tensor] of tensors) {
      const data = tensor.data(new Float32Array(block, offset, tensor.size));
      // It is awaited when it is written, if ever.
      data.catch(() => {});
      this.#values.set(name, { shape: tensor.shape, data });
      offset += 4 * tensor.size;
    }
  }

  /**
   * Writes it atomically.
   * @returns the size of the file
   * @throws FileWriteError; NativeError if what was to be saved could not be computed
   */
  async write(
    path: string,
    contents: CheckpointContents,
    notes: Readonly<Record<string, unknown>>,
  ): Promise<{ readonly bytes: number }> {
    const entries = [...this.#values].map(([name, { shape, data }]): SafetensorsEntry => {
      return { name, dtype: 'float32', shape, data: () => data };
    });
    const lossScale = await this.#lossScale;
    const metadata = {
      ...modelMetadata(this.#model),
      notes: JSON.stringify(notes),
      training: JSON.stringify({ version: VERSION, ...contents, ...(lossScale && { lossScale }) }),
    };
    return writeSafetensors(path, [...entries, ...meanOf(this.#model)], metadata, { checksum: CHECKSUM });
  }
}

/**
 * Reads a checkpoint's JSON and compares the file with its checksum.
 * @throws FileFormatError if it is missing, damaged, or holds no training
 */
export async function readCheckpoint(path: string): Promise<CheckpointContents & DeviceState> {
  await using file = await openSafetensors(path);
  const contents = contentsOf(file);
  await file.verify(CHECKSUM);
  return contents;
}

function contentsOf({ path, metadata }: SafetensorsFile): CheckpointContents & DeviceState {
  const text = metadata['training'];
  if (text === undefined) {
    throw new FileFormatError(
      path,
      'holds no training to go on with: it is not a checkpoint of this package.',
    );
  }
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (cause) {
    throw new FileFormatError(path, 'damaged: its state of training is not JSON.', { cause });
  }
  const { version, ...contents } = Object(found) as Record<string, unknown>;
  if (version === VERSION) return checkContents(path, contents);
  throw new FileFormatError(
    path,
    `its state of training has version ${String(version)}, expected ${VERSION}: it was written by another version ` +
      'of this package. Resume with that one.',
  );
}

/**
 * Gives optimiser and averages what they had, and the model the weights it was trained with.
 * @throws FileFormatError if a tensor does not fit the model
 */
export async function restoreTensors(path: string, { model, optimizer, average }: Tensors): Promise<void> {
  await using file = await openSafetensors(path);
  const { device } = model;
  for (const parameter of model.network.parameters) {
    const velocity = await readTensor(file, `${VELOCITY}${parameter.name}`, { parameter, device });
    if (velocity) optimizer.setVelocity(parameter, velocity);
    const weights =
      average && (await readTensor(file, `${TRAINING}${parameter.name}`, { parameter, device }));
    if (weights) average.set(parameter, parameter.exchange(weights));
  }
}

async function readTensor(
  file: SafetensorsFile,
  name: string,
  { parameter, device }: { readonly parameter: Parameter; readonly device: Device },
): Promise<Tensor<'float32'> | undefined> {
  const entry = file.entries.find((each) => each.name === name);
  if (!entry) return undefined;
  const { shape } = parameter;
  if (entry.dtype !== 'float32' || entry.shape.join() !== shape.join()) {
    throw new FileFormatError(file.path, `has ${name} as ${entry.dtype} [${entry.shape.join(', ')}].`);
  }
  return device.upload((await file.read(name)) as Float32Array, { shape });
}
