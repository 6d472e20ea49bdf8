// Devices: ordered queues of work. JavaScript describes work and goes on; only data() and synchronize() wait.
// Invariant: nothing here blocks the event loop; every handle is released exactly once.
import { availableParallelism } from 'node:os';
import {
  AlexnetError,
  ArgumentError,
  DeviceError,
  DisposedError,
  DTypeError,
  NativeError,
  ShapeError,
} from '../errors.js';
import {
  loadAddon,
  nativeDTypes,
  type DeviceId,
  type Handle,
  type MemoryStatistics,
  type NativeDeviceOptions,
  type NativeDType,
  type NativeFailure,
  type OpRecords,
  type PlanDescription,
} from '../native/addon.js';
export type { MemoryStatistics, OpRecord, OpRecords, PlanDescription } from '../native/addon.js';
import {
  arrayFrom,
  dtypeOfArray,
  holds,
  makeArray,
  type ArrayOf,
  type DType,
  type InferencePrecision,
} from './dtype.js';
import { checkShape, elementCount, formatShape, type Shape } from './shape.js';
import { Tensor } from './tensor.js';

export type DeviceKind = 'cpu' | 'cuda';

/** How a device computes in a type: faster than in float32, not faster, or not at all. */
export type DTypeSupport = 'fast' | 'slow' | 'none';

/** What only the cpu device has. */
export interface CpuOptions {
  /**
   * Let convolutions of 3 x 3 and 5 x 5 taps with stride 1 be computed with fewer multiplications (Winograd), where that
   * is faster: about twice as fast in float32, with rounding errors of about 4e-6 of the output's scale in place of
   * 2e-7 (TF32 on a GPU: 3e-4). A number that is not finite spoils the outputs up to six pixels around it, not only
   * those that it has a part in. Default true.
   */
  readonly winograd?: boolean;
}

/** What only the cuda device has. */
export interface CudaOptions {
  /** Let float32 products round their factors to TF32 (10 bits of fraction): several times faster. Default false. */
  readonly tf32?: boolean;
  /** Use only implementations that give the same bits each time. Default false. */
  readonly deterministic?: boolean;
  /** Most scratch memory of one convolution or matrix product, in bytes. Default 1 GiB. */
  readonly workspaceLimitBytes?: number;
  /** Run all plans that cuDNN suggests for a convolution, and take the fastest, not its first. Default false. */
  readonly measurePlans?: boolean;
  /** A file that keeps which plan was chosen, for the next process; made if it is not there. Default: none. */
  readonly planFile?: string;
}

export interface DeviceOptions {
  /** Threads that compute, on the CPU. Default: as many as the process may use. */
  readonly threads?: number;
  /** Most memory the device may hold, in bytes. Default: no limit. */
  readonly memoryLimitBytes?: number;
  readonly cpu?: CpuOptions;
  readonly cuda?: CudaOptions;
  /** Remember where each tensor was made and warn of those that were never disposed. Slow. Default false. */
  readonly debug?: boolean;
}

/** What a device says of itself. */
export interface DeviceInfo {
  readonly kind: DeviceKind;
  /** Properties by name, e.g. `instructionSet`, `oneDNN`, `threads`. */
  readonly properties: Readonly<Record<string, string>>;
}

/** Arrays whose class alone says the element type. */
export type UnambiguousArray = Float32Array | Int32Array | Uint8Array | Int8Array;

/** The type of a tensor made from `A`. */
export type DTypeOfArray<A> = A extends Float32Array
  ? 'float32'
  : A extends Int32Array
    ? 'int32'
    : A extends Uint8Array
      ? 'uint8'
      : A extends Int8Array
        ? 'int8'
        : never;

/** An output that an operation is to make. */
export interface OutputSpec {
  readonly dtype: NativeDType;
  readonly shape: Shape;
  /** Of quantised values; see `Tensor.scale`. */
  readonly scale?: number | undefined;
}

interface Abandoned {
  readonly handle: Handle;
  readonly device: WeakRef<Device>;
  readonly madeAt: string | undefined;
}

const abandoned = new FinalizationRegistry<Abandoned>(({ handle, device, madeAt }) => {
  device.deref()?.reclaim(handle, madeAt);
});

/**
 * Opens a device.
 * @param kind  'cpu', 'cuda', or 'auto': CUDA where there is a usable GPU, else the CPU. Default 'cpu'.
 * @throws DeviceError if the device is not available, with what was looked for and what to do
 */
