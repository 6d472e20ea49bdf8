// Training steps of a model on made-up pictures, timed layer by layer.
// Invariant: the steps are the trainer's own; a learning rate of 0 leaves the weights as they are.
import { InMemoryDataset, loadBatches, randomCrop, randomMirror, type ImageBatch } from '../data/index.js';
import { ArgumentError } from '../errors.js';
import { formatBytes, formatCount, formatRate, formatTable } from '../format.js';
import { CrossEntropyLoss } from '../layers/index.js';
import { Preprocessing, type Model } from '../models/index.js';
import { SGD } from '../optim/index.js';
import type { OpRecords } from '../tensor/device.js';
import { submitTrainingStep } from '../train/index.js';
import { totalLayers, type LayerTotals, type PhaseTotals } from './totals.js';

export interface ProfileOptions {
  /** Pictures a step. Default 128. */
  readonly batchSize?: number;
  /** Steps that are measured. Default 5. */
  readonly steps?: number;
  /** Steps before them, which choose kernels and allocate. Default 2. */
  readonly warmUpSteps?: number;
  /** Decides pictures and dropout. Default 0. */
  readonly seed?: number;
}

export interface TrainingProfile {
  readonly batchSize: number;
  readonly steps: number;
  /** From submitting a step to having its loss, the median of the steps. */
  readonly stepMs: number;
  readonly imagesPerSecond: number;
  /** What the device did of an average step. */
  readonly phases: PhaseTotals;
  /** In the network's order. A layer that is done with the one before it takes no time of its own. */
  readonly layers: readonly LayerTotals[];
  /** The most memory the device had in use. */
  readonly peakBytes: number;
  /** Every operation of every measured step; `chromeTrace` makes a trace of them. */
  readonly records: OpRecords;
  /** The table, ready to print. */
  toString(): string;
}

/**
 * Runs training steps (input, forward, loss, backward, update) and measures each layer on the device's own clock.
 * @param model  with weights, which stay as they are
 * @throws ArgumentError for options that are no positive integers, or while the device is being profiled; NativeError
 */
export async function profileTraining(model: Model, options: ProfileOptions = {}): Promise<TrainingProfile> {
  const { batchSize = 128, steps = 5, warmUpSteps = 2, seed = 0 } = options;
  for (const [name, value] of Object.entries({ batchSize, steps, warmUpSteps })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new ArgumentError(`profileTraining: ${name} must be a positive integer, got ${value}.`);
    }
  }
  const { device } = model;
  const { batch, preprocessing } = await madeUpBatch(model, { batchSize, seed });
  using owned = preprocessing;
  using optimizer = new SGD(model.network.parameters, { ...model.recipe, learningRate: 0 });
  const parts = { model, preprocessing: owned, loss: new CrossEntropyLoss(), optimizer };
  const run = async (step: number): Promise<number> => {
    const began = performance.now();
    using pending = submitTrainingStep(parts, batch, { seed, step });
    await pending.read();
    return performance.now() - began;
  };
  for (let step = 1; step <= warmUpSteps; step++) await run(step);
  const times: number[] = [];
  device.startProfile();
  let records: OpRecords;
  try {
    for (let step = 1; step <= steps; step++) times.push(await run(warmUpSteps + step));
  } finally {
    records = await device.stopProfile();
  }
  const { network, inputShape } = model;
  const totals = totalLayers(records, { network, inputShape, batchSize, steps });
  const stepMs = median(times);
  const { peakBytes } = device.memory();
  const imagesPerSecond = (batchSize / stepMs) * 1000;
  const profile = { batchSize, steps, stepMs, imagesPerSecond, ...totals, peakBytes, records };
  return { ...profile, toString: () => formatProfile(profile) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? NaN) + (sorted[sorted.length >> 1] ?? NaN)) / 2;
}

