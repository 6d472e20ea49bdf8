// This package as a peer: see job.ts.
// Invariant: uses the public API only.
import { readFile } from 'node:fs/promises';
import {
  alexnet,
  CrossEntropyLoss,
  openDevice,
  ops,
  SGD,
  type Device,
  quantizeModel,
  type InferencePrecision,
  type Model,
  type Tensor,
} from '../../lib/index.js';
import { measure, reply, type Job } from './job.js';
import { PRESET, readReference, type Reference } from './reference.js';

await reply(async (job) => {
  const device = openDevice('cpu', { threads: job.threads });
  const precision = (job.options['precision'] ?? 'float32') as InferencePrecision;
  const trainedIn = precision === 'int8' ? 'float32' : precision;
  const trained = alexnet({ classes: 1000, preset: PRESET, precision: trainedIn });
  trained.initialize(device, { seed: 1 });
  const reference =
    job.reference === undefined ? undefined : await readReference(job.reference, job.batchSize);
  if (reference) await setWeights(trained, reference);
  const { x, labels } = batch(device, job, reference);
  const model = precision === 'int8' ? await quantized(trained, x) : trained;
  const work = {
    train: trainingStep(model, x, labels),
    infer: inference(model, x),
    check: () => lossOf(model, x, labels),
  }[job.task];
  const measured = await measure(job, work);
  const layers = job.task === 'train' && {
    layersMs: await layerTimes(device, { step: work, steps: Math.min(job.repetitions, 5) }),
  };
  const versions = { alexnet: await packageVersion(), oneDNN: device.info.properties['oneDNN'] ?? '?' };
  return {
    ...measured,
    ...layers,
    versions,
    ...(job.task === 'check' && { loss: await lossOf(model, x, labels) }),
  };
});

type Labels = Tensor<'int32', readonly [number]>;
type Pictures = Tensor<'float32'>;

async function setWeights({ network }: Model, { tensors }: Reference): Promise<void> {
  for (const parameter of network.parameters) {
    const values = tensors.get(parameter.name);
    if (!values) throw new Error(`the reference has no ${parameter.name}`);
    parameter.assign(parameter.value.device.tensor(values, { shape: parameter.shape }));
  }
}

/** Calibrated with the pictures that it then predicts; nothing of what it was made of stays. */
async function quantized(trained: Model, x: Pictures): Promise<Model> {
  const model = await quantizeModel(trained, { calibration: [x] });
  trained.dispose();
  trained.device.trim();
  return model;
}

function batch(device: Device, job: Job, reference: Reference | undefined): { x: Pictures; labels: Labels } {
  const { batchSize } = job;
  const shape = [batchSize, 3, 227, 227] as const;
  const x = reference
    ? device.tensor(reference.x, { shape })
    : ops.gaussian(device, { shape, std: 1, seed: 2 });
  const labels = reference?.labels ?? Int32Array.from({ length: batchSize }, (_, i) => (i * 37) % 1000);
  return { x, labels: device.tensor(labels, { shape: [batchSize] }) };
}

function trainingStep(model: Model, x: Pictures, labels: Labels): () => Promise<number> {
  const loss = new CrossEntropyLoss();
  const optimizer = new SGD(model.network.parameters, { learningRate: 0.01 });
  let step = 0;
  return async () => {
    const { y, saved } = model.network.forward(x, { training: true, gradient: true, seed: 3, step: ++step });
    using logits = y;
    using state = saved as Disposable;
    const { loss: value, saved: lossSaved } = loss.forward(logits, labels);
    using mean = value;
    using lossState = lossSaved;
    using gradient = loss.backward(lossState);
    model.network.backward(gradient, state, { inputGradient: false });
    optimizer.step();
    // The loss is read when the update is done, as in the other peers.
    const [result] = await Promise.all([mean.item(), model.device.synchronize()]);
    return result;
  };
}

/**
 * The mean of a few more steps, by the layers that their operations name; the update's name parameters, as in
 * conv1.weight.
 */
async function layerTimes(
  device: Device,
  { step, steps }: { readonly step: () => Promise<unknown>; readonly steps: number },
): Promise<Record<string, number>> {
  device.startProfile();
  for (let i = 0; i < steps; i++) await step();
  const { entries } = await device.stopProfile();
  const times: Record<string, number> = {};
  for (const { label, durationMs } of entries) {
    const layer = label.includes('.') ? 'update' : label;
    times[layer] = (times[layer] ?? 0) + durationMs / steps;
  }
  return times;
}

function inference(model: Model, x: Pictures): () => Promise<Float32Array> {
  return async () => {
    using logits = model.forward(x);
    return await logits.data();
  };
}

async function lossOf(model: Model, x: Pictures, labels: Labels): Promise<number> {
  using logits = model.forward(x);
  const { loss, saved } = new CrossEntropyLoss().forward(logits, labels);
  using mean = loss;
  saved[Symbol.dispose]();
  return await mean.item();
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
