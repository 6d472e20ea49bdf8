// Pictures a second from memory to network input: `npm run bench:data -- [--batch-size 128] [--threads 2]`.
// Invariant: each figure is the median of several runs over the same seeded pictures of 256x256.
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import {
  computeMean,
  InMemoryDataset,
  loadBatches,
  openDevice,
  pcaColour,
  Preprocessing,
  randomCrop,
  randomMirror,
  randomResizedCrop,
  saturation,
  type Augmentation,
  type ImageBatch,
} from '../lib/index.js';

const { values } = parseArgs({
  options: {
    'batch-size': { type: 'string', default: '128' },
    batches: { type: 'string', default: '12' },
    threads: { type: 'string' },
  },
});
const batchSize = Number(values['batch-size']);
const batches = Number(values.batches);
const SIDE = 256;
const CROP = 227;
const RUNS = 5;

const device = openDevice('cpu', values.threads === undefined ? {} : { threads: Number(values.threads) });
const length = batchSize * 4;
const images = new Uint8Array(length * SIDE * SIDE * 3);
// Xorshift: noise, so that nothing is faster than it would be on pictures.
let state = 1;
for (let i = 0; i < images.length; i++) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  images[i] = state;
}
const labels = new Int32Array(length);
const dataset = new InMemoryDataset({ images, labels, classNames: ['a', 'b'], side: SIDE });
const mean = await computeMean(dataset, { maxPictures: batchSize });

const crop = [randomCrop({ size: CROP }), randomMirror()];
const augmentations: Readonly<Record<string, Augmentation>> = {
  'crop, mirror': crop,
  'crop, mirror, PCA colour': [...crop, pcaColour()],
  'crop, mirror, PCA colour, saturation': [...crop, pcaColour(), saturation({ range: [0.5, 1.5] })],
  'resized crop, mirror': [randomResizedCrop({ size: CROP }), randomMirror()],
};

function preprocessing(values: Float32Array): Preprocessing {
  return new Preprocessing({ side: SIDE, crop: CROP, mean: values, std: [1, 1, 1] });
}

function load(augmentation: Augmentation, epoch: number): AsyncIterable<ImageBatch> {
  return loadBatches(dataset, { batchSize, seed: 1, epoch, shuffle: true, augmentation });
}

async function firstBatch(augmentation: Augmentation): Promise<ImageBatch> {
  for await (const batch of load(augmentation, 0)) return batch;
  throw new Error('there is no batch');
}

/** Median images a second of `work`, which takes `count` pictures. */
async function rate(count: number, work: () => Promise<void>): Promise<number> {
  await work();
  const times: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  return Math.round((count / times[Math.floor(RUNS / 2)]!) * 1000);
}

/** The op with the upload of its batch; and the upload alone, which is a copy. */
async function ofOp(apply: Preprocessing, augmentation: Augmentation): Promise<number> {
  const batch = await firstBatch(augmentation);
  return rate(batchSize * batches, async () => {
    for (let i = 0; i < batches; i++) apply.apply(device, batch).dispose();
    await device.synchronize();
  });
}

async function ofUpload(): Promise<number> {
  const batch = await firstBatch(crop);
  return rate(batchSize * batches, async () => {
    for (let i = 0; i < batches; i++) {
      device.tensor(batch.images, { shape: [batchSize, SIDE, SIDE, 3] }).dispose();
    }
    await device.synchronize();
  });
}

/** Everything: what a training whose network takes no time would do. */
async function ofLoader(apply: Preprocessing | undefined, augmentation: Augmentation): Promise<number> {
  let epoch = 0;
  return rate(length * 3, async () => {
    for (let i = 0; i < 3; i++) {
      for await (const batch of load(augmentation, epoch++)) {
        apply?.apply(device, batch).dispose();
      }
    }
    await device.synchronize();
  });
}

const means = { colour: preprocessing(mean.colour), picture: preprocessing(mean.image) };
const rates: Record<string, unknown> = {};
for (const [name, augmentation] of Object.entries(augmentations)) {
  rates[name] = {
    uploadAndOp: await ofOp(means.colour, augmentation),
    uploadAndOpWithMeanPicture: await ofOp(means.picture, augmentation),
    loaderUploadAndOp: await ofLoader(means.picture, augmentation),
  };
}
const report = {
  cpu: cpus()[0]?.model,
  instructionSet: device.info.properties['instructionSet'],
  threads: device.info.properties['threads'],
  batchSize,
  imagesPerSecond: { ...rates, uploadAlone: await ofUpload(), loaderAlone: await ofLoader(undefined, crop) },
};
console.log(JSON.stringify(report, null, 2));
for (const apply of Object.values(means)) apply.dispose();
device.dispose();
