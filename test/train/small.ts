// A network and pictures that train in milliseconds.
// Invariant: weights and pixels are pure functions of a seed: no two pictures or views get the same prediction.
import { InMemoryDataset } from '../../lib/data/index.js';
import { Conv2d, Flatten, Linear, ReLU, Sequential } from '../../lib/layers/index.js';
import { Model, Preprocessing } from '../../lib/models/index.js';
import type { Precision } from '../../lib/tensor/dtype.js';
import type { TestDevice } from '../helpers/devices.js';
import { hashNdArray } from '../helpers/reference.js';

export const [SIDE, CROP, CLASSES, PICTURES] = [9, 6, 7, 23];

export function pictures(): InMemoryDataset {
  const values = hashNdArray({ shape: [PICTURES, SIDE, SIDE, 3], seed: 9, low: 0, high: 256 }).data;
  return new InMemoryDataset({
    images: Uint8Array.from(values),
    labels: Array.from({ length: PICTURES }, (_, i) => (i * 5) % CLASSES),
    classNames: Array.from({ length: CLASSES }, (_, i) => String(i)),
    side: SIDE,
  });
}

export function smallModel(
  { device }: Pick<TestDevice, 'device'>,
  options: { readonly crop?: number; readonly seed?: number; readonly precision?: Precision } = {},
): Model {
  const { crop = CROP, seed = 4, precision } = options;
  const layers = [
    new Conv2d({ name: 'conv', inChannels: 3, outChannels: 4, kernelSize: 3 }),
    new ReLU({ name: 'relu' }),
    new Flatten({ name: 'flatten' }),
    new Linear({ name: 'fc', inFeatures: 4 * (crop - 2) ** 2, outFeatures: CLASSES }),
  ];
  const network = new Sequential(layers, { ...(precision && { precision }) });
  const model = new Model({ network, inputShape: [3, crop, crop] });
  model.preprocessing = new Preprocessing({
    side: SIDE,
    crop,
    mean: Float32Array.of(120, 128, 130),
    std: [40, 45, 50],
  });
  model.initialize(device, { seed });
  return model;
}
