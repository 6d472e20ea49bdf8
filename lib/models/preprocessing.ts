// How a picture becomes a network's input: part of a model, saved with it.
// Invariant: training and prediction go through the same op with the same numbers.
import { augment } from '../ops/index.js';
import { ArgumentError } from '../errors.js';
import { RECORD_LENGTH, type ImageBatch } from '../data/index.js';
import type { Activations } from '../layers/index.js';
import type { Device } from '../tensor/device.js';
import type { Tensor } from '../tensor/tensor.js';

/** Numbers that turn stored pictures into input: (pixel - mean) / std on the scale 0..255, RGB. */
export interface PreprocessingOptions {
  /** Side of the stored square pictures, in pixels: shorter side scaled to it, centre cropped. */
  readonly side: number;
  /** Side of the network's input, in pixels. */
  readonly crop: number;
  /** Mean colour [3], or mean picture [side, side, 3]. */
  readonly mean: Float32Array;
  /** [3] */
  readonly std: readonly [number, number, number];
}

export class Preprocessing implements Disposable {
  readonly options: PreprocessingOptions;
  #constants: { device: Device; mean: Tensor<'float32'>; std: Tensor<'float32'> } | undefined;

  /** @throws ArgumentError if the mean is neither a colour nor a picture of the stored size */
  constructor(options: PreprocessingOptions) {
    const { side, crop, mean } = options;
    if (mean.length !== 3 && mean.length !== side * side * 3) {
      throw new ArgumentError(
        `preprocessing: the mean has ${mean.length} values, expected 3 or ${side}x${side}x3.`,
      );
    }
    if (crop > side) {
      throw new ArgumentError(
        `preprocessing: a crop of ${crop} pixels does not fit into pictures of ${side}.`,
      );
    }
    this.options = options;
  }

  /** The pictures of a batch -> [N * views, 3, crop, crop]; the caller owns it. */
  apply(
    device: Device,
    batch: Pick<ImageBatch, 'size' | 'side' | 'images' | 'frames' | 'records' | 'views'>,
  ): Activations {
    const { mean, std } = this.#on(device);
    const { size, side, views } = batch;
    using records = device.tensor(batch.records, { shape: [size * views, RECORD_LENGTH] });
    const how = { records, mean, std, crop: this.options.crop, label: 'preprocessing' };
    if (batch.frames) {
      using packed = device.tensor(batch.images, { shape: [batch.images.length] });
      using frames = device.tensor(batch.frames, { shape: [size, 3] });
      return augment(packed, { ...how, frames });
    }
    using images = device.tensor(batch.images, { shape: [size, side, side, 3] });
    return augment(images, how);
  }

  #on(device: Device): { mean: Tensor<'float32'>; std: Tensor<'float32'> } {
    if (this.#constants && this.#constants.device !== device) this.dispose();
    if (!this.#constants) {
      const { side, mean, std } = this.options;
      this.#constants = {
        device,
        mean: device.tensor(mean, { shape: mean.length === 3 ? [3] : [side, side, 3] }),
        std: device.tensor(std, { shape: [3] }),
      };
    }
    return this.#constants;
  }

  dispose(): void {
    this.#constants?.mean.dispose();
    this.#constants?.std.dispose();
    this.#constants = undefined;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
