// Typed n-dimensional arrays that live on a device, as integer handles.
// Invariant: a tensor is owned by whoever got it and given back once: `using`, dispose(), or a scope.
import { DisposedError, ShapeError } from '../errors.js';
import type { Handle } from '../native/addon.js';
import type { Device } from './device.js';
import type { ArrayOf, DType } from './dtype.js';
import { elementCount, formatShape, type Shape } from './shape.js';

/**
 * An array of elements of type `D` and shape `S` on a device. Its values never change, except those of parameters
 * that an optimiser updates.
 *
 * Owned by the caller who got it: declare it with `using`, call {@link dispose}, or make it in `device.scope`.
 * A tensor that is garbage-collected without that is released too, but late: do not rely on it in a loop.
 */
export class Tensor<D extends DType = DType, S extends Shape = Shape> implements Disposable {
  readonly device: Device;
  readonly dtype: D;
  readonly shape: S;
  /**
   * What an element counts for, if the elements are quantised: an element q stands for the value q * scale. Undefined for
   * elements that are values themselves. Results of operations keep it or set their own.
   */
  readonly scale: number | undefined;
  #handle: Handle | undefined;

  /** @internal Tensors are made by `device.tensor` and by operations. */
  constructor(device: Device, handle: Handle, dtype: D, shape: S, scale?: number) {
    this.device = device;
    this.#handle = handle;
    this.dtype = dtype;
    this.shape = shape;
    this.scale = scale;
    device.adopt(this, handle);
  }

  /** Number of elements. */
  get size(): number {
    return elementCount(this.shape);
  }

  get disposed(): boolean {
    return this.#handle === undefined;
  }

  /** @internal @throws DisposedError */
  get handle(): Handle {
    if (this.#handle === undefined) {
      throw new DisposedError(`${this.toString()} was used after it was disposed.`);
    }
    return this.#handle;
  }

  /**
   * Copies the elements to the host, row-major, once everything that was asked of the device before is done.
   * @param target  where to: an array of the tensor's type and size, which must stay as it is until then. Default: a
   *   new one.
   * @throws NativeError if this tensor, or anything since the last await, could not be computed
   */
  async data(target?: ArrayOf<D>): Promise<ArrayOf<D>> {
    return this.device.download(this, target);
  }

  /**
   * The value of a tensor of one element.
   * @throws ShapeError if there are more
   */
  async item(): Promise<number> {
    if (this.size !== 1) {
      throw new ShapeError(`item() needs one element; ${this.toString()} has ${this.size}.`);
    }
    return (await this.data())[0] as number;
  }

  /** Another owner of the same elements, without a copy; each is disposed on its own. */
  share(): Tensor<D, S> {
    return new Tensor(this.device, this.device.shareHandle(this.handle), this.dtype, this.shape, this.scale);
  }

  /** Gives the memory back once the operations that use it are done. Doing it twice is harmless. */
  dispose(): void {
    if (this.#handle === undefined) return;
    const handle = this.#handle;
    this.#handle = undefined;
    this.device.forget(this, handle);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    return `Tensor ${this.dtype} ${formatShape(this.shape)} on ${this.device.kind}`;
  }
}
