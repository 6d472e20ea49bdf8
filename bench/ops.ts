// Every operation of AlexNet against its floor: the time that its arithmetic or its bytes must take at the ceilings of
// this machine, measured just before: `npm run bench:ops -- [--precision bfloat16] [--mode infer] [--batch-size 1]`.
// Invariant: the ceilings are those of `npm run bench:compare`; an operation's time is its fastest of all steps.
import { parseArgs } from 'node:util';
import type { Sequential } from '../lib/index.js';
import { Conv2d, Linear, LocalResponseNorm, MaxPool2d, type Layer, type Precision } from '../lib/index.js';
import { AlexNetBench } from './alexnet-bench.js';
import { measureCeilings } from './compare/floors.js';

const { values } = parseArgs({
  options: {
    'batch-size': { type: 'string', default: '128' },
    steps: { type: 'string', default: '5' },
    threads: { type: 'string' },
    mode: { type: 'string', default: 'train' },
    precision: { type: 'string', default: 'float32' },
    json: { type: 'boolean', default: false },
  },
});
const batchSize = Number(values['batch-size']);
const precision = values.precision as Precision;

/** What an operation computes and moves, at least. */
interface Work {
  readonly macs: number;
  readonly bytes: number;
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** By `layer op`: forward and backward operations of the layers, and the updates of their parameters. */
function workOf(network: Sequential, inputShape: readonly number[]): Map<string, Work> {
  const work = new Map<string, Work>();
  const size = precision === 'float32' ? 4 : 2;
  let shape = inputShape;
  network.layers.forEach((layer, i) => {
    const [x, y] = [count(shape), count(layer.outputShape(shape))];
    const names = opsOf(layer);
    const weights = layer.parameters.reduce((sum, parameter) => sum + parameter.size, 0);
    const macs = layer.macs(shape);
    if (names) {
      const [forward, ...backward] = names;
      work.set(`${layer.name} ${forward}`, { macs, bytes: size * (x + y + weights) });
      for (const op of backward) {
        const bytes = size * backwardElements(op, x, y, weights);
        work.set(`${layer.name} ${op}`, { macs: op === 'reluBackward' ? 0 : macs, bytes });
      }
    }
    const next = network.layers[i + 1];
    if (layer instanceof LocalResponseNorm && next instanceof MaxPool2d) {
      const pooled = count(next.outputShape(layer.outputShape(shape)));
      const both = `${layer.name}+${next.name}`;
      // Where the maxima were takes a byte each.
      work.set(`${both} lrnMaxPool2dForward`, { macs: 0, bytes: size * (x + pooled) + pooled });
      work.set(`${both} lrnMaxPool2dBackward`, { macs: 0, bytes: size * (2 * x + pooled) + pooled });
    }
    for (const { name, size: elements } of layer.parameters) {
      work.set(`${name} sgd`, { macs: 0, bytes: 20 * elements });
    }
    shape = layer.outputShape(shape);
  });
  return work;
}

function backwardElements(op: string, x: number, y: number, weights: number): number {
  if (op.endsWith('BackwardWeights')) return x + y + (weights * 4) / (precision === 'float32' ? 4 : 2);
  if (op === 'lrnBackward') return 3 * x;
  if (op === 'reluBackward') return 3 * y;
  return x + y + weights;
}

function opsOf(layer: Layer): readonly string[] | undefined {
  if (layer instanceof Conv2d) {
    return ['conv2dForward', 'conv2dBackwardData', 'conv2dBackwardWeights', 'reluBackward'];
  }
  if (layer instanceof Linear) {
    return ['linearForward', 'linearBackwardData', 'linearBackwardWeights', 'reluBackward'];
  }
  if (layer instanceof LocalResponseNorm) return ['lrnForward', 'lrnBackward'];
  if (layer instanceof MaxPool2d) return ['maxPool2dForward', 'maxPool2dBackward'];
  return undefined;
}

const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
using bench = new AlexNetBench({ batchSize, precision, ...threads });
const { device, model } = bench;
const ceilings = measureCeilings(Number(device.info.properties['threads']));
const gigaFlops = precision === 'float32' ? ceilings.float32GFlops : ceilings.bfloat16GFlops;
/** Multiply-accumulates, and bytes read and written, a millisecond. */
const rates = { macs: (gigaFlops / 2) * 1e6, bytes: ceilings.copyGBps * 1e6 };
const work = workOf(model.network, [batchSize, ...model.inputShape]);
const run = (step: number) => (values.mode === 'infer' ? bench.inference() : bench.trainingStep(step));
for (let step = 1; step <= 2; step++) await run(step);
const fastest = new Map<string, number>();
let total = Infinity;
for (let step = 3; step < 3 + Number(values.steps); step++) {
  device.startProfile();
  const start = performance.now();
  await run(step);
  total = Math.min(total, performance.now() - start);
  const { entries } = await device.stopProfile();
  const met = new Map<string, number>();
  for (const { op, label, durationMs } of entries) {
    const name = `${label} ${op}`;
    const times = (met.get(name) ?? 0) + 1;
    met.set(name, times);
    const key = times === 1 ? name : `${name} ${times}`;
    fastest.set(key, Math.min(fastest.get(key) ?? Infinity, durationMs));
  }
}
const rows = [...fastest].map(([name, ms]) => {
  const needs = work.get(name);
  const floorMs = needs ? Math.max(needs.macs / rates.macs, needs.bytes / rates.bytes) : undefined;
  return { name, ms, floorMs, timesFloor: floorMs === undefined ? undefined : ms / floorMs };
});
const implementations = new Map(
  (await device.plans()).map((plan) => [`${plan.label} ${plan.op}`, plan.implementation]),
);
const sum = (pick: (row: (typeof rows)[number]) => number) => rows.reduce((all, row) => all + pick(row), 0);
const report = {
  instructionSet: device.info.properties['instructionSet'],
  threads: device.info.properties['threads'],
  precision,
  mode: values.mode,
  batchSize,
  gigaMacsPerSecond: Math.round(rates.macs / 1e6),
  gigabytesPerSecond: Math.round(rates.bytes / 1e6),
  stepMs: total,
  operationsMs: sum(({ ms }) => ms),
  floorsMs: sum(({ floorMs = 0 }) => floorMs),
  peakDeviceMiB: Math.round(device.memory().peakBytes / 2 ** 20),
};
if (values.json) {
  console.log(JSON.stringify({ ...report, rows }, null, 2));
} else {
  for (const { name, ms, floorMs, timesFloor } of rows) {
    if (ms < 0.3) continue;
    const floor =
      floorMs === undefined ? '' : `${floorMs.toFixed(2).padStart(9)} ${timesFloor!.toFixed(1).padStart(6)}x`;
    console.log(
      `${name.padEnd(36)}${ms.toFixed(2).padStart(9)}${floor.padEnd(18)} ${implementations.get(name) ?? ''}`,
    );
  }
  console.log(report);
}
