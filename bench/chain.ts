// A training step of this package against a bare chain of oneDNN primitives, taking turns: `npm run bench:chain`.
// Invariant: both run alone, in processes of their own, on the same number of threads; on a shared machine the ratio
// of the fastest steps says more than that of the medians.
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

interface Timing {
  readonly medianMs: number;
  readonly fastestMs: number;
}

function median(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
}

/** Over rounds: the median of medians, the fastest of all. */
function overall(rounds: readonly Timing[]): Timing {
  return {
    medianMs: median(rounds.map(({ medianMs }) => medianMs)),
    fastestMs: Math.min(...rounds.map(({ fastestMs }) => fastestMs)),
  };
}

function chain(): Timing {
  const { 'batch-size': batch, steps } = values;
  const output = execFileSync(path.join(build, 'onednn-chain'), [batch, steps, threads], {
    encoding: 'utf8',
  });
  const times = output.trim().split('\n').map(Number);
  return { medianMs: median(times), fastestMs: Math.min(...times) };
}

function step(): Timing & { peakDeviceMiB: number; peakResidentMiB: number } {
  const script = fileURLToPath(new URL('./step.js', import.meta.url));
  const options = ['--batch-size', values['batch-size'], '--steps', values.steps, '--threads', threads];
  return JSON.parse(execFileSync(process.execPath, [script, ...options], { encoding: 'utf8' })) as ReturnType<
    typeof step
  >;
}

execFileSync('cmake', ['--build', build, '--target', 'onednn-chain'], {
  stdio: ['ignore', 'ignore', 'inherit'],
});
const chains: Timing[] = [];
const steps: ReturnType<typeof step>[] = [];
for (let round = 0; round < Number(values.rounds); round++) {
  chains.push(chain());
  steps.push(step());
}
const [bare, ours] = [overall(chains), overall(steps)];
const report = {
  cpu: cpus()[0]?.model,
  threads: Number(threads),
  batchSize: Number(values['batch-size']),
  chain: bare,
  step: ours,
  ratioOfMedians: Number((ours.medianMs / bare.medianMs).toFixed(3)),
  ratioOfFastest: Number((ours.fastestMs / bare.fastestMs).toFixed(3)),
  imagesPerSecond: Number(((Number(values['batch-size']) / ours.medianMs) * 1000).toFixed(1)),
  peakDeviceMiB: Math.max(...steps.map(({ peakDeviceMiB }) => peakDeviceMiB)),
  peakResidentMiB: Math.max(...steps.map(({ peakResidentMiB }) => peakResidentMiB)),
};
console.log(JSON.stringify(report, null, 2));
