// Training steps of a model on made-up pictures, timed layer by layer.
// Invariant: the steps are the trainer's own; a learning rate of 0 leaves the weights as they are.
import { formatBytes, formatRate, formatTable } from '../format.js';
import { CrossEntropyLoss } from '../layers/index.js';
import type { Model } from '../models/index.js';
import { FiniteGate, LossScaler, SGD } from '../optim/index.js';
import type { OpRecords } from '../tensor/device.js';
import { submitTrainingStep } from '../train/index.js';
import { gigaOperations, memory, millions, pictures, share, time } from './cells.js';
import { madeUpBatch } from './made-up-batch.js';
import { checkCounts, measureRuns } from './measure.js';
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
  checkCounts('profileTraining', { batchSize, steps, warmUpSteps });
  const { device } = model;
  const { batch, preprocessing } = await madeUpBatch(model, { batchSize, seed });
  using owned = preprocessing;
  using optimizer = new SGD(model.network.parameters, { ...model.recipe, learningRate: 0 });
  using lossScaler = model.precision === 'float16' ? new LossScaler(device) : undefined;
  using gate = lossScaler ? undefined : new FiniteGate();
  const loss = new CrossEntropyLoss();
  const parts = { model, preprocessing: owned, loss, optimizer, lossScaler, gate };
  const run = async (step: number): Promise<void> => {
    using pending = submitTrainingStep(parts, batch, { seed, step });
    await pending.read();
  };
  const { medianMs: stepMs, records } = await measureRuns(device, run, { steps, warmUpSteps });
  const { network, inputShape } = model;
  const totals = totalLayers(records, { network, inputShape, batchSize, steps });
  const { peakBytes } = device.memory();
  const imagesPerSecond = (batchSize / stepMs) * 1000;
  const profile = { batchSize, steps, stepMs, imagesPerSecond, ...totals, peakBytes, records };
  return { ...profile, toString: () => formatProfile(profile) };
}

function formatProfile(profile: Omit<TrainingProfile, 'toString'>): string {
  const { layers, phases, batchSize, stepMs, imagesPerSecond, peakBytes } = profile;
  const deviceMs = Object.values(phases).reduce((sum, ms) => sum + ms, 0);
  const rows = layers.map((layer) => layerCells(layer, deviceMs));
  const rest = Object.entries({ input: phases.input, loss: phases.loss + phases.metrics }).map(
    ([name, ms]) => [name, '', '', time(ms), '', '', share(ms, deviceMs)],
  );
  const total = totalCells(layers, phases, deviceMs);
  const table = formatTable([headings, ...rest, ...rows, ...otherRows(profile, deviceMs), total], {
    left: 3,
  });
  return [
    table,
    '',
    `A step of ${pictures(batchSize)}: ${stepMs.toFixed(1)} ms (median), ${formatRate(imagesPerSecond)} images/s.`,
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
    millions(forwardMacs),
    gigaOperations(forwardMacs, forwardMs),
    gigaOperations(backwardMacs, backwardMs),
    ...[layer.parameterBytes, layer.activationBytes, layer.scratchBytes].map(memory),
  ];
}

/** What no layer owns: conversions, and looks at all gradients together. */
function otherRows({ layers, phases }: Pick<TrainingProfile, 'layers' | 'phases'>, deviceMs: number) {
  const rest = (phase: 'forward' | 'backward' | 'update') =>
    layers.reduce((ms, layer) => ms - layer[`${phase}Ms`], phases[phase]);
  const times = [rest('forward'), rest('backward'), rest('update')];
  const all = times.reduce((sum, ms) => sum + ms);
  return time(all) === '' ? [] : [['other', '', '', ...times.map(time), share(all, deviceMs)]];
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
    millions(sum(({ forwardMacs }) => forwardMacs)),
    gigaOperations(
      sum(({ forwardMacs }) => forwardMacs),
      phases.forward,
    ),
    gigaOperations(
      sum(({ backwardMacs }) => backwardMacs),
      phases.backward,
    ),
    memory(sum(({ parameterBytes }) => parameterBytes)),
    memory(sum(({ activationBytes }) => activationBytes)),
    memory(Math.max(0, ...layers.map(({ scratchBytes }) => scratchBytes))),
  ];
}
