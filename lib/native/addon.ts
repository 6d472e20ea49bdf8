// Loads the native addon and gives it types.
// Invariant: the addon is loaded once, on first use; a failed load says what was tried and what to run.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { AddonError } from '../errors.js';
import { explainLoadFailure, gatherLoadFacts } from './load-failure.js';

/** A tensor's number on the native side. */
export type Handle = number;
/** A device's number on the native side. */
export type DeviceId = number;

/** Element types in the order of the native enum; `opaque` is state that an op saves for its backward op. */
export const nativeDTypes = ['float32', 'bfloat16', 'float16', 'int32', 'uint8', 'int8', 'opaque'] as const;
export type NativeDType = (typeof nativeDTypes)[number];

export interface NativeOp {
  readonly name: string;
  /** `inputs -> outputs | attributes`, as op_table.def declares them. */
  readonly signature: string;
}

/** Bytes held by a device. */
export interface MemoryStatistics {
  /** Held by live tensors and running operations. */
  readonly inUseBytes: number;
  /** Freed and kept for reuse. */
  readonly cachedBytes: number;
  /** Largest `inUseBytes` so far. */
  readonly peakBytes: number;
  /** 0: no limit. */
  readonly limitBytes: number;
  /** Live tensor handles of this JavaScript environment, on all devices. */
  readonly tensors: number;
}

/** A compiled operation and the implementation that was chosen for it. */
export interface PlanDescription {
  readonly op: string;
  readonly label: string;
  readonly implementation: string;
}

/** One operation that a device did, or a mark that the caller set. */
export interface OpRecord {
  /** The op's name in the op table; `upload`, `download`; `mark`. */
  readonly op: string;
  /** The layer or caller that asked for it. */
  readonly label: string;
  /** Since the profile began, on the device's clock. */
  readonly startMs: number;
  readonly durationMs: number;
  /** By how much the memory in use grew: outputs, and what backward needs. */
  readonly keptBytes: number;
  /** Held during the operation beyond that. */
  readonly scratchBytes: number;
}

/** What a device did, in order. */
export interface OpRecords {
  readonly entries: readonly OpRecord[];
  /** Operations that were done after the records were full, at 16,384. */
  readonly dropped: number;
}

/** What a promise of the addon is rejected with. */
export interface NativeFailure {
  readonly code: 'ERR_OUT_OF_MEMORY' | 'ERR_UNSUPPORTED' | 'ERR_NATIVE';
  readonly message: string;
  readonly op: string;
  readonly label: string;
}

/** What a backend is opened with; each takes what concerns it. */
export interface NativeDeviceOptions {
  readonly threads: number;
  readonly memoryLimitBytes: number;
  readonly winograd: boolean;
  readonly workspaceLimitBytes: number;
  readonly tf32: boolean;
  readonly deterministic: boolean;
  readonly measurePlans: boolean;
  readonly planFile: string;
}

/** The functions of native/addon/instance.cc. */
export interface Addon {
  ops(): NativeOp[];
  openDevice(kind: string, options: NativeDeviceOptions): DeviceId;
  describeDevice(device: DeviceId): Record<string, string>;
  closeDevice(device: DeviceId): void;
  dispatch(
    device: DeviceId,
    op: number,
    inputs: readonly (Handle | null)[],
    outputs: readonly (readonly [dtype: number, shape: readonly number[]] | null)[],
    attributes: readonly number[],
    label: string,
  ): (Handle | null)[];
  upload(device: DeviceId, data: NodeJS.TypedArray, dtype: number, shape: readonly number[]): Handle;
  /** As `upload`, without a copy: the data are read until the promise settles. */
  uploadLarge(
    device: DeviceId,
    data: NodeJS.TypedArray,
    dtype: number,
    shape: readonly number[],
  ): [Handle, Promise<void>];
  download(device: DeviceId, tensor: Handle, target: NodeJS.TypedArray): Promise<void>;
  share(device: DeviceId, tensor: Handle): Handle;
  release(device: DeviceId, tensor: Handle): void;
  synchronize(device: DeviceId): Promise<void>;
  memory(device: DeviceId): MemoryStatistics;
  trim(device: DeviceId): void;
  beginGathering(device: DeviceId): void;
  endGathering(device: DeviceId): void;
  plans(device: DeviceId): Promise<PlanDescription[]>;
  startProfile(device: DeviceId): void;
  markProfile(device: DeviceId, label: string): void;
  stopProfile(device: DeviceId): Promise<OpRecords>;
  /** Needs no device, and works at once, in the thread that calls. -> [height, width, 3] */
  scalePicture(
    pixels: Uint8Array,
    from: readonly [width: number, height: number, channels: number, orientation: number],
    to: readonly [
      scaledWidth: number,
      scaledHeight: number,
      left: number,
      top: number,
      width: number,
      height: number,
    ],
  ): Uint8Array<ArrayBuffer>;
  /** Ends all devices at once, whatever they are doing. */
  shutdown(): void;
}

/** The folder of this package, where `build` and `prebuilds` are. */
export const packageDirectory = fileURLToPath(new URL('../../../', import.meta.url));

interface NodeGypBuild {
  resolve(directory: string): string;
}

let loaded: Addon | undefined;

/**
 * OpenMP's threads wait for each other in a busy loop, for milliseconds by default: time that decoding threads and the
 * event loop need where cores are shared. GNU's runtime reads the limit once, when it is loaded.
 */
function limitSpinning(): void {
  if (process.env['OMP_WAIT_POLICY'] === undefined) process.env['GOMP_SPINCOUNT'] ??= '2000';
}

/** @throws AddonError if there is no binary for this platform, or it does not load */
export function loadAddon(): Addon {
  if (loaded) return loaded;
  limitSpinning();
  const file = addonPath();
  const addon = explained(file, () => createRequire(import.meta.url)(file) as Addon);
  // Leaving through process.exit() destroys the globals of native libraries under threads that still work.
  process.once('exit', () => addon.shutdown());
  return (loaded = addon);
}

/**
 * The path of the native addon's binary, for reports; it is not loaded.
 * @throws AddonError if there is none for this platform
 */
export function addonPath(): string {
  return explained(undefined, () => {
    const nodeGypBuild = createRequire(import.meta.url)('node-gyp-build') as NodeGypBuild;
    return nodeGypBuild.resolve(packageDirectory);
  });
}

function explained<T>(file: string | undefined, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n', 1)[0] as string;
    throw new AddonError(explainLoadFailure(gatherLoadFacts(packageDirectory, file, reason)), { cause });
  }
}
