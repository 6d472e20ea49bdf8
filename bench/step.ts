// Time and memory of a training step of AlexNet, images in memory: `npm run bench:step -- [--batch-size 128]`.
// Invariant: a step is forward, loss, backward and update, with dropout; each is awaited by its loss.
import { cpus } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import type { Precision } from '../lib/index.js';
import { AlexNetBench } from './alexnet-bench.js';

const { values } = parseArgs({
  options: {
    'batch-size': { type: 'string', default: '128' },
    steps: { type: 'string', default: '10' },
    threads: { type: 'string' },
    preset: { type: 'string', default: 'krizhevsky2012' },
    precision: { type: 'string', default: 'float32' },
  },
});
const batchSize = Number(values['batch-size']);
const steps = Number(values.steps);

using bench = await AlexNetBench.open({
  batchSize,
  preset: values.preset as 'krizhevsky2012',
  precision: values.precision as Precision,
  ...(values.threads !== undefined && { threads: Number(values.threads) }),
});
const { device } = bench;
for (let step = 1; step <= 2; step++) await bench.trainingStep(step);
await device.synchronize();
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
const times: number[] = [];
for (let step = 3; step < 3 + steps; step++) {
  const start = performance.now();
  await bench.trainingStep(step);
  await device.synchronize();
  times.push(performance.now() - start);
}
delay.disable();
times.sort((a, b) => a - b);
const median = times[Math.floor(times.length / 2)] as number;
const { peakBytes } = device.memory();
const report = {
  cpu: cpus()[0]?.model,
  instructionSet: device.info.properties['instructionSet'],
  threads: device.info.properties['threads'],
  batchSize,
  precision: bench.model.precision,
  medianMs: Number(median.toFixed(1)),
  fastestMs: Number((times[0] as number).toFixed(1)),
  imagesPerSecond: Number(((batchSize / median) * 1000).toFixed(1)),
  peakDeviceMiB: Math.round(peakBytes / 2 ** 20),
  peakResidentMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  longestEventLoopDelayMs: Number((delay.max / 1e6).toFixed(1)),
};
console.log(JSON.stringify(report, null, 2));
