// Puts a model in the state that a golden file describes, and runs it as the file's author did.
// Invariant: every parameter of the file is assigned, every parameter of the model gets one.
import assert from 'node:assert/strict';
import { CrossEntropyLoss, type Activations, type Mode } from '../../lib/layers/index.js';
import type { Model } from '../../lib/models/index.js';
import type { Device } from '../../lib/tensor/device.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { assertClose } from './compare.js';
import { assertChecksum, type Checksums, type GoldenArray } from './golden.js';
import { hashTensor, type HashSpec } from './hash-values.js';
import { netTolerance } from './tolerance.js';

export function assignParameters(
  model: Model,
  device: Device,
  specs: Readonly<Record<string, HashSpec>>,
): void {
  const { parameters } = model.network;
  assert.deepEqual(parameters.map(({ name }) => name).sort(), Object.keys(specs).sort());
  for (const parameter of parameters) {
    const spec = specs[parameter.name]!;
    assert.deepEqual(parameter.shape, spec.shape, parameter.name);
    parameter.assign(device.tensor(hashTensor(spec), { shape: spec.shape }));
  }
}

export function upload(device: Device, spec: HashSpec): Activations {
  return device.tensor(hashTensor(spec), { shape: spec.shape });
}

/** Forward, loss and backward: the parameters have gradients afterwards. */
export async function differentiate(
  model: Model,
  device: Device,
  batch: { readonly input: HashSpec; readonly labels: readonly number[]; readonly mode: Mode },
): Promise<{ readonly logits: Float32Array; readonly loss: number }> {
  const criterion = new CrossEntropyLoss();
  using x = upload(device, batch.input);
  using labels = device.tensor(Int32Array.from(batch.labels), { shape: [batch.labels.length] });
  const { y, saved } = model.network.forward(x, batch.mode);
  using logits = y as Tensor<'float32'>;
  using state = saved!;
  const result = criterion.forward(logits, labels);
  using loss = result.loss;
  using lossState = result.saved;
  using gradient = criterion.backward(lossState);
  model.network.backward(gradient, state, { inputGradient: false });
  return { logits: await logits.data(), loss: await loss.item() };
}

/** Loss of a batch without dropout and without gradients. */
export async function evaluate(
  model: Model,
  device: Device,
  batch: { readonly input: HashSpec; readonly labels: readonly number[] },
): Promise<{ readonly logits: Float32Array; readonly loss: number }> {
  using x = upload(device, batch.input);
  using labels = device.tensor(Int32Array.from(batch.labels), { shape: [batch.labels.length] });
  using logits = model.forward(x);
  const result = new CrossEntropyLoss().forward(logits, labels);
  using loss = result.loss;
  result.saved[Symbol.dispose]();
  return { logits: await logits.data(), loss: await loss.item() };
}

/**
 * What the layers give one after another, not fused.
 * @param names  golden name of a layer's output, by the layer
 */
export async function activationsOf(
  model: Model,
  x: Activations,
  { mode, names }: { readonly mode: Mode; readonly names: Readonly<Record<string, string>> },
): Promise<ReadonlyMap<string, Float32Array>> {
  const activations = new Map<string, Float32Array>();
  let current = x.share();
  for (const layer of model.network.layers) {
    const { y } = layer.forward(current, { ...mode, gradient: false });
    current.dispose();
    current = y;
    const name = names[layer.name];
    if (name !== undefined) activations.set(name, await (y as Tensor<'float32'>).data());
  }
  current.dispose();
  return activations;
}

export function assertLogits(actual: Float32Array, expected: GoldenArray): void {
  const { tolerance, reason } = netTolerance('logits');
  const largest = Math.max(...expected.data.map(Math.abs));
  assertClose(actual, expected.data, { rtol: 0, atol: tolerance * largest, what: 'logits', reason });
}

export function assertLoss(
  actual: number,
  expected: number,
  quantity: 'loss' | 'trainingLosses' = 'loss',
): void {
  const { tolerance, reason } = netTolerance(quantity);
  assertClose([actual], [expected], { rtol: tolerance, atol: 0, what: 'loss', reason });
}

/** Every gradient of the model against its checksum. */
export async function assertGradients(model: Model, expected: Checksums): Promise<void> {
  assert.deepEqual(model.network.parameters.map(({ name }) => name).sort(), Object.keys(expected).sort());
  for (const { name, gradient } of model.network.parameters) {
    assertChecksum(await gradient!.data(), expected[name]!, { ...netTolerance('gradients'), what: name });
  }
}
