// Every operation of AlexNet against its floor: the time that its arithmetic or its bytes must take at the ceilings of
// this machine, measured just before: `npm run bench:ops -- [--precision bfloat16] [--mode infer] [--batch-size 1]`.
// Invariant: the ceilings are those of `npm run bench:compare`; an operation's time is its fastest of all steps.
import { parseArgs } from 'node:util';
import type { InferencePrecision } from '../lib/index.js';
import { AlexNetBench } from './alexnet-bench.js';
import { measureCeilings } from './compare/floors.js';
import { floorMs as floorOf, ratesOf, workOf } from './op-floors.js';

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
const precision = values.precision as InferencePrecision;
const mode = values.mode as 'train' | 'infer';
if (precision === 'int8' && mode !== 'infer') throw new Error('--precision int8 is for --mode infer.');

const threads = values.threads === undefined ? {} : { threads: Number(values.threads) };
using bench = await AlexNetBench.open({ batchSize, precision, ...threads });
const { device, model } = bench;
const ceilings = measureCeilings(Number(device.info.properties['threads']));
const rates = ratesOf(ceilings, precision);
const work = workOf(model.network, { inputShape: [batchSize, ...model.inputShape], precision, mode });
const run = (step: number) => (mode === 'infer' ? bench.inference() : bench.trainingStep(step));
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
  const floorMs = needs && floorOf(needs, rates);
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
  mode,
  batchSize,
  gigaMacsPerSecond: Math.round(rates.macs / 1e6),
  gigabytesPerSecond: Math.round(rates.moved / 1e6),
  gigabytesReadPerSecond: Math.round(rates.read / 1e6),
  stepMs: total,
  operationsMs: sum(({ ms }) => ms),
  floorsMs: sum(({ floorMs = 0 }) => floorMs),
  peakDeviceMiB: Math.round(device.memory().peakBytes / 2 ** 20),
};
if (values.json) {
  console.log(JSON.stringify({ ...report, rows }, null, 2));
} else {
  for (const { name, ms, floorMs, timesFloor } of rows) {
    if (ms < 0.002 * report.operationsMs) continue;
    const floor =
      floorMs === undefined ? '' : `${floorMs.toFixed(2).padStart(9)} ${timesFloor!.toFixed(1).padStart(6)}x`;
    console.log(
      `${name.padEnd(36)}${ms.toFixed(2).padStart(9)}${floor.padEnd(18)} ${implementations.get(name) ?? ''}`,
    );
  }
  console.log(report);
}
