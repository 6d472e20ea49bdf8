// A training step of this package against a bare chain of oneDNN primitives, taking turns: `npm run bench:chain`.
// Invariant: both run alone, in processes of their own, on the same number of threads; medians and their ratio.
import { execFileSync } from 'node:child_process';
import { cpus, availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    'batch-size': { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '5' },
  },
});
const build = fileURLToPath(new URL('../../build/', import.meta.url));
const threads = String(availableParallelism());
const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;

function chain(): number {
  const { 'batch-size': batch, steps } = values;
  const output = execFileSync(path.join(build, 'onednn-chain'), [batch, steps, threads], {
    encoding: 'utf8',
  });
  return median(output.trim().split('\n').map(Number));
}

function step(): { medianMs: number; peakDeviceMiB: number; peakResidentMiB: number } {
  const script = fileURLToPath(new URL('./step.js', import.meta.url));
  const options = ['--batch-size', values['batch-size'], '--steps', values.steps, '--threads', threads];
  return JSON.parse(execFileSync(process.execPath, [script, ...options], { encoding: 'utf8' })) as ReturnType<
    typeof step
  >;
}

execFileSync('cmake', ['--build', build, '--target', 'onednn-chain'], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const chains: number[] = [];
const steps: ReturnType<typeof step>[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  chains.push(chain());
  steps.push(step());
}
const chainMs = median(chains);
const stepMs = median(steps.map(({ medianMs }) => medianMs));
console.log(
  JSON.stringify(
    {
      cpu: cpus()[0]?.model,
      threads: Number(threads),
      batchSize: Number(values['batch-size']),
      chainMs,
      stepMs,
      ratio: Number((stepMs / chainMs).toFixed(3)),
      imagesPerSecond: Number(((Number(values['batch-size']) / stepMs) * 1000).toFixed(1)),
      peakDeviceMiB: Math.max(...steps.map(({ peakDeviceMiB }) => peakDeviceMiB)),
      peakResidentMiB: Math.max(...steps.map(({ peakResidentMiB }) => peakResidentMiB)),
    },
    null,
    2,
  ),
);