export function openDevice(kind: DeviceKind | 'auto' = 'cpu', options: DeviceOptions = {}): Device {
  if (kind !== 'cpu' && kind !== 'cuda' && kind !== 'auto') {
    throw new ArgumentError(`openDevice: no device '${String(kind)}'; there are 'cpu', 'cuda' and 'auto'.`);
  }
  const native = nativeOptions(options);
  if (kind === 'auto') {
    try {
      return open('cuda', native, options);
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      return open('cpu', native, options);
    }
  }
  return open(kind, native, options);
}

function open(kind: DeviceKind, native: NativeDeviceOptions, options: DeviceOptions): Device {
  try {
    return new Device(kind, loadAddon().openDevice(kind, native), options.debug ?? false);
  } catch (error) {
    if (error instanceof AlexnetError) throw error;
    throw new DeviceError(`Device '${kind}' cannot be opened: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

const DEFAULT_WORKSPACE_LIMIT = 2 ** 30;

/** @throws ArgumentError for what no device can have */
function nativeOptions(options: DeviceOptions): NativeDeviceOptions {
  const { cpu = {}, cuda = {} } = options;
  const threads = options.threads ?? availableParallelism();
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024) {
    throw new ArgumentError(`openDevice: threads must be an integer from 1 to 1024, got ${threads}.`);
  }
  return {
    threads,
    memoryLimitBytes: bytes('memoryLimitBytes', options.memoryLimitBytes ?? 0),
    winograd: cpu.winograd ?? true,
    workspaceLimitBytes: bytes(
      'cuda.workspaceLimitBytes',
      cuda.workspaceLimitBytes ?? DEFAULT_WORKSPACE_LIMIT,
    ),
    tf32: cuda.tf32 ?? false,
    deterministic: cuda.deterministic ?? false,
    measurePlans: cuda.measurePlans ?? false,
    planFile: cuda.planFile ?? '',
  };
}

function bytes(name: string, value: number): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new ArgumentError(`openDevice: ${name} must be a non-negative integer, got ${value}.`);
  }
  return value;
}

/** A device and the tensors on it. Made by {@link openDevice}; dispose it to release all its memory. */
export class Device implements Disposable {
  readonly kind: DeviceKind;
  readonly #id: DeviceId;
  readonly #debug: boolean;
  readonly #scopes: Set<Tensor>[] = [];
  #disposed = false;
  #profiling = false;

  /** @internal */
  constructor(kind: DeviceKind, id: DeviceId, debug: boolean) {
    this.kind = kind;
    this.#id = id;
    this.#debug = debug;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  get info(): DeviceInfo {
    return { kind: this.kind, properties: loadAddon().describeDevice(this.#open()) };
  }

  /** Whether networks should compute in a type here; see {@link DTypeSupport}. float32 is always 'fast'. */
  support(dtype: InferencePrecision): DTypeSupport {
    if (dtype === 'float32') return 'fast';
    const found = this.info.properties[dtype];
    return found === 'fast' || found === 'slow' ? found : 'none';
  }

  /**
   * Copies values to the device. Owned by the caller.
   * @param data  row-major; a typed array gives the dtype, numbers are float32 unless `dtype` says otherwise
   * @throws ShapeError if the number of values is not that of the shape
   */
  tensor<const S extends Shape, D extends DType>(
    data: ArrayOf<D> | readonly number[],
    options: { readonly shape: S; readonly dtype: D },
  ): Tensor<D, S>;
  tensor<const S extends Shape, A extends UnambiguousArray>(
    data: A,
    options: { readonly shape: S },
  ): Tensor<DTypeOfArray<A>, S>;
  tensor<const S extends Shape>(
    data: readonly number[],
    options: { readonly shape: S },
  ): Tensor<'float32', S>;
  tensor(
    data: ArrayOf<DType> | readonly number[],
    options: { readonly shape: Shape; readonly dtype?: DType },
  ): Tensor {
    const { shape } = options;
    const { dtype, values } = checkedValues(data, options);
    const handle = loadAddon().upload(this.#open(), values, nativeDTypes.indexOf(dtype), shape);
    return new Tensor(this, handle, dtype, Object.freeze([...shape]));
  }

  /**
   * Copies many values to the device on the device's own thread: where {@link tensor} would hold the event loop for as
   * long as a copy of them takes. The array must not change until the promise settles. Owned by the caller.
   * @throws ShapeError if the number of values is not that of the shape; NativeError if they do not fit
   */
  async upload<const S extends Shape, A extends UnambiguousArray>(
    data: A,
    options: { readonly shape: S },
  ): Promise<Tensor<DTypeOfArray<A>, S>> {
    const { shape } = options;
    const { dtype, values } = checkedValues(data, options);
    const index = nativeDTypes.indexOf(dtype);
    const [handle, done] = loadAddon().uploadLarge(this.#open(), values, index, shape);
    const tensor = new Tensor(this, handle, dtype, Object.freeze([...shape])) as Tensor;
    try {
      await this.#awaiting(done);
    } catch (error) {
      tensor.dispose();
      throw error;
    }
    return tensor as Tensor<DTypeOfArray<A>, S>;
  }

  /**
   * Runs `work` and disposes every tensor of this device made in it, except those it returns
   * (a tensor, or an array or plain object of tensors). `work` must be synchronous: an asynchronous function
   * should declare its tensors with `using`.
   */
  scope<T>(work: () => T): T {
    const made = new Set<Tensor>();
    this.#scopes.push(made);
    let result: T;
    try {
      result = work();
    } catch (error) {
      this.#scopes.pop();
      for (const tensor of made) tensor.dispose();
      throw error;
    }
    this.#scopes.pop();
    if (result instanceof Promise) {
      for (const tensor of made) tensor.dispose();
      // It fails where it goes on with those tensors, and nobody waits for it.
      result.catch(() => {});
      throw new ArgumentError(
        'device.scope: the function is asynchronous; declare its tensors with `using` instead.',
      );
    }
    const kept = tensorsIn(result);
    for (const tensor of made) {
      if (kept.has(tensor)) this.#scopes.at(-1)?.add(tensor);
      else tensor.dispose();
    }
    return result;
  }

  /**
   * Waits until everything that was asked so far is done.
   * @throws NativeError with the first failure since the last await
   */
  async synchronize(): Promise<void> {
    await this.#awaiting(loadAddon().synchronize(this.#open()));
  }

  /** After what was done so far: to count what was disposed just now, `synchronize` first. */
  memory(): MemoryStatistics {
    return loadAddon().memory(this.#open());
  }

  /** Gives memory that is cached for reuse back to the system. */
  trim(): void {
    loadAddon().trim(this.#open());
  }

  /**
   * Lets the device start what `work` asks for in a few large pieces, CUDA graphs, where starting each operation costs
   * time. No result changes. `work` must be synchronous; what it uploads, it should upload first.
   */
  gather<T>(work: () => T): T {
    loadAddon().beginGathering(this.#open());
    try {
      return work();
    } finally {
      if (!this.#disposed) loadAddon().endGathering(this.#id);
    }
  }

  /** Which implementation the backend chose for each problem it has met, the most recently used first. */
  async plans(): Promise<PlanDescription[]> {
    return loadAddon().plans(this.#open());
  }

  /**
   * From here on, every operation's time and memory are written down, until {@link stopProfile}. Takes effect in the
   * order of the work, and makes nothing wait.
   * @throws ArgumentError if a profile is being taken already
   */
  startProfile(): void {
    const id = this.#open();
    if (this.#profiling) {
      throw new ArgumentError('A profile of this device is being taken already: end it with stopProfile().');
    }
    this.#profiling = true;
    loadAddon().startProfile(id);
  }

  /** Puts a mark into the profile, e.g. where the backward pass begins; does nothing while none is taken. */
  markProfile(label: string): void {
    if (this.#profiling) loadAddon().markProfile(this.#open(), label);
  }

  /**
   * Ends the profile.
   * @returns what the device did since {@link startProfile}, once it has done it
   * @throws ArgumentError if no profile is being taken
   */
  async stopProfile(): Promise<OpRecords> {
    const id = this.#open();
    if (!this.#profiling) {
      throw new ArgumentError('No profile of this device is being taken: begin one with startProfile().');
    }
    this.#profiling = false;
    return loadAddon().stopProfile(id);
  }

  /** Releases all tensors and ends the device's thread once it is done. Doing it twice is harmless. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    loadAddon().closeDevice(this.#id);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal Submits an operation of the op table. */
  dispatch(
    op: number,
    inputs: readonly (Tensor | null)[],
    outputs: readonly (OutputSpec | null)[],
    attributes: readonly number[],
    label: string,
  ): (Tensor | null)[] {
    const handles = loadAddon().dispatch(
      this.#open(),
      op,
      inputs.map((input) => input?.handle ?? null),
      outputs.map((output) => output && ([nativeDTypes.indexOf(output.dtype), output.shape] as const)),
      attributes,
      label,
    );
    return outputs.map((output, i) => {
      const handle = handles[i];
      if (!output || handle === null || handle === undefined) return null;
      // Opaque state is typed by the op's function as what it is; see ops/run.ts.
      const { dtype, scale } = output;
      return new Tensor(this, handle, dtype as DType, Object.freeze([...output.shape]), scale);
    });
  }

  /** @internal */
  async download<D extends DType>(tensor: Tensor<D>, into?: ArrayOf<D>): Promise<ArrayOf<D>> {
    if ((tensor.dtype as NativeDType) === 'opaque') {
      throw new DTypeError('The state that an op saves for its backward op has no values to read.');
    }
    const target = into ?? makeArray(tensor.dtype, tensor.size);
    if (!holds(target, tensor.dtype) || target.length !== tensor.size) {
      throw new ArgumentError(
        `data: ${tensor.toString()} does not fit into a ${target.constructor.name} of ${target.length}.`,
      );
    }
    await this.#awaiting(loadAddon().download(this.#open(), tensor.handle, target));
    return target;
  }

  /** @internal */
  shareHandle(handle: Handle): Handle {
    return loadAddon().share(this.#open(), handle);
  }

  /** @internal A tensor was made: watch over it. */
  adopt(tensor: Tensor, handle: Handle): void {
    this.#scopes.at(-1)?.add(tensor);
    const madeAt = this.#debug ? new Error('made here').stack : undefined;
    abandoned.register(tensor, { handle, device: new WeakRef(this), madeAt }, tensor);
  }

  /** @internal A tensor was disposed. */
  forget(tensor: Tensor, handle: Handle): void {
    abandoned.unregister(tensor);
    if (!this.#disposed) loadAddon().release(this.#id, handle);
  }

  /** @internal A tensor was garbage-collected without having been disposed. */
  reclaim(handle: Handle, madeAt: string | undefined): void {
    if (this.#disposed) return;
    loadAddon().release(this.#id, handle);
    if (madeAt !== undefined) {
      process.emitWarning(`A tensor was never disposed. It was ${madeAt}`, 'TensorLeak');
    }
  }

  #open(): DeviceId {
    if (this.#disposed) throw new DisposedError(`The ${this.kind} device was used after it was disposed.`);
    return this.#id;
  }

  /** Turns a native failure into an error whose stack leads to the caller who waits. */
  async #awaiting(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (cause) {
      const failure = cause as NativeFailure;
      const where = failure.label === '' ? failure.op : `${failure.label} (${failure.op})`;
      throw new NativeError(failure.code, `${where}: ${failure.message}`, failure);
    }
  }
}

/** @throws ArgumentError, ShapeError */
function checkedValues(
  data: ArrayOf<DType> | readonly number[],
  options: { readonly shape: Shape; readonly dtype?: DType },
): { readonly dtype: DType; readonly values: ArrayOf<DType> } {
  const { shape } = options;
  checkShape(shape, 'tensor');
  const isArray = ArrayBuffer.isView(data);
  const dtype = options.dtype ?? (isArray ? dtypeOfArray(data) : 'float32');
  const values = isArray ? data : arrayFrom(dtype, data);
  if (!holds(values, dtype)) {
    throw new ArgumentError(
      `tensor: ${dtype} is held in a ${makeArray(dtype, 0).constructor.name}, got a ${values.constructor.name}.`,
    );
  }
  if (values.length !== elementCount(shape)) {
    throw new ShapeError(
      `tensor: ${values.length} values do not fill the shape ${formatShape(shape)} of ${elementCount(shape)}.`,
    );
  }
  return { dtype, values };
}

function tensorsIn(value: unknown): Set<Tensor> {
  if (value instanceof Tensor) return new Set([value as Tensor]);
  if (Array.isArray(value)) return new Set(value.flatMap((item) => [...tensorsIn(item)]));
  if (value !== null && typeof value === 'object') {
    return new Set(Object.values(value).filter((item): item is Tensor => item instanceof Tensor));
  }
  return new Set();
}
