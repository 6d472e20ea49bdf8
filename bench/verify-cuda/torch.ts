// The same network in PyTorch on the same card, if PyTorch is installed: eager and compiled.
// Invariant: without PyTorch, or without its CUDA, there is a reason and no number.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Speed } from './benchmark.js';

export interface TorchSpeed extends Speed {
  readonly compiled: boolean;
}

export interface TorchReport {
  readonly version: string | null;
  readonly reason?: string;
  readonly speed: readonly TorchSpeed[];
}

/** Torch compiles and measures for minutes. */
const LIMIT_MS = 60 * 60 * 1000;

export async function benchmarkTorch({ quick }: { readonly quick: boolean }): Promise<TorchReport> {
  const script = fileURLToPath(new URL('../../../bench/verify-cuda/torch_peer.py', import.meta.url));
  try {
    const { stdout } = await promisify(execFile)('python3', [script, ...(quick ? ['--quick'] : [])], {
      timeout: LIMIT_MS,
      maxBuffer: 2 ** 26,
    });
    return JSON.parse(stdout.slice(stdout.indexOf('{'))) as TorchReport;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return { version: null, reason: text.trim().split('\n').at(-1) ?? text, speed: [] };
  }
}
