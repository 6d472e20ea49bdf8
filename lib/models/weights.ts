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
import { RandomStream } from '../random.js';
import type { Device } from '../tensor/device.js';
import type { InferencePrecision, Precision } from '../tensor/dtype.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import { alexnet, type AlexNetOptions } from './alexnet.js';
import { cifarNet, type CifarNetOptions } from './cifar.js';
import { int8Entries, int8Metadata, QUANTIZATION, readInt8 } from './int8-file.js';
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
 * is complete. Of a quantised model, integers and scales.
 * @param options.notes  more to remember, e.g. the epoch and its accuracy
 * @throws FileWriteError if there is no room or no permission
 */
export async function saveModel(
  model: Model,
  path: string,
  options: { readonly notes?: Readonly<Record<string, unknown>> } = {},
): Promise<void> {
  const entries = model.network.parameters.map(({ name, shape, value }): SafetensorsEntry => {
    return { name, dtype: 'float32', shape, data: () => value.data() };
  });
  await writeSafetensors(path, [...entries, ...int8Entries(model), ...meanOf(model)], {
    ...modelMetadata(model),
    ...int8Metadata(model),
    ...(options.notes && { notes: JSON.stringify(options.notes) }),
  });
}

/** @internal The mean that a model's preprocessing subtracts, as a model file holds it. */
export function meanOf({ preprocessing }: Model): SafetensorsEntry[] {
  if (!preprocessing) return [];
  const { side, mean } = preprocessing.options;
  const shape = mean.length === 3 ? [3] : [side, side, 3];
  return [{ name: MEAN, dtype: 'float32', shape, data: mean }];
}

/** @internal What makes a safetensors file with a model's weights a model file. */
export function modelMetadata(model: Model): Record<string, string> {
  const { preprocessing } = model;
  return {
    format: FORMAT,
    architecture: JSON.stringify(model.architecture),
    classNames: JSON.stringify(model.classNames),
    ...(preprocessing && { preprocessing: JSON.stringify(describe(preprocessing)) }),
  };
}

/**
 * @internal What of a file's metadata is the model's: `modelMetadata` and its notes.
 * @throws FileFormatError if it is no model
 */
export function modelMetadataOf(file: SafetensorsFile): Record<string, string> {
  metadataOf(file, 'architecture');
  const keys = ['format', 'architecture', 'classNames', 'preprocessing', 'notes'];
  return Object.fromEntries(Object.entries(file.metadata).filter(([key]) => keys.includes(key)));
}

function describe({ options }: Preprocessing): Record<string, unknown> {
  const { side, crop, std } = options;
  return { side, crop, std, colours: 'RGB', scale: '0..255' };
}

/**
 * Builds the model that a file describes and loads its weights.
 * @param options.precision  what it shall compute in. Default: what it was trained in, or 'int8' if it was quantised
 * @throws FileFormatError if the file is missing, damaged, of another kind, or of a user's own network; DeviceError if
 * the device is not faster in that precision than in float32; ArgumentError for 'int8' if the file holds no quantised
 * model, and for other precisions if it does
 */
export async function loadModel(
  path: string,
  options: { readonly device: Device; readonly precision?: InferencePrecision },
): Promise<Model> {
  await using file = await openSafetensors(path);
  const { device, precision } = options;
  if (Object.hasOwn(file.metadata, QUANTIZATION)) return await loadInt8(file, { device, precision });
  if (precision === 'int8') {
    throw new ArgumentError(
      `${path} holds no quantised model. Make one with quantizeModel, or with alexnet quantize.`,
    );
  }
  const model = buildModel(file, { ...(precision !== undefined && { precision }) });
  await load(model, file, device);
  return model;
}

async function loadInt8(
  file: SafetensorsFile,
  {
    device,
    precision = 'int8',
  }: { readonly device: Device; readonly precision: InferencePrecision | undefined },
): Promise<Model> {
  if (precision !== 'int8') {
    throw new ArgumentError(
      `${file.path} holds a quantised model, which computes in int8; for ${precision} load the file that it was made of.`,
    );
  }
  checkPrecision('int8', device);
  using model = buildModel(file, { precision: 'float32' });
  const classNames = metadataOf(file, 'classNames');
  checkClassNames(file, classNames, model);
  model.classNames = classNames;
  model.preprocessing = await readPreprocessing(file);
  return await readInt8(model, { file, found: metadataOf(file, QUANTIZATION), device });
}

