// Predictions of a model on made-up pictures, timed layer by layer.
// Invariant: what is timed is what `predict` and `evaluate` do of a batch: input, network, probabilities on the host.
import { formatBytes, formatRate, formatTable } from '../format.js';
import type { Model } from '../models/index.js';
import { softmax } from '../ops/index.js';
import type { OpRecords } from '../tensor/device.js';
import type { InferencePrecision } from '../tensor/dtype.js';
import { gigabytes, gigaOperations, memory, millions, pictures, share, time } from './cells.js';
import { madeUpBatch } from './made-up-batch.js';
import { checkCounts, measureRuns } from './measure.js';
import type { ProfileOptions } from './profile-training.js';
import { totalPredictions, type PredictionLayerTotals, type PredictionPhase } from './totals.js';

export interface InferenceProfile {
  readonly precision: InferencePrecision;
  readonly batchSize: number;
  readonly steps: number;
  /** From submitting a batch to having its probabilities, the median. */
  readonly predictionMs: number;
  readonly imagesPerSecond: number;
  /** What the device did of an average prediction. */
  readonly phases: Readonly<Record<PredictionPhase, number>>;
  /** In the network's order. A layer that is done with the one before it takes no time of its own. */
  readonly layers: readonly PredictionLayerTotals[];
  /** What the device holds between predictions: weights, and their copies in the forms that are computed with. */
  readonly inUseBytes: number;
  /** Every operation of every measured prediction; `chromeTrace` makes a trace of them. */
  readonly records: OpRecords;
  /** The table, ready to print. */
  toString(): string;
}

/**
 * Predicts batches of pictures and measures each layer on the device's own clock.
 * @param model  with weights; also one of `quantizeModel`
 * @param options  `steps` are predictions: 20 unless given
 * @throws ArgumentError for options that are no positive integers, or while the device is being profiled; NativeError
 */
export async function profileInference(
  model: Model,
  options: ProfileOptions = {},
): Promise<InferenceProfile> {
  const { batchSize = 128, steps = 20, warmUpSteps = 2, seed = 0 } = options;
  checkCounts('profileInference', { batchSize, steps, warmUpSteps });
  const { device, network, inputShape, precision } = model;
  const { batch, preprocessing } = await madeUpBatch(model, { batchSize, seed });
  using owned = preprocessing;
  const submit = () => {
    device.markProfile('input');
    using x = owned.apply(device, batch);
    device.markProfile('forward');
    using logits = model.forward(x);
    device.markProfile('output');
    return softmax(logits);
  };
  const run = async (): Promise<void> => {
    using probabilities = submit();
    await probabilities.data();
  };
  const { medianMs, records } = await measureRuns(device, run, { steps, warmUpSteps });
  const totals = totalPredictions(records, { network, inputShape, batchSize, steps, precision });
  await device.synchronize();
  const { inUseBytes } = device.memory();
  const measured = { predictionMs: medianMs, imagesPerSecond: (batchSize / medianMs) * 1000 };
  const profile = { precision, batchSize, steps, ...measured, ...totals, inUseBytes, records };
  return { ...profile, toString: () => formatProfile(profile) };
}

function formatProfile(profile: Omit<InferenceProfile, 'toString'>): string {
  const { layers, phases, precision, batchSize, predictionMs, imagesPerSecond, inUseBytes } = profile;
  const deviceMs = Object.values(phases).reduce((sum, ms) => sum + ms, 0);
  const sum = (of: (layer: PredictionLayerTotals) => number) =>
    layers.reduce((total, layer) => total + of(layer), 0);
  const line = (name: string, ms: number) => [name, '', '', time(ms), share(ms, deviceMs)];
  const macs = sum(({ forwardMacs }) => forwardMacs);
  const weights = sum(({ weightBytes }) => weightBytes);
  const table = formatTable(
    [
      headings(precision),
      line('input', phases.input),
      ...layers.map((layer) => layerCells(layer, deviceMs)),
      line('other', phases.forward - sum(({ forwardMs }) => forwardMs)),
      line('output', phases.output),
      [
        ...line('total', deviceMs),
        ...[millions(macs), gigaOperations(macs, phases.forward)],
        ...[memory(weights), gigabytes(weights, phases.forward)],
        memory(Math.max(0, ...layers.map(({ scratchBytes }) => scratchBytes))),
      ],
    ].filter(([name, , , ms]) => name !== 'other' || ms !== ''),
    { left: 3 },
  );
  return [
    table,
    '',
    `A prediction of ${pictures(batchSize)} in ${precision}: ${time(predictionMs)} ms (median), ${formatRate(imagesPerSecond)} images/s.`,
    `Memory between predictions: ${formatBytes(inUseBytes)}.`,
  ].join('\n');
}

function headings(precision: InferencePrecision): string[] {
  const rate = precision === 'int8' ? 'GOP/s' : 'GFLOP/s';
  return ['layer', 'kind', 'output', 'ms', 'share', 'MMACs', rate, 'weights', 'GB/s', 'scratch'];
}

function layerCells(layer: PredictionLayerTotals, deviceMs: number): string[] {
  const { forwardMs, forwardMacs, weightBytes } = layer;
  return [
    ...[layer.name, layer.kind, layer.outputShape.join('x'), time(forwardMs), share(forwardMs, deviceMs)],
    ...[millions(forwardMacs), gigaOperations(forwardMacs, forwardMs)],
    ...[memory(weightBytes), gigabytes(weightBytes, forwardMs), memory(layer.scratchBytes)],
  ];
}
