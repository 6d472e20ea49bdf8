// What must hold on a GPU: references are met, training goes as on the CPU, memory stays what it was.
// Invariant: a check says what it compared and how far apart it was, whether it passed or not.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { openDevice, formatBytes, type DeviceKind } from '../../lib/index.js';
import { Workload } from './network.js';

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  readonly detail: string;
}

interface MochaReport {
  readonly stats: { readonly passes: number; readonly failures: number };
  readonly failures: readonly { readonly fullTitle: string; readonly err: { readonly message?: string } }[];
}

const root = fileURLToPath(new URL('../../../', import.meta.url));

/** Ops, networks and training against float64 references and PyTorch's numbers. */
const SUITES = ['dist/test/ops/*.test.js', 'dist/test/models/golden.test.js', 'dist/test/layers/*.test.js'];

/** The package's own tests on the GPU alone. */
export async function runSuites({ simulated }: { readonly simulated: boolean }): Promise<Check> {
  const name = 'Ops and networks against references';
  const output = await mocha(['--no-config', '--timeout', '300000', '--reporter', 'json', ...SUITES], {
    ALEXNET_TEST_DEVICES: simulated ? 'simulated cuda' : 'cuda',
  });
  const { stats, failures } = JSON.parse(output.slice(output.indexOf('{'))) as MochaReport;
  const failed = failures.map(({ fullTitle, err }) => `${fullTitle}: ${err.message ?? ''}`);
  return {
    name,
    passed: stats.failures === 0 && stats.passes > 0,
    detail: [`${stats.passes} tests passed, ${stats.failures} failed`, ...failed].join('\n'),
  };
}

function mocha(options: readonly string[], environment: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn(process.execPath, ['node_modules/mocha/bin/mocha.js', ...options], {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => resolve(output));
  });
}

/** Sums in another order move a loss by parts in a million; a ReLU that falls the other way, by parts in a thousand. */
const LARGEST_LOSS_DIFFERENCE = 5e-3;

async function losses(kind: DeviceKind, options: { steps: number; quick: boolean }): Promise<number[]> {
  using device = openDevice(kind);
  using workload = new Workload(device, {
    batchSize: options.quick ? 8 : 32,
    inputSize: options.quick ? 67 : 227,
    classes: 10,
  });
  const values: number[] = [];
  for (let step = 0; step < options.steps; step++) {
    using loss = workload.train(step);
    values.push(await loss.item());
  }
  return values;
}

/** The same steps on both devices, dropout included: the masks are the same. */
export async function compareTraining(options: { steps: number; quick: boolean }): Promise<Check> {
  const cpu = await losses('cpu', options);
  const gpu = await losses('cuda', options);
  const differences = cpu.map((loss, i) => Math.abs(loss - gpu[i]!) / Math.abs(loss));
  const largest = Math.max(...differences);
  return {
    name: 'Training on the CPU and on the GPU',
    passed: largest <= LARGEST_LOSS_DIFFERENCE,
    detail:
      `${options.steps} steps; losses from ${cpu[0]!.toFixed(4)} to ${cpu.at(-1)!.toFixed(4)}; ` +
      `largest relative difference ${largest.toExponential(1)}, ${LARGEST_LOSS_DIFFERENCE} allowed`,
  };
}

/** Memory after the first steps and after many. */
export async function checkLeaks({ steps, quick }: { steps: number; quick: boolean }): Promise<Check> {
  using device = openDevice('cuda');
  using workload = new Workload(device, {
    batchSize: quick ? 8 : 128,
    inputSize: quick ? 67 : 227,
    classes: 10,
  });
  const run = async (from: number, count: number) => {
    for (let step = from; step < from + count; step++) workload.train(step).dispose();
    await device.synchronize();
    return device.memory();
  };
  const before = await run(0, 5);
  const after = await run(5, steps);
  const held = after.inUseBytes - before.inUseBytes;
  const reserved = after.inUseBytes + after.cachedBytes - before.inUseBytes - before.cachedBytes;
  return {
    name: 'Memory over many steps',
    passed: held === 0 && after.tensors === before.tensors && reserved <= 0,
    detail:
      `${steps} steps; in use ${formatBytes(before.inUseBytes)}, then ${formatBytes(after.inUseBytes)}; ` +
      `with the cache ${formatBytes(before.inUseBytes + before.cachedBytes)}, then ` +
      `${formatBytes(after.inUseBytes + after.cachedBytes)}; ${before.tensors} tensors, then ${after.tensors}`,
  };
}
