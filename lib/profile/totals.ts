// From the records of a device to times and bytes of layers and of the phases of a step or a prediction.
// Invariant: every millisecond of the records is in exactly one phase; layers have those that bear their names.
import type { Layer, Sequential } from '../layers/index.js';
import type { OpRecord, OpRecords } from '../tensor/device.js';
import type { Shape } from '../tensor/shape.js';
import { bytesPerElement, type InferencePrecision } from '../tensor/dtype.js';
import type { StepPhase } from '../train/index.js';

/** A layer's share of an average step. Times are those of the device. */
export interface LayerTotals {
  readonly name: string;
  /** What kind of layer it is, e.g. 'Conv2d'. */
  readonly kind: string;
  /** Of one picture: [C, H, W] or [features]. */
  readonly outputShape: Shape;
  readonly forwardMs: number;
  readonly backwardMs: number;
  /** Of its parameters, by the optimiser. */
  readonly updateMs: number;
  /** Multiply-accumulates of the forward pass of a batch. */
  readonly forwardMacs: number;
  /** Of the backward pass: as many for the weights, and again for the input where its gradient is needed. */
  readonly backwardMacs: number;
  /** Weights, their gradients and velocities. */
  readonly parameterBytes: number;
  /** What the forward pass leaves for the backward pass. */
  readonly activationBytes: number;
  /** The most that an operation held for a while beyond its inputs and outputs. */
  readonly scratchBytes: number;
}

/** Milliseconds of an average step, by phase; `metrics` are the ranks of the labels. */
export type PhaseTotals = Readonly<Record<StepPhase, number>>;

/** A layer's share of an average prediction of a batch. */
export interface PredictionLayerTotals {
  readonly name: string;
  /** What kind of layer it is, e.g. 'Int8Conv2d'. */
  readonly kind: string;
  /** Of one picture: [C, H, W] or [features]. */
  readonly outputShape: Shape;
  readonly forwardMs: number;
  /** Multiply-accumulates of a batch. */
  readonly forwardMacs: number;
  /** Weights and biases in the precision that they are computed in. */
  readonly weightBytes: number;
  /** The most that an operation held for a while beyond its inputs and outputs. */
  readonly scratchBytes: number;
}

/** The phases of a prediction: pictures to input, the network, probabilities to the host. */
export type PredictionPhase = 'input' | 'forward' | 'output';

interface PhasedRecord extends OpRecord {
  readonly phase: string;
}

interface TotalsOptions {
  readonly network: Sequential;
  /** [C, H, W] */
  readonly inputShape: Shape;
  /** Pictures in each step. */
  readonly batchSize: number;
  /** How many there are records of. */
  readonly steps: number;
}

/** @param records  of whole training steps */
export function totalLayers(
  records: OpRecords,
  options: TotalsOptions,
): { readonly layers: LayerTotals[]; readonly phases: PhaseTotals } {
  const { network, steps } = options;
  const { phased, sumMs, phases } = inPhases(records, stepPhases, steps);
  const firstLearned = network.layers.findIndex(({ parameters }) => parameters.length > 0);
  const layers = layersOf(options).map(({ layer, owns, forwardMacs, ...described }, i): LayerTotals => {
    return {
      ...described,
      forwardMs: sumMs((record) => record.phase === 'forward' && owns(record)),
      backwardMs: sumMs((record) => record.phase === 'backward' && owns(record)),
      updateMs: sumMs((record) => record.phase === 'update' && owns(record)),
      forwardMacs,
      backwardMacs: i === firstLearned ? forwardMacs : 2 * forwardMacs,
      // Float32, three of each: value, gradient, velocity.
      parameterBytes: layer.parameters.reduce((sum, { size }) => sum + 12 * size, 0),
      activationBytes: keptBy(phased.filter(owns), steps),
      scratchBytes: scratchOf(phased.filter(owns)),
    };
  });
  return { layers, phases };
}

/** @param records  of whole predictions, of which `options.steps` counts */
export function totalPredictions(
  records: OpRecords,
  options: TotalsOptions & { readonly precision: InferencePrecision },
): {
  readonly layers: PredictionLayerTotals[];
  readonly phases: Readonly<Record<PredictionPhase, number>>;
} {
  const { phased, sumMs, phases } = inPhases(records, predictionPhases, options.steps);
  const bytes = bytesPerElement(options.precision);
  const layers = layersOf(options).map(({ layer, owns, ...described }): PredictionLayerTotals => ({
    ...described,
    forwardMs: sumMs((record) => record.phase === 'forward' && owns(record)),
    weightBytes: bytes * layer.weightCount,
    scratchBytes: scratchOf(phased.filter(owns)),
  }));
  return { layers, phases };
}

interface DescribedLayer {
  readonly layer: Layer;
  readonly owns: (record: OpRecord) => boolean;
  readonly name: string;
  readonly kind: string;
  readonly outputShape: Shape;
  readonly forwardMacs: number;
}

function layersOf({ network, inputShape, batchSize }: TotalsOptions): DescribedLayer[] {
  let shape: Shape = [batchSize, ...inputShape];
  return network.layers.map((layer, i) => {
    const forwardMacs = layer.macs(shape);
    shape = layer.outputShape(shape);
    const { name, kind } = layer;
    const owns = owner(layer, network.layers[i + 1]);
    return { layer, owns, name, kind, outputShape: shape.slice(1), forwardMacs };
  });
}

const stepPhases: readonly StepPhase[] = ['input', 'forward', 'loss', 'backward', 'update', 'metrics'];
const predictionPhases: readonly PredictionPhase[] = ['input', 'forward', 'output'];

/** Operations bear the name of their layer, of a parameter, or of two layers that are done as one: 'lrn1+pool1'. */
function owner(layer: Layer, next: Layer | undefined): (record: OpRecord) => boolean {
  const labels = new Set([layer.name, ...layer.parameters.map(({ name }) => name)]);
  if (next) labels.add(`${layer.name}+${next.name}`);
  return ({ label }) => labels.has(label);
}

function keptBy(records: readonly PhasedRecord[], steps: number): number {
  const kept = records.reduce(
    (sum, { phase, keptBytes }) => sum + (phase === 'forward' ? Math.max(0, keptBytes) : 0),
    0,
  );
  return Math.round(kept / steps);
}

function scratchOf(records: readonly PhasedRecord[]): number {
  return Math.max(0, ...records.map(({ scratchBytes }) => scratchBytes));
}

/** What comes before the first mark is in the first phase, as uploads are; a download is in the last one. */
function inPhases<Phase extends string>(
  { entries }: OpRecords,
  phases: readonly Phase[],
  steps: number,
): {
  readonly phased: readonly PhasedRecord[];
  readonly phases: Readonly<Record<Phase, number>>;
  /** Of an average step. */
  readonly sumMs: (wanted: (record: PhasedRecord) => boolean) => number;
} {
  let phase = phases[0] as Phase;
  const phased: PhasedRecord[] = [];
  for (const record of entries) {
    if (record.op === 'mark') phase = phases.find((each) => each === record.label) ?? phase;
    else phased.push({ ...record, phase });
  }
  const sumMs = (wanted: (record: PhasedRecord) => boolean) =>
    phased.reduce((sum, record) => sum + (wanted(record) ? record.durationMs : 0), 0) / steps;
  const totals = phases.map((each) => [each, sumMs((record) => record.phase === each)] as const);
  return { phased, sumMs, phases: Object.fromEntries(totals) as Record<Phase, number> };
}
