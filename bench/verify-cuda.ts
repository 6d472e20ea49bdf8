// For a machine with an NVIDIA GPU: does the cuda device compute what it should, keep what it should, and how fast.
// Invariant: everything is attempted, what fails is reported with its reason; a simulated GPU is called one throughout.
//
// npm run verify:cuda -- [--quick] [--out FOLDER]; exit status 0 if every check passed.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openDevice, type DeviceInfo } from '../lib/index.js';
import { benchmark } from './verify-cuda/benchmark.js';
import { checkLeaks, compareTraining, runSuites, type Check } from './verify-cuda/checks.js';
import { markdown, projectEpochs, type Report } from './verify-cuda/report.js';
import { benchmarkTorch } from './verify-cuda/torch.js';

const { values } = parseArgs({
  options: {
    /** Small pictures, few steps, no batch of 1024: a few minutes on any machine. */
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: 'verify-cuda' },
  },
});

function describeDevice(): DeviceInfo {
  using device = openDevice('cuda');
  return device.info;
}

/** Runs one part and turns what it throws into a failed check. */
async function attempt(name: string, part: () => Promise<Check>): Promise<Check> {
  console.log(`${name} ...`);
  try {
    return await part();
  } catch (error) {
    return { name, passed: false, detail: error instanceof Error ? error.message : String(error) };
  }
}

const device = describeDevice();
const simulated = (device.properties['gpu'] ?? '').includes('Simulated');
const quick = values.quick;
const checks = [
  await attempt('Ops and networks against references', () => runSuites({ simulated })),
  await attempt('Training on the CPU and on the GPU', () => compareTraining({ steps: 20, quick })),
  await attempt('Memory over many steps', () => checkLeaks({ steps: quick ? 20 : 200, quick })),
];
console.log('Speed ...');
const speed = await benchmark({ quick });
const torch = await benchmarkTorch({ quick });
const report: Report = {
  date: new Date().toISOString(),
  simulated,
  device: device.properties,
  node: process.version,
  checks,
  speed,
  torch,
  projection: simulated ? null : projectEpochs(speed),
};
await mkdir(values.out, { recursive: true });
await writeFile(path.join(values.out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
await writeFile(path.join(values.out, 'report.md'), markdown(report));
console.log(`\n${markdown(report)}\nWritten: ${path.join(values.out, 'report.json')} and report.md`);
process.exitCode = checks.every(({ passed }) => passed) ? 0 : 1;
