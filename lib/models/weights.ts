// Models as files: weights in safetensors, with everything a prediction needs in the metadata.
// Invariant: a file that does not fit is refused as a whole, before anything of the model changes.
import { ArgumentError, FileFormatError } from '../errors.js';
import {
  openSafetensors,
  writeSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
} from '../io/safetensors.js';
import type { Parameter } from '../layers/index.js';
import type { Device } from '../tensor/device.js';
import type { Precision } from '../tensor/dtype.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { alexnet, type AlexNetOptions } from './alexnet.js';
import { cifarNet, type CifarNetOptions } from './cifar.js';
import type { Model } from './model.js';
import { checkPrecision } from './precision.js';
import type { Architecture } from './model.js';
import { Preprocessing, type PreprocessingOptions } from './preprocessing.js';

const FORMAT = 'alexnet.model.v1';
const MEAN = 'preprocessing.mean';

const builders: Readonly<Record<string, (options: never) => Model>> = {
  alexnet: (options: AlexNetOptions) => alexnet(options),
  cifarNet: (options: CifarNetOptions) => cifarNet(options),
};

/**
 * Writes weights, classes, architecture and preprocessing, atomically: a file that was there stays until the new one
 * is complete.
 * @param options.notes  more to remember, e.g. the epoch and its accuracy
 * @throws FileWriteError if there is no room or no permission
 */
export async function saveModel(
  model: Model,
  path: string,
  options: { readonly notes?: Readonly<Record<string, unknown>> } = {},
): Promise<void> {
  const entries: SafetensorsEntry[] = model.network.parameters.map(({ name, shape, value }) => ({
    name,
    dtype: 'float32',
    shape,
    data: () => value.data(),
  }));
  const { preprocessing } = model;
  if (preprocessing) {
    const { side, mean } = preprocessing.options;
    entries.push({
      name: MEAN,
      dtype: 'float32',
      shape: mean.length === 3 ? [3] : [side, side, 3],
      data: mean,
    });
  }
  await writeSafetensors(path, entries, {
    format: FORMAT,
    architecture: JSON.stringify(model.architecture),
    classNames: JSON.stringify(model.classNames),
    ...(preprocessing && { preprocessing: JSON.stringify(describe(preprocessing)) }),
    ...(options.notes && { notes: JSON.stringify(options.notes) }),
  });
}

function describe({ options }: Preprocessing): Record<string, unknown> {
  const { side, crop, std } = options;
  return { side, crop, std, colours: 'RGB', scale: '0..255' };
}

/**
 * Builds the model that a file describes and loads its weights.
 * @param options.precision  what it shall compute in. Default: what it was trained in
 * @throws FileFormatError if the file is missing, damaged, of another kind, or of a user's own network; DeviceError if
 * the device is not faster in that precision than in float32
 */
export async function loadModel(
  path: string,
  options: { readonly device: Device; readonly precision?: Precision },
): Promise<Model> {
  await using file = await openSafetensors(path);
  const architecture = architectureOf(file);
  const build = Object.hasOwn(builders, architecture.builder) ? builders[architecture.builder] : undefined;
  if (!build) {
    throw new FileFormatError(
      path,
      `holds the weights of a network built by '${architecture.builder}', not by this package. ` +
        'Build it yourself and call loadWeights(model, path).',
    );
  }
  let model: Model;
  try {
    const { precision = architecture.options['precision'] } = options;
    model = build({ ...architecture.options, ...(precision !== undefined && { precision }) } as never);
  } catch (cause) {
    throw new FileFormatError(path, `its architecture cannot be built: ${(cause as Error).message}`, {
      cause,
    });
  }
  await load(model, file, options.device);
  return model;
}

function architectureOf(file: SafetensorsFile): Architecture {
  const found = metadataOf(file, 'architecture');
  if (!isRecord(found) || typeof found['builder'] !== 'string' || !isRecord(found['options'])) {
    throw new FileFormatError(file.path, "its metadata 'architecture' names no builder and its options.");
  }
  return { builder: found['builder'], options: found['options'] };
}

/**
 * Loads a file's weights, classes and preprocessing into a model of the same architecture.
 * @throws FileFormatError if a parameter is missing or has another shape
 */
export async function loadWeights(
  model: Model,
  path: string,
  options: { readonly device: Device },
): Promise<void> {
  await using file = await openSafetensors(path);
  await load(model, file, options.device);
}

async function load(model: Model, file: SafetensorsFile, device: Device): Promise<void> {
  checkPrecision(model.precision, device);
  const classNames = metadataOf(file, 'classNames');
  const shapes = new Map(file.entries.map(({ name, dtype, shape }) => [name, { dtype, shape }]));
  for (const { name, shape } of model.network.parameters) {
    const found = shapes.get(name);
    if (found?.dtype !== 'float32' || !sameShape(found.shape, shape)) {
      const there = found ? `has ${name} as ${found.dtype} ${formatShape(found.shape)}` : `has no ${name}`;
      throw new FileFormatError(file.path, `${there}; the model needs float32 ${formatShape(shape)}.`);
    }
  }
  if (!isStrings(classNames) || classNames.length !== model.classes) {
    throw new FileFormatError(file.path, `does not name the model's ${model.classes} classes.`);
  }
  const preprocessing = await readPreprocessing(file);
  const values = await upload(file, model.network.parameters, device);
  for (const [i, parameter] of model.network.parameters.entries()) {
    parameter.assign(values[i] as Tensor<'float32'>);
  }
  model.attach(device);
  model.classNames = classNames;
  model.preprocessing = preprocessing;
}

/** Values of all parameters, on the device for certain. */
async function upload(
  file: SafetensorsFile,
  parameters: readonly Parameter[],
  device: Device,
): Promise<Tensor<'float32'>[]> {
  const tensors: Tensor<'float32'>[] = [];
  try {
    for (const { name, shape } of parameters) {
      const values = (await file.read(name)) as Float32Array;
      tensors.push(device.tensor(values, { shape }));
    }
    await device.synchronize();
    return tensors;
  } catch (error) {
    for (const tensor of tensors) tensor.dispose();
    throw error;
  }
}

async function readPreprocessing(file: SafetensorsFile): Promise<Preprocessing | undefined> {
  if (file.metadata['preprocessing'] === undefined) return undefined;
  const found = metadataOf(file, 'preprocessing');
  const { side, crop, std } = (isRecord(found) ? found : {}) as Partial<PreprocessingOptions>;
  if (!isSide(side) || !isSide(crop) || !Array.isArray(std) || std.length !== 3 || !std.every((s) => s > 0)) {
    throw new FileFormatError(file.path, 'its preprocessing is damaged.');
  }
  const mean = (await file.read(MEAN)) as Float32Array;
  try {
    return new Preprocessing({ side, crop, std: std as [number, number, number], mean });
  } catch (cause) {
    if (cause instanceof ArgumentError) throw new FileFormatError(file.path, cause.message, { cause });
    throw cause;
  }
}

function metadataOf(file: SafetensorsFile, key: string): unknown {
  if (file.metadata['format'] !== FORMAT) {
    throw new FileFormatError(
      file.path,
      `is a safetensors file, but not a model of this package (${FORMAT}).`,
    );
  }
  try {
    return JSON.parse(file.metadata[key] ?? '') as unknown;
  } catch (cause) {
    throw new FileFormatError(file.path, `its metadata '${key}' is missing or damaged.`, { cause });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A number of pixels that pictures can have. */
function isSide(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) > 0 && (value as number) <= 65_536;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