export interface LoadPretrainedOptions {
  readonly device: Device;
  /** Of the pictures that the model is to learn, in their order. */
  readonly classNames: readonly string[];
  /** Of the new head's weights. Default 0. */
  readonly seed?: number;
  /** What it shall compute in. Default: what it was trained in. */
  readonly precision?: Precision;
}

/**
 * Loads a model to train it further. For other classes than its own it gets a new head: the last layer that learns,
 * with fresh weights. The preprocessing stays what the other layers have learned with.
 * @throws FileFormatError as `loadModel`
 */
export async function loadPretrained(path: string, options: LoadPretrainedOptions): Promise<Model> {
  const { device, classNames, seed = 0, precision } = options;
  await using file = await openSafetensors(path);
  const known = metadataOf(file, 'classNames');
  const same = isStrings(known) && known.join('\n') === classNames.join('\n');
  const model = buildModel(file, {
    classes: classNames.length,
    ...(precision !== undefined && { precision }),
  });
  if (same) {
    await load(model, file, device);
    return model;
  }
  const { parameters, layers } = model.network;
  const head = layers.findLast((layer) => layer.parameters.length > 0)?.parameters ?? [];
  await load(model, file, device, { without: head });
  for (const parameter of head) {
    parameter.initialize(device, { seed, stream: RandomStream.parameters + parameters.indexOf(parameter) });
  }
  model.classNames = classNames;
  return model;
}

function buildModel(
  file: SafetensorsFile,
  changes: { readonly classes?: number; readonly precision?: Precision },
): Model {
  const { path } = file;
  const architecture = architectureOf(file);
  const build = Object.hasOwn(builders, architecture.builder) ? builders[architecture.builder] : undefined;
  if (!build) {
    throw new FileFormatError(
      path,
      `holds the weights of a network built by '${architecture.builder}', not by this package. ` +
        'Build it yourself and call loadWeights(model, path).',
    );
  }
  try {
    return build({ ...architecture.options, ...changes } as never);
  } catch (cause) {
    throw new FileFormatError(path, `its architecture cannot be built: ${(cause as Error).message}`, {
      cause,
    });
  }
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

/** @param options.without  parameters that are not read, and the classes with them */
async function load(
  model: Model,
  file: SafetensorsFile,
  device: Device,
  { without = [] }: { readonly without?: readonly Parameter[] } = {},
): Promise<void> {
  checkPrecision(model.precision, device);
  const classNames = metadataOf(file, 'classNames');
  const parameters = model.network.parameters.filter((parameter) => !without.includes(parameter));
  const shapes = new Map(file.entries.map(({ name, dtype, shape }) => [name, { dtype, shape }]));
  for (const { name, shape } of parameters) {
    const found = shapes.get(name);
    if (found?.dtype !== 'float32' || !sameShape(found.shape, shape)) {
      const there = found ? `has ${name} as ${found.dtype} ${formatShape(found.shape)}` : `has no ${name}`;
      throw new FileFormatError(file.path, `${there}; the model needs float32 ${formatShape(shape)}.`);
    }
  }
  const known = without.length > 0 ? model.classNames : classNames;
  checkClassNames(file, known, model);
  const preprocessing = await readPreprocessing(file);
  const values = await upload(file, parameters, device);
  for (const [i, parameter] of parameters.entries()) {
    parameter.assign(values[i] as Tensor<'float32'>);
  }
  model.attach(device);
  model.classNames = known;
  model.preprocessing = preprocessing;
}

function checkClassNames(
  { path }: SafetensorsFile,
  names: unknown,
  { classes }: Model,
): asserts names is string[] {
  if (isStrings(names) && names.length === classes) return;
  throw new FileFormatError(path, `does not name the model's ${classes} classes.`);
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
      tensors.push(await device.upload(values, { shape }));
    }
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
