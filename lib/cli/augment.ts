// `alexnet augment`: a sheet of pictures as training sees them.
// Invariant: what is shown went through the op that training uses, with mean 0 and deviation 1.

import { writeFile } from 'node:fs/promises';
import {
  DataError,
  DEFAULT_SIDE,
  FileWriteError,
  ImageFolderDataset,
  loadBatches,
  openDevice,
  pcaColour,
  pngSheet,
  Preprocessing,
  randomCrop,
  randomErasing,
  randomMirror,
  randomResizedCrop,
  scanImageFolder,
  type Augmentation,
  type Device,
  type ImageBatch,
  type ImageDataset,
  type LabelledFiles,
  type RgbImage,
} from '../index.js';
import { flag, option, positional, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { device, seed, threads, workers } from './options.js';
import { counted, note, print } from './output.js';
import { integer, text } from './values.js';

const positionals = { dir: positional('DIR', 'folder of pictures, as for train') };

const options = {
  out: option({ value: 'FILE', parse: text, absent: 'sheet.png', help: 'the PNG file to write' }),
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
  noMirror: flag('as for train'),
  pcaColour: flag('noise along the principal components of colours (of ImageNet), as in the paper'),
  resizedCrop: flag('rectangles of random area and proportion, scaled, instead of random crops'),
  erasing: flag('erase a random rectangle of half of the samples'),
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
  details: ['Each row of the sheet is a picture: the stored square, then samples of it.'],
  examples: [
    'alexnet augment flowers',
    'alexnet augment flowers --pca-colour --samples 10 --out flowers.png',
  ],
  run: makeSheet,
});

async function makeSheet(args: Arguments): Promise<ExitCode> {
  const { train } = await scanImageFolder(args.dir);
  using opened = openDevice(args.device, defined({ threads: args.threads }));
  const side = Math.max(DEFAULT_SIDE, args.inputSize);
  const dataset = new ImageFolderDataset(chosen(train, args.pictures), {
    side,
    ...defined({ workers: args.workers }),
  });
  try {
    const rows: RgbImage[][] = [];
    for (let epoch = 0; epoch < args.samples; epoch++) {
      const batch = await firstBatch(dataset, args, epoch);
      const samples = await look(opened, batch, args.inputSize);
      samples.forEach((sample, i) => (rows[i] ??= [storedSquare(batch, i)]).push(sample));
    }
    for (const { path, reason } of dataset.failures) note(`skipped ${path}: ${reason}`);
    await write(args.out, await pngSheet(rows));
    print(`${args.out}: ${counted(rows.length, 'picture')}, ${counted(args.samples, 'sample')} each`);
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

function augmentationOf({ inputSize: size, noMirror, ...wanted }: Arguments): Augmentation {
  return [
    wanted.resizedCrop ? randomResizedCrop({ size }) : randomCrop({ size }),
    ...(noMirror ? [] : [randomMirror()]),
    ...(wanted.pcaColour ? [pcaColour()] : []),
    ...(wanted.erasing ? [randomErasing()] : []),
  ];
}

/** Spread evenly over the folder, and so over its classes. */
function chosen({ classNames, paths, labels }: LabelledFiles, count: number): LabelledFiles {
  const taken = Math.min(count, paths.length);
  const indices = Array.from({ length: taken }, (_, i) => Math.floor((i * paths.length) / taken));
  return {
    classNames,
    paths: indices.map((index) => paths[index]!),
    labels: Int32Array.from(indices, (index) => labels[index]!),
  };
}

async function firstBatch(dataset: ImageDataset, args: Arguments, epoch: number): Promise<ImageBatch> {
  const how = { batchSize: dataset.length, seed: args.seed, epoch, augmentation: augmentationOf(args) };
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

function storedSquare({ side, images }: ImageBatch, n: number): RgbImage {
  const bytes = side * side * 3;
  return { width: side, height: side, data: images.subarray(n * bytes, (n + 1) * bytes) };
}
