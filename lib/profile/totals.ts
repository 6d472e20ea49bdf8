// From the records of a device to times and bytes of layers and of the phases of a step.
// Invariant: every millisecond of the records is in exactly one phase; layers have those that bear their names.
import type { Layer, Sequential } from '../layers/index.js';
import type { OpRecord, OpRecords } from '../tensor/device.js';
import type { Shape } from '../tensor/shape.js';
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

interface PhasedRecord extends OpRecord {
  readonly phase: StepPhase;
}

/**
 * @param records  of whole training steps
 * @param options.steps      how many
 * @param options.batchSize  pictures in each
 * @param options.inputShape  [C, H, W]
 */
export function totalLayers(
  records: OpRecords,
  options: {
    readonly network: Sequential;
    readonly inputShape: Shape;
    readonly batchSize: number;
    readonly steps: number;
  },
): { readonly layers: LayerTotals[]; readonly phases: PhaseTotals } {
  const { network, inputShape, batchSize, steps } = options;
  const phased = withPhases(records);
  const sumMs = (wanted: (record: PhasedRecord) => boolean) =>
    phased.reduce((sum, record) => sum + (wanted(record) ? record.durationMs : 0), 0) / steps;
  const firstLearned = network.layers.findIndex(({ parameters }) => parameters.length > 0);
  let shape: Shape = [batchSize, ...inputShape];
  const layers = network.layers.map((layer, i): LayerTotals => {
    const forwardMacs = layer.macs(shape);
    shape = layer.outputShape(shape);
    const owns = owner(layer);
    return {
      name: layer.name,
      kind: layer.kind,
      outputShape: shape.slice(1),
      forwardMs: sumMs((record) => record.phase === 'forward' && owns(record)),
      backwardMs: sumMs((record) => record.phase === 'backward' && owns(record)),
      updateMs: sumMs((record) => record.phase === 'update' && owns(record)),
      forwardMacs,
      backwardMacs: i === firstLearned ? forwardMacs : 2 * forwardMacs,
      // Float32, three of each: value, gradient, velocity.
      parameterBytes: layer.parameters.reduce((sum, { size }) => sum + 12 * size, 0),
      ...memoryOf(phased.filter(owns), steps),
    };
  });
  const phases = { ...noTime };
  for (const { phase, durationMs } of phased) phases[phase] += durationMs / steps;
  return { layers, phases };
}

const noTime: Record<StepPhase, number> = {
  input: 0,
  forward: 0,
  loss: 0,
  backward: 0,
  update: 0,
  metrics: 0,
};

/** Operations bear the name of their layer, or of a parameter. */
function owner(layer: Layer): (record: OpRecord) => boolean {
  const labels = new Set([layer.name, ...layer.parameters.map(({ name }) => name)]);
  return ({ label }) => labels.has(label);
}

function memoryOf(
  records: readonly PhasedRecord[],
  steps: number,
): Pick<LayerTotals, 'activationBytes' | 'scratchBytes'> {
  const kept = records.reduce(
    (sum, { phase, keptBytes }) => sum + (phase === 'forward' ? Math.max(0, keptBytes) : 0),
    0,
  );
  const scratchBytes = Math.max(0, ...records.map((record) => record.scratchBytes));
  return { activationBytes: Math.round(kept / steps), scratchBytes };
}

/** What comes before the first mark is the input's, as uploads are; a download reads the metrics. */
function withPhases({ entries }: OpRecords): PhasedRecord[] {
  let phase: StepPhase = 'input';
  const phased: PhasedRecord[] = [];
  for (const record of entries) {
    if (record.op === 'mark') phase = record.label in noTime ? (record.label as StepPhase) : phase;
    else phased.push({ ...record, phase });
  }
  return phased;
}
