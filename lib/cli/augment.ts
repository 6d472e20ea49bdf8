// `alexnet augment`: a sheet of pictures as training sees them.
// Invariant: what is shown went through the op that training uses, with mean 0 and deviation 1.

import { writeFile } from 'node:fs/promises';
import {
  computeColourStatistics,
  DataError,
  DEFAULT_SIDE,
  FileWriteError,
  loadBatches,
  openDevice,
  pngSheet,
  Preprocessing,
  StoreDataset,
  subsetDataset,
  type Augmentation,
  type Device,
  type ImageBatch,
  type ImageDataset,
  type RgbImage,
} from '../index.js';
import { option, positional, type Values } from './args.js';
import { augmentationFrom, augmentationOptions } from './augmentation-options.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { device, seed, threads, workers } from './options.js';
import { counted, note, print } from './output.js';
import { allPictures, openPictures, pictureCount, sourceOptions, type Pictures } from './pictures.js';
import { integer, text } from './values.js';

const positionals = { dir: positional('DIR', 'pictures, as for train') };

const options = {
  sheet: option({ value: 'FILE', parse: text, absent: 'sheet.png', help: 'the PNG file to write' }),
  pictures: option({
    value: 'N',
    parse: integer({ from: 1, to: 64 }),
    absent: 8,
    help: 'pictures, one a row, spread evenly over DIR',
  }),
  samples: option({
    value: 'N',
    parse: integer({ from: 1, to: 64 }),
    absent: 6,
    help: 'samples of each picture, drawn as N epochs of training draw them',
  }),
  inputSize: option({
    value: 'N',
    parse: integer({ from: 1, to: 4096 }),
    absent: 227,
    help: "side of the network's input in pixels",
  }),
  ...augmentationOptions,
  ...sourceOptions,
  seed: { ...seed, help: 'decides the samples (default 0)' },
  device,
  threads,
  workers,
};

type Arguments = Values<typeof positionals, typeof options>;

export const augment = command({
  name: 'augment',
  summary: 'A sheet of pictures as training sees them: crops, mirrors, colours.',
  positionals,
  options,
  details: ['Each row of the sheet is a picture: as it is stored, then samples of it.'],
  examples: [
    'alexnet augment flowers',
    'alexnet augment flowers --pca-colour --samples 10 --sheet flowers.png',
  ],
  run: makeSheet,
});

async function makeSheet(args: Arguments): Promise<ExitCode> {
  const { train, colours } = await allPictures(args.dir, args);
  using opened = openDevice(args.device, defined({ threads: args.threads }));
  const side = train instanceof StoreDataset ? train.side : Math.max(DEFAULT_SIDE, args.inputSize);
  const dataset = openPictures(chosen(train, args.pictures), {
    side,
    files: { side, ...defined({ workers: args.workers }) },
  });
  try {
    const statistics = args.pcaColour ? (colours ?? (await computeColourStatistics(dataset))) : undefined;
    const augmentation = augmentationFrom(args, { size: args.inputSize, statistics });
    const rows: RgbImage[][] = [];
    for (let epoch = 0; epoch < args.samples; epoch++) {
      const batch = await firstBatch(dataset, { args, augmentation, epoch });
      const samples = await look(opened, batch, args.inputSize);
      samples.forEach((sample, i) => (rows[i] ??= [storedPicture(batch, i)]).push(sample));
    }
    for (const { path, reason } of dataset.failures) note(`skipped ${path}: ${reason}`);
    await write(args.sheet, await pngSheet(rows));
    print(`${args.sheet}: ${counted(rows.length, 'picture')}, ${counted(args.samples, 'sample')} each`);
    return 0;
  } finally {
    await dataset.close();
  }
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await writeFile(path, bytes);
  } catch (error) {
    throw new FileWriteError(path, `cannot be written: ${(error as Error).message}`, { cause: error });
  }
}

/** Spread evenly over the pictures, and so over their classes. */
function chosen(pictures: Pictures, count: number): Pictures {
  const length = pictureCount(pictures);
  const taken = Math.min(count, length);
  const indices = Array.from({ length: taken }, (_, i) => Math.floor((i * length) / taken));
  if (!('paths' in pictures)) return subsetDataset(pictures, indices);
  const { classNames, paths, labels } = pictures;
  return {
    classNames,
    paths: indices.map((index) => paths.at(index)!),
    labels: Int32Array.from(indices, (index) => labels[index]!),
  };
}

async function firstBatch(
  dataset: ImageDataset,
  { args, augmentation, epoch }: { args: Arguments; augmentation: Augmentation; epoch: number },
): Promise<ImageBatch> {
  const how = { batchSize: dataset.length, seed: args.seed, epoch, augmentation };
  for await (const batch of loadBatches(dataset, how)) return batch;
  throw new DataError(`no picture of ${args.dir} can be decoded`);
}

/** What the network would see, without its mean subtracted. */
async function look(device: Device, batch: ImageBatch, size: number): Promise<RgbImage[]> {
  const mean = new Float32Array(3);
  using preprocessing = new Preprocessing({ side: batch.side, crop: size, mean, std: [1, 1, 1] });
  using y = preprocessing.apply(device, batch);
  const values = await y.data();
  const plane = size * size;
  return Array.from({ length: batch.size }, (_, n) => {
    const data = new Uint8ClampedArray(plane * 3);
    for (let i = 0; i < data.length; i++) {
      data[i] = values[(n * 3 + (i % 3)) * plane + Math.floor(i / 3)]!;
    }
    return { width: size, height: size, data: new Uint8Array(data.buffer) };
  });
}

function storedPicture({ side, images, frames }: ImageBatch, n: number): RgbImage {
  const bytes = side * side * 3;
  const [offset = n * bytes, height = side, width = side] = frames?.subarray(n * 3, n * 3 + 3) ?? [];
  return { width, height, data: images.subarray(offset, offset + height * width * 3) };
}