/** Noise has the size of pictures, and costs as much. */
async function madeUpBatch(
  model: Model,
  { batchSize, seed }: { readonly batchSize: number; readonly seed: number },
): Promise<{ batch: ImageBatch; preprocessing: Preprocessing }> {
  const { classNames, inputShape, recipe } = model;
  const [, , crop] = inputShape;
  const side = Math.ceil((crop * 8) / 7);
  const images = new Uint8Array(batchSize * side * side * 3);
  // The high bits of Knuth's multiplicative hash.
  for (let i = 0; i < images.length; i++) images[i] = Math.imul(i, 0x9e3779b1) >>> 24;
  const labels = Int32Array.from({ length: batchSize }, (_, i) => i % classNames.length);
  const dataset = new InMemoryDataset({ images, labels, classNames, side });
  const augmentation = [randomCrop({ size: crop }), randomMirror()];
  const mean = new Float32Array(recipe?.mean === 'colour' ? 3 : side * side * 3).fill(128);
  const preprocessing = new Preprocessing({ side, crop, mean, std: recipe?.std ?? [1, 1, 1] });
  for await (const batch of loadBatches(dataset, { batchSize, seed, epoch: 0, augmentation })) {
    return { batch, preprocessing };
  }
  throw new ArgumentError('profileTraining: there is no batch');
}

function formatProfile(profile: Omit<TrainingProfile, 'toString'>): string {
  const { layers, phases, batchSize, stepMs, imagesPerSecond, peakBytes } = profile;
  const deviceMs = Object.values(phases).reduce((sum, ms) => sum + ms, 0);
  const rows = layers.map((layer) => layerCells(layer, deviceMs));
  const rest = Object.entries({ input: phases.input, loss: phases.loss + phases.metrics }).map(
    ([name, ms]) => [name, '', '', time(ms), '', '', share(ms, deviceMs)],
  );
  const total = totalCells(layers, phases, deviceMs);
  const table = formatTable([headings, ...rest, ...rows, total], { left: 3 });
  return [
    table,
    '',
    `A step of ${formatCount(batchSize)} pictures: ${stepMs.toFixed(1)} ms (median), ${formatRate(imagesPerSecond)} images/s.`,
    `Memory at its peak: ${formatBytes(peakBytes)}.`,
  ].join('\n');
}

const headings = [
  'layer',
  'kind',
  'output',
  'forward ms',
  'backward ms',
  'update ms',
  'share',
  'MMACs',
  'GFLOP/s fwd',
  'GFLOP/s bwd',
  'parameters',
  'activations',
  'scratch',
];

function layerCells(layer: LayerTotals, deviceMs: number): string[] {
  const { forwardMs, backwardMs, updateMs, forwardMacs, backwardMacs } = layer;
  return [
    layer.name,
    layer.kind,
    layer.outputShape.join('x'),
    time(forwardMs),
    time(backwardMs),
    time(updateMs),
    share(forwardMs + backwardMs + updateMs, deviceMs),
    forwardMacs > 0 ? formatCount(forwardMacs / 1e6) : '',
    gigaflops(forwardMacs, forwardMs),
    gigaflops(backwardMacs, backwardMs),
    ...[layer.parameterBytes, layer.activationBytes, layer.scratchBytes].map(memory),
  ];
}

function totalCells(layers: readonly LayerTotals[], phases: PhaseTotals, deviceMs: number): string[] {
  const sum = (of: (layer: LayerTotals) => number) => layers.reduce((total, layer) => total + of(layer), 0);
  return [
    'total',
    '',
    '',
    time(phases.forward + phases.input + phases.loss + phases.metrics),
    time(phases.backward),
    time(phases.update),
    share(deviceMs, deviceMs),
    formatCount(sum(({ forwardMacs }) => forwardMacs) / 1e6),
    gigaflops(
      sum(({ forwardMacs }) => forwardMacs),
      phases.forward,
    ),
    gigaflops(
      sum(({ backwardMacs }) => backwardMacs),
      phases.backward,
    ),
    memory(sum(({ parameterBytes }) => parameterBytes)),
    memory(sum(({ activationBytes }) => activationBytes)),
    memory(Math.max(0, ...layers.map(({ scratchBytes }) => scratchBytes))),
  ];
}

function time(ms: number): string {
  return ms === 0 ? '' : ms.toFixed(ms < 10 ? 2 : 1);
}

function share(ms: number, of: number): string {
  return ms === 0 ? '' : `${((100 * ms) / of).toFixed(1)} %`;
}

/** A multiply-accumulate is two floating-point operations. */
function gigaflops(macs: number, ms: number): string {
  return macs > 0 && ms > 0 ? formatCount((2 * macs) / ms / 1e6) : '';
}

function memory(bytes: number): string {
  return bytes === 0 ? '' : formatBytes(bytes);
}
