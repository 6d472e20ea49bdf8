// What is compared: each peer in the configurations that its users run, its best one among them.
// Invariant: a configuration's name says everything that distinguishes it.
import { fileURLToPath } from 'node:url';
import type { Job } from './job.js';
import type { PeerName } from './setup.js';

export interface Configuration {
  readonly name: string;
  /** Undefined: this package. */
  readonly peer?: PeerName;
  readonly options: Job['options'];
  /** Whether this is what the peer's users get at best, in its precision: ratios are given to these. */
  readonly best?: boolean;
  /** Whether it cannot train. */
  readonly predictsOnly?: boolean;
  /** The largest batch that is tried: plain JavaScript takes a minute a picture. */
  readonly largestBatch?: number;
}

/** Less exact than all others: the page says by how much, and gives no ratio. */
export const INT8 = 'alexnet, int8 (quantised, less exact)';

const compiled = { channelsLast: true, compile: true, fused: true, lrn: 'band' };

export const CONFIGURATIONS: readonly Configuration[] = [
  { name: 'alexnet, float32', options: {} },
  { name: 'alexnet, bfloat16', options: { precision: 'bfloat16' } },
  { name: INT8, options: { precision: 'int8' }, predictsOnly: true },
  { name: 'PyTorch, as first written (NCHW, eager)', peer: 'pytorch', options: {} },
  {
    name: 'PyTorch, float32 (channels_last, compiled, band LRN, fused SGD)',
    peer: 'pytorch',
    options: compiled,
    best: true,
  },
  {
    name: 'PyTorch, bfloat16 (the same with autocast)',
    peer: 'pytorch',
    options: { ...compiled, bf16: true },
    best: true,
  },
  { name: 'tfjs-node', peer: 'tfjs-node', options: { backend: 'tensorflow' }, best: true },
  { name: 'tfjs, WebAssembly', peer: 'tfjs', options: { backend: 'wasm' }, best: true },
  { name: 'tfjs, plain JavaScript', peer: 'tfjs', options: { backend: 'cpu' }, largestBatch: 1 },
];

/** The command that runs a job: a program and its arguments before the job's text. */
export function commandOf({ peer }: Configuration, root: string | undefined): readonly [string, string] {
  switch (peer) {
    case undefined:
      return [process.execPath, here('./alexnet-peer.js')];
    case 'pytorch':
      return [`${root}/bin/python`, here('../../../bench/compare/torch_peer.py')];
    default:
      return [process.execPath, here('./tfjs-peer.js')];
  }
}

function here(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
