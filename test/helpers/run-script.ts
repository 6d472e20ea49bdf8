// Runs a script in a Node process of its own, where it may leak, exit, or be killed.
// Invariant: a script that does not end is ended here, and the test sees it as a signal.
import { spawn } from 'node:child_process';

/** How a process ended. */
export interface Ended {
  /** null if a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ScriptOptions {
  readonly nodeOptions?: readonly string[];
  /** What a worker thread does that the script makes by `startWorker()`; it has `parentPort` too. */
  readonly worker?: string;
}

/** What every script and every worker has: the package's parts, and a convolution that takes its time. */
const PRELUDE = `
  import { openDevice } from ${JSON.stringify(new URL('../../lib/tensor/device.js', import.meta.url).href)};
  import * as ops from ${JSON.stringify(new URL('../../lib/ops/index.js', import.meta.url).href)};
  import { parentPort, Worker } from 'node:worker_threads';

  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  /** A chain of convolutions, each a billion multiply-accumulates. */
  function heavy(device, length) {
    return device.scope(() => {
      const w = ops.fill(device, { shape: [64, 64, 3, 3], value: 1e-3 });
      let y = ops.fill(device, { shape: [8, 64, 56, 56], value: 1 });
      for (let i = 0; i < length; i++) y = ops.conv2d(y, w, { padding: 1 });
      return y;
    });
  }
`;

const WORKERS = `
  function startWorker() {
    const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(workerSource)));
    worker.message = new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    worker.ended = new Promise((resolve) => worker.on('exit', resolve));
    return worker;
  }
`;

const LIMIT_MS = 30_000;

/** @param body  of an ES module: openDevice, ops, sleep(ms), heavy(device, length) and startWorker() are there */
export function runScript(
  body: string,
  { nodeOptions = [], worker = '' }: ScriptOptions = {},
): Promise<Ended> {
  const workerSource = `const workerSource = ${JSON.stringify(PRELUDE + worker)};\n`;
  const flags = [...nodeOptions, '--input-type=module', '--eval', PRELUDE + workerSource + WORKERS + body];
  const child = spawn(process.execPath, flags, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
