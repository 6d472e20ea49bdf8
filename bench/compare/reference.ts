// Weights and a batch that every peer computes the same loss of: raw little-endian float32 files and a manifest.
// Invariant: layouts are PyTorch's: pictures [N, C, H, W], convolutions [out, in / groups, h, w], matrices [out, in].
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { alexnet, openDevice, ops } from '../../lib/index.js';

/** Caffe's: 227 pixels without padding, LRN with k = 1, dropout scaled while training, as the peers have it. */
export const PRESET = 'bvlc';
/** Pictures of the reference: enough for every convolution to be computed as it is in a batch of 128. */
export const REFERENCE_PICTURES = 32;

interface Manifest {
  /** [REFERENCE_PICTURES] */
  readonly labels: readonly number[];
  /** In the order of weights.f32. */
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

export interface Reference {
  readonly labels: Int32Array;
  /** [batch size, 3, 227, 227] */
  readonly x: Float32Array;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/**
 * Writes the reference; signals are large enough for LRN to matter.
 * @returns the cross-entropy of each picture in nats, [REFERENCE_PICTURES], by convolutions as they are defined
 */
export async function writeReference(folder: string): Promise<number[]> {
  await mkdir(folder, { recursive: true });
  using device = openDevice('cpu', { cpu: { winograd: false } });
  using model = alexnet({ classes: 1000, preset: PRESET, initialization: 'lecun' });
  model.initialize(device, { seed: 1 });
  const labels = Array.from({ length: REFERENCE_PICTURES }, (_, i) => (250 * i) % 999);
  using x = ops.gaussian(device, { shape: [REFERENCE_PICTURES, 3, 227, 227], std: 50, seed: 2 });
  using logits = model.forward(x);
  const scores = await logits.data();
  const { parameters } = model.network;
  const values = await Promise.all(parameters.map(({ value }) => value.data()));
  const manifest: Manifest = {
    labels,
    tensors: parameters.map(({ name, shape }) => ({ name, shape })),
  };
  await writeFile(path.join(folder, 'weights.f32'), Buffer.concat(values.map(bytesOf)));
  await writeFile(path.join(folder, 'x.f32'), bytesOf(await x.data()));
  await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
  return labels.map((label, i) => crossEntropy(scores.subarray(1000 * i, 1000 * (i + 1)), label));
}

function crossEntropy(logits: Float32Array, label: number): number {
  const largest = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - largest), 0);
  return Math.log(sum) + largest - (logits[label] ?? NaN);
}

/** The first `batchSize` pictures. */
export async function readReference(folder: string, batchSize: number): Promise<Reference> {
  const manifest = JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8')) as Manifest;
  const weights = await floats(path.join(folder, 'weights.f32'));
  const tensors = new Map<string, Float32Array>();
  let offset = 0;
  for (const { name, shape } of manifest.tensors) {
    const size = shape.reduce((product, extent) => product * extent, 1);
    tensors.set(name, weights.subarray(offset, offset + size));
    offset += size;
  }
  const x = await floats(path.join(folder, 'x.f32'));
  const labels = Int32Array.from(manifest.labels.slice(0, batchSize));
  return { labels, x: x.subarray(0, batchSize * 3 * 227 * 227), tensors };
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

async function floats(file: string): Promise<Float32Array> {
  const bytes = await readFile(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
