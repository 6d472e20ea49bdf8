// Weights and a batch that every peer computes the same loss of: raw little-endian float32 files and a manifest.
// Invariant: layouts are PyTorch's: pictures [N, C, H, W], convolutions [out, in / groups, h, w], matrices [out, in].
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { alexnet, CrossEntropyLoss, openDevice, ops } from '../../lib/index.js';

/** Caffe's: 227 pixels without padding, LRN with k = 1, dropout scaled while training, as the peers have it. */
export const PRESET = 'bvlc';
const BATCH = 4;

interface Manifest {
  readonly batchSize: number;
  readonly labels: readonly number[];
  /** This package's, in nats. */
  readonly loss: number;
  /** In the order of weights.f32. */
  readonly tensors: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

export interface Reference {
  readonly batchSize: number;
  readonly labels: Int32Array;
  readonly loss: number;
  /** [batchSize, 3, 227, 227] */
  readonly x: Float32Array;
  readonly tensors: ReadonlyMap<string, Float32Array>;
}

/** Writes the reference; signals are large enough for LRN to matter. @returns its loss */
export async function writeReference(folder: string): Promise<number> {
  await mkdir(folder, { recursive: true });
  using device = openDevice('cpu');
  using model = alexnet({ classes: 1000, preset: PRESET, initialization: 'lecun' });
  model.initialize(device, { seed: 1 });
  const labels = Int32Array.from({ length: BATCH }, (_, i) => 250 * i);
  using x = ops.gaussian(device, { shape: [BATCH, 3, 227, 227], std: 50, seed: 2 });
  using target = device.tensor(labels, { shape: [BATCH] });
  using logits = model.forward(x);
  const { loss, saved } = new CrossEntropyLoss().forward(logits, target);
  using mean = loss;
  saved[Symbol.dispose]();
  const { parameters } = model.network;
  const values = await Promise.all(parameters.map(({ value }) => value.data()));
  const manifest: Manifest = {
    batchSize: BATCH,
    labels: [...labels],
    loss: await mean.item(),
    tensors: parameters.map(({ name, shape }) => ({ name, shape })),
  };
  await writeFile(path.join(folder, 'weights.f32'), Buffer.concat(values.map(bytesOf)));
  await writeFile(path.join(folder, 'x.f32'), bytesOf(await x.data()));
  await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
  return manifest.loss;
}

export async function readReference(folder: string): Promise<Reference> {
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
  return { ...manifest, labels: Int32Array.from(manifest.labels), x, tensors };
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

async function floats(file: string): Promise<Float32Array> {
  const bytes = await readFile(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}
