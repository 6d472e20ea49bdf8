// How layers fare in a step: norms of weights, gradients and updates, and units that give nothing.
// Invariant: measured on the device and read later; nothing here waits, and nothing changes the training.
import type { ImageBatch } from '../data/index.js';
import { ReLU, type Activations, type Parameter } from '../layers/index.js';
import type { Model, Preprocessing } from '../models/index.js';
import { avgPool2d, cast, reshape, sumSquares } from '../ops/index.js';
import type { SGD } from '../optim/index.js';
import type { Tensor } from '../tensor/tensor.js';
import { probed } from './probe.js';

/** Euclidean norms over all elements of a parameter. */
export interface ParameterStatistics {
  /** 'conv1.weight' */
  readonly name: string;
  /** After the update. */
  readonly weightNorm: number;
  /** Of the batch's mean loss, without weight decay. */
  readonly gradientNorm: number;
  /** Of what the step added to the weights. */
  readonly updateNorm: number;
  /** updateNorm / weightNorm; about 1e-3 is usual. */
  readonly updateRatio: number;
}

/** Which units of a ReLU layer, channels or features, gave 0 for every picture of a batch, at every place. */
export interface UnitStatistics {
  readonly layer: string;
  readonly units: number;
  /** Their indices. */
  readonly silent: readonly number[];
}

type Squares = Tensor<'float32', readonly []>;

interface PendingParameter {
  readonly parameter: Parameter;
  readonly gradient: Squares;
  /** Of weights and velocity, once the update is submitted. */
  after?: { readonly weight: Squares; readonly velocity: Squares };
}

/** Norms of one step: made before its update, completed after it, then read. */
export class PendingNorms implements Disposable {
  readonly #parameters: PendingParameter[] = [];

  /** Looks at the gradients; frozen parameters have none. */
  constructor(parameters: readonly Parameter[]) {
    for (const parameter of parameters) {
      const { gradient } = parameter;
      if (gradient) this.#parameters.push({ parameter, gradient: sumSquares(gradient) });
    }
  }

  /** After the update. */
  complete(optimizer: SGD): void {
    for (const pending of this.#parameters) {
      const { parameter } = pending;
      const velocity = optimizer.velocities.get(parameter);
      if (!velocity) continue;
      pending.after = { weight: sumSquares(parameter.value), velocity: sumSquares(velocity) };
    }
  }

  /**
   * Waits for the device.
   * @param options.lossScale  what the gradients were multiplied with
   * @param options.rate       what velocities are multiplied with to be updates: 1 in the paper's form
   */
  async read({ lossScale, rate }: { lossScale: number; rate: number }): Promise<ParameterStatistics[]> {
    const norms = this.#parameters.map(async ({ parameter, gradient, after }) => {
      const [g = NaN, w = NaN, v = NaN] = await Promise.all([
        gradient.item(),
        after?.weight.item(),
        after?.velocity.item(),
      ]);
      const [weightNorm, updateNorm] = [Math.sqrt(w), Math.sqrt(v) * rate];
      const gradientNorm = Math.sqrt(g) / lossScale;
      return {
        name: parameter.name,
        weightNorm,
        gradientNorm,
        updateNorm,
        updateRatio: updateNorm / weightNorm,
      };
    });
    return Promise.all(norms).finally(() => this[Symbol.dispose]());
  }

  [Symbol.dispose](): void {
    for (const { gradient, after } of this.#parameters) {
      gradient.dispose();
      after?.weight.dispose();
      after?.velocity.dispose();
    }
  }
}

interface PendingLayer {
  readonly layer: string;
  /** [N, units], means over places; 0 only where all are 0. */
  readonly means: Tensor<'float32'>;
}

/** Outputs of the ReLUs for a batch. */
export class PendingUnits implements Disposable {
  readonly #layers: PendingLayer[] = [];

  /** Submits a forward pass without dropout. */
  constructor(
    { model, preprocessing }: { readonly model: Model; readonly preprocessing: Preprocessing },
    batch: ImageBatch,
  ) {
    const network = probed(model.network, {
      output: (layer, y) => {
        if (layer instanceof ReLU) this.#layers.push({ layer: layer.name, means: meanOverPlaces(y) });
      },
    });
    using x = preprocessing.apply(model.device, batch);
    const { y } = network.forward(x, { training: false, gradient: false, seed: 0, step: 0 });
    y.dispose();
  }

  /** Waits for the device. */
  async read(): Promise<UnitStatistics[]> {
    const layers = this.#layers.map(async ({ layer, means }) => {
      const units = means.shape[1] ?? 0;
      return { layer, units, silent: silentUnits(await means.data(), units) };
    });
    return Promise.all(layers).finally(() => this[Symbol.dispose]());
  }

  [Symbol.dispose](): void {
    for (const { means } of this.#layers) means.dispose();
  }
}

function meanOverPlaces(y: Activations): Tensor<'float32'> {
  const [n = 0, units = 0, height, width] = y.shape;
  if (height === undefined || width === undefined) return asFloat32(y);
  using pooled = avgPool2d(y as Tensor<'float32', readonly [number, number, number, number]>, {
    kernelSize: [height, width],
    label: 'silent units',
  });
  using flat = reshape(pooled, { shape: [n, units] });
  return asFloat32(flat);
}

function asFloat32(x: Tensor): Tensor<'float32'> {
  return (x.dtype === 'float32' ? x.share() : cast(x, { dtype: 'float32' })) as Tensor<'float32'>;
}

/** means: [N, units] */
function silentUnits(means: Float32Array, units: number): number[] {
  const heard = new Uint8Array(units);
  for (let i = 0; i < means.length; i++) if (means[i] !== 0) heard[i % units] = 1;
  return Array.from({ length: units }, (_, unit) => unit).filter((unit) => !heard[unit]);
}
