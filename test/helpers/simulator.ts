// The simulated GPU that stands in for a card: where it is, and how a test steers it. `npm run build:simulator` makes it.
// Invariant: what it shows is the backend's own code at work; it says nothing of a card's speed or rounding.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { packageDirectory } from '../../lib/native/addon.js';

/** A folder with libcuda.so.1, libcudnn.so.9 and libcublasLt.so.13. */
export const simulatorFolder = path.join(packageDirectory, 'build', 'simulated-driver');

export interface SimulatedFailure {
  /** The library's function, or `cudnnBackendFinalize execution plan` for one kind of descriptor. */
  readonly call: string;
  /** Calls that succeed before. Default 0. */
  readonly after?: number;
  /** Calls that then fail. Default 1. */
  readonly times?: number;
  /** The library's own status code. */
  readonly error: number;
}

export interface SimulatorSettings {
  /** Memory of the card, in bytes. Default 8 GiB. */
  readonly memoryBytes?: number;
  /** Major version times 10 plus the minor. Default 90. */
  readonly computeCapability?: number;
  /** Whether work waits until somebody waits for it. Default true. */
  readonly lazy?: boolean;
}

/** The functions of test/simulated-driver/control.cc. */
export interface Simulator {
  /** What callers did wrong since it was asked last. */
  violations(): string[];
  fail(failure: Required<SimulatedFailure>): void;
  configure(settings: SimulatorSettings): void;
  /** No failures, no violations, no counts, the default settings. */
  reset(): void;
  /** Calls of each function since the last reset. */
  calls(): Record<string, number>;
  memory(): { readonly deviceBytes: number; readonly peakBytes: number; readonly pinnedBytes: number };
}

let loaded: Simulator | undefined;

export function isSimulatorBuilt(): boolean {
  return existsSync(path.join(simulatorFolder, 'control.node'));
}

/** Makes the simulated GPU the one that `openDevice('cuda')` finds in this process, and gives its controls. */
export function useSimulator(): Simulator {
  if (loaded) return loaded;
  process.env['ALEXNET_CUDA_LIBRARIES'] = simulatorFolder;
  const addon = { exports: {} as Simulator };
  process.dlopen(addon, path.join(simulatorFolder, 'control.node'));
  loaded = addon.exports;
  return loaded;
}

/** Makes a call of a library fail. */
export function failCall({ call, after = 0, times = 1, error }: SimulatedFailure): void {
  useSimulator().fail({ call, after, times, error });
}
