// Quantised models as files: integers, their scales and biases as tensors, scales of activations in the metadata.
// Invariant: what is written is read back bit for bit; a file that does not fit is refused before anything is uploaded.
import { FileFormatError } from '../errors.js';
import type { SafetensorsEntry, SafetensorsFile, SafetensorsInfo } from '../io/safetensors.js';
import { Int8Layer, planInt8, Quantize, type Int8Step, type Int8Weights } from '../layers/index.js';
import type { Quantization } from '../ops/index.js';
import type { Device } from '../tensor/device.js';
import { formatShape, sameShape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Model } from './model.js';
import { int8Network, type ActivationScales } from './quantize.js';

/** The metadata's key for the scales of activations. */
export const QUANTIZATION = 'quantization';

/** @internal What a quantised model's file holds beside its mean; none of it for other models. */
export function int8Entries(model: Model): SafetensorsEntry[] {
  const layers = model.network.layers.filter((layer) => layer instanceof Int8Layer);
  return layers.flatMap(({ name, weights: { q, scales, bias } }) => [
    entry(namesOf(name).q, q),
    entry(namesOf(name).scales, scales),
    ...(bias ? [entry(namesOf(name).bias, bias)] : []),
  ]);
}

function namesOf(layer: string) {
  return { q: `${layer}.weight`, scales: `${layer}.weight.scales`, bias: `${layer}.bias` };
}

function entry(name: string, tensor: Tensor<'int8'> | Tensor<'float32'>): SafetensorsEntry {
  return { name, dtype: tensor.dtype, shape: tensor.shape, data: () => tensor.data() };
}

/** @internal Scales of activations; none for other models. */
export function int8Metadata(model: Model): Record<string, string> {
  if (model.precision !== 'int8') return {};
  const layers = model.network.layers.filter((layer) => layer instanceof Quantize);
  const scales = Object.fromEntries(layers.map(({ name, quantization }) => [name, quantization]));
  return { [QUANTIZATION]: JSON.stringify(scales) };
}

/**
 * @internal The quantised model of a file.
 * @param model  of the same architecture, without weights
 * @param found  what the metadata say of activations
 * @throws FileFormatError if a scale or a tensor is missing, damaged or of another shape
 */
export async function readInt8(
  model: Model,
  {
    file,
    found,
    device,
  }: { readonly file: SafetensorsFile; readonly found: unknown; readonly device: Device },
): Promise<Model> {
  const steps = planInt8(model.network.layers);
  const scales = scalesOf(file, steps, found);
  const places = steps.flatMap((step) => (step.kind === 'sums' ? [placesOf(step.layer)] : []));
  for (const { q, scales: own, bias } of places) for (const place of [q, own, bias]) checkPlace(file, place);
  const weights = new Map<string, Int8Weights>();
  const made: Tensor[] = [];
  try {
    for (const { layer, q, scales: own, bias } of places) {
      const read = async (place: SafetensorsInfo) => {
        const tensor = await device.upload((await file.read(place.name)) as Float32Array | Int8Array, place);
        made.push(tensor);
        return tensor as Tensor;
      };
      weights.set(layer, {
        q: (await read(q)) as Tensor<'int8'>,
        scales: (await read(own)) as Tensor<'float32'>,
        bias: bias && ((await read(bias)) as Tensor<'float32'>),
      });
    }
    return model.withNetwork(int8Network(steps, { scales, weights }), device);
  } catch (error) {
    for (const tensor of made) tensor.dispose();
    throw error;
  }
}

interface Places {
  readonly layer: string;
  readonly q: SafetensorsInfo;
  readonly scales: SafetensorsInfo;
  readonly bias: SafetensorsInfo | null;
}

function placesOf({ name, weight, bias }: Extract<Int8Step, { kind: 'sums' }>['layer']): Places {
  const names = namesOf(name);
  const [outputs = 0] = weight.shape;
  return {
    layer: name,
    q: { name: names.q, dtype: 'int8', shape: weight.shape },
    scales: { name: names.scales, dtype: 'float32', shape: [outputs] },
    bias: bias && { name: names.bias, dtype: 'float32', shape: bias.shape },
  };
}

function checkPlace({ path, entries }: SafetensorsFile, place: SafetensorsInfo | null): void {
  if (!place) return;
  const found = entries.find(({ name }) => name === place.name);
  if (found?.dtype === place.dtype && sameShape(found.shape, place.shape)) return;
  const there = found
    ? `has ${place.name} as ${found.dtype} ${formatShape(found.shape)}`
    : `has no ${place.name}`;
  throw new FileFormatError(path, `${there}; the model needs ${place.dtype} ${formatShape(place.shape)}.`);
}

function scalesOf({ path }: SafetensorsFile, steps: readonly Int8Step[], found: unknown): ActivationScales {
  const known = new Map<string, Quantization>();
  for (const step of steps) {
    if (step.kind !== 'quantize') continue;
    const scale = (found as Record<string, unknown> | null)?.[step.name];
    if (!isQuantization(scale)) {
      throw new FileFormatError(path, `its metadata '${QUANTIZATION}' has no scale for ${step.name}.`);
    }
    known.set(step.name, { dtype: scale.dtype, scale: scale.scale });
  }
  return known;
}

function isQuantization(value: unknown): value is Quantization {
  const { dtype, scale } = (value ?? {}) as Partial<Quantization>;
  return (
    (dtype === 'uint8' || dtype === 'int8') &&
    typeof scale === 'number' &&
    scale > 0 &&
    Number.isFinite(scale)
  );
}
