// A process that trains in a folder, or goes on there; it is killed by its parent. Arguments: FOLDER THREADS PRECISION.
// Invariant: writes a line when training begins, and one with the SHA-256 of all weights when it ends.
import { createHash } from 'node:crypto';
import { InMemoryDataset } from '../../lib/data/index.js';
import {
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Sequential,
} from '../../lib/layers/index.js';
import { Model } from '../../lib/models/index.js';
import { checkpointsIn, Trainer } from '../../lib/train/index.js';
import type { Precision } from '../../lib/tensor/dtype.js';
import { hashUniform } from '../helpers/hash-values.js';
import { openFor } from './killing.js';

const [SIDE, CROP, CLASSES, PICTURES] = [20, 17, 10, 203];

function pictures(): InMemoryDataset {
  return new InMemoryDataset({
    images: Uint8Array.from(hashUniform(1, PICTURES * SIDE * SIDE * 3, 0, 256)),
    labels: Array.from({ length: PICTURES }, (_, i) => (i * 7) % CLASSES),
    classNames: Array.from({ length: CLASSES }, (_, i) => String(i)),
    side: SIDE,
  });
}

/** Every kind of layer that AlexNet has, with channels that fill no vector. */
function makeModel(precision: Precision): Model {
  const layers = [
    new Conv2d({ name: 'conv1', inChannels: 3, outChannels: 20, kernelSize: 5, padding: 2 }),
    new ReLU({ name: 'relu1' }),
    new LocalResponseNorm({ name: 'lrn1', size: 5, alpha: 1e-4, alphaOver: 'sum', beta: 0.75, k: 2 }),
    new MaxPool2d({ name: 'pool1', kernelSize: 3, stride: 2 }),
    new Conv2d({ name: 'conv2', inChannels: 20, outChannels: 36, kernelSize: 3, padding: 1, groups: 2 }),
    new ReLU({ name: 'relu2' }),
    new Flatten(),
    new Linear({ name: 'fc3', inFeatures: 36 * 64, outFeatures: 50 }),
    new ReLU({ name: 'relu3' }),
    new Dropout({ name: 'drop3', stream: 3 }),
    new Linear({ name: 'fc4', inFeatures: 50, outFeatures: CLASSES }),
  ];
  const network = new Sequential(layers, { ...(precision !== 'float32' && { precision }) });
  return new Model({ network, inputShape: [3, CROP, CROP] });
}

const [folder = '', threads, precision = 'float32'] = process.argv.slice(2);
const device = openFor(precision as Precision, { threads: Number(threads) });
const model = makeModel(precision as Precision);
const checkpoints = { everySteps: 1, keep: 3 };
const trainer =
  (await checkpointsIn(folder)).length > 0
    ? await Trainer.resume(folder, { device, model, checkpoints })
    : new Trainer(model.initialize(device, { seed: 5 }), {
        epochs: 8,
        batchSize: 20,
        learningRate: 1e-4,
        seed: 5,
        deadStartSteps: 0,
        averaging: { decay: 0.9 },
        out: folder,
        checkpoints,
      });
const data = pictures();
let began = false;
const done = await trainer.run(
  { train: data, validation: data },
  {
    onEvent: ({ type }) => {
      if (type === 'step' && !began) process.stdout.write('training\n');
      began ||= type === 'step';
    },
  },
);
const hash = createHash('sha256');
for (const { value } of model.network.parameters) hash.update(await value.data());
process.stdout.write(`done ${done.steps} ${hash.digest('hex')}\n`);
