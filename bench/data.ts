// Pictures a second from memory and from a store to network input, and what data costs a training step:
// `npm run bench:data -- [--batch-size 128] [--threads 2]`.
// Invariant: each figure is the median of several runs over the same seeded pictures of 256x256.
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  alexnet,
  computeMean,
  ImageStore,
  InMemoryDataset,
  loadBatches,
  openDevice,
  pcaColour,
  Preprocessing,
  randomCrop,
  randomMirror,
  randomResizedCrop,
  saturation,
  Trainer,
  type Augmentation,
  type ImageBatch,
  type ImageDataset,
} from '../lib/index.js';
import { makeUpStore, noiseBytes } from './made-up-store.js';

const { values } = parseArgs({
  options: {
    'batch-size': { type: 'string', default: '128' },
    batches: { type: 'string', default: '12' },
    threads: { type: 'string' },
    'store-pictures': { type: 'string', default: '2048' },
    steps: { type: 'string', default: '6' },
  },
});
const batchSize = Number(values['batch-size']);
const batches = Number(values.batches);
const SIDE = 256;
const CROP = 227;
const RUNS = 5;

const device = openDevice('cpu', values.threads === undefined ? {} : { threads: Number(values.threads) });
const length = batchSize * 4;
const images = noiseBytes(length * SIDE * SIDE * 3);
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

function load(
  augmentation: Augmentation,
  epoch: number,
  from: ImageDataset = dataset,
): AsyncIterable<ImageBatch> {
  return loadBatches(from, { batchSize, seed: 1, epoch, shuffle: true, augmentation });
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

/** The whole chain from a store that was read before: records, checksums, augmentation, upload, op. */
async function ofStore(store: ImageStore, apply: Preprocessing): Promise<number> {
  const from = store.dataset('train');
  let epoch = 0;
  return rate(Math.floor(from.length / batchSize) * batchSize, async () => {
    const options = { batchSize, seed: 1, epoch: epoch++, sampler: 'shuffle', dropLast: true } as const;
    const augmentation = [...crop, pcaColour({ statistics: store.colours })];
    for await (const batch of loadBatches(from, { ...options, augmentation })) {
      apply.apply(device, batch).dispose();
    }
    await device.synchronize();
  });
}

/** Pictures that cost nothing: all of them are black. */
function freeDataset(like: ImageDataset): ImageDataset {
  const { classNames, labels, length: count, side, mean: known } = like;
  return {
    ...{ classNames, labels, length: count, side, mean: known, failures: [] },
    nameOf: String,
    read: async (indices) => indices.map(() => true),
    close: async () => {},
  };
}

interface StepCosts {
  readonly intervalsMs: number[];
  readonly waitsMs: number[];
}

/** Times between the results of a training's steps, and what each waited for its batch. */
async function trainOn(train: ImageDataset): Promise<StepCosts> {
  using model = alexnet({ classNames: train.classNames, preset: 'bvlc' });
  model.initialize(device, { seed: 1 });
  const trainer = new Trainer(model, {
    epochs: 1,
    batchSize,
    augmentation: [...crop, pcaColour()],
    deadStartSteps: 0,
  });
  const [intervalsMs, waitsMs]: [number[], number[]] = [[], []];
  let last: number | undefined;
  for await (const event of trainer.fit({ train })) {
    if (event.type !== 'step') continue;
    const now = performance.now();
    // The first steps compile kernels.
    if (last !== undefined && event.step > 2) {
      intervalsMs.push(now - last);
      waitsMs.push(event.dataWaitMs);
    }
    last = now;
    if (intervalsMs.length === Number(values.steps)) break;
  }
  return { intervalsMs, waitsMs };
}

const median = (of: readonly number[]): number => [...of].sort((x, y) => x - y)[Math.floor(of.length / 2)]!;

/** Both kinds of training take turns. */
async function ofTraining(store: ImageStore): Promise<Record<string, number>> {
  const from = store.dataset('train');
  const costs = { store: [] as StepCosts[], free: [] as StepCosts[] };
  for (let round = 0; round < 2; round++) {
    costs.store.push(await trainOn(from));
    costs.free.push(await trainOn(freeDataset(from)));
  }
  const withStore = median(costs.store.flatMap(({ intervalsMs }) => intervalsMs));
  const withFree = median(costs.free.flatMap(({ intervalsMs }) => intervalsMs));
  const waited = median(costs.store.flatMap(({ waitsMs }) => waitsMs));
  const percent = (part: number): number => Number(((100 * part) / withStore).toFixed(2));
  return {
    stepMsFromStore: Math.round(withStore),
    stepMsWithFreeData: Math.round(withFree),
    percentSlowerThanFreeData: percent(withStore - withFree),
    medianWaitForBatchMs: Number(waited.toFixed(2)),
    percentWaiting: percent(waited),
  };
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
const folder = await mkdtemp(join(tmpdir(), 'alexnet-bench-'));
try {
  const pictures = Number(values['store-pictures']);
  const store = await ImageStore.open(await makeUpStore(folder, { pictures, side: SIDE }));
  rates['from a store: crop, mirror, PCA colour'] = await ofStore(store, means.picture);
  const report = {
    cpu: cpus()[0]?.model,
    instructionSet: device.info.properties['instructionSet'],
    threads: device.info.properties['threads'],
    batchSize,
    imagesPerSecond: {
      ...rates,
      uploadAlone: await ofUpload(),
      loaderAlone: await ofLoader(undefined, crop),
    },
    trainingStep: await ofTraining(store),
  };
  await store.close();
  console.log(JSON.stringify(report, null, 2));
} finally {
  for (const apply of Object.values(means)) apply.dispose();
  device.dispose();
  await rm(folder, { recursive: true, force: true });
}
