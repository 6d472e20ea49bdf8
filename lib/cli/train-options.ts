// What `alexnet train` takes.
// Invariant: a default that is not written here is the library's or the preset's own.

import { presets, type PresetName } from '../index.js';
import { flag, option, optional, optionalPositional, type Values } from './args.js';
import { augmentationOptions } from './augmentation-options.js';
import { cache, cacheSize, device, precision, seed, strict, threads, workers } from './options.js';
import { holdOutOption, sourceOptions, validationOption } from './pictures.js';
import { schedule } from './schedule-option.js';
import { integer, list, number, oneOf, text } from './values.js';

const positive = number('a number above 0', (value) => value > 0);
const fraction = number('a number of at least 0 and below 1', (value) => value >= 0 && value < 1);

const presetNames = Object.keys(presets) as PresetName[];

export const positionals = {
  dir: optionalPositional(
    'DIR',
    'folder of pictures: DIR/<class>/<picture>, or DIR/train/<class>/<picture> and DIR/val; a store made by prepare; ' +
      'a CSV or JSON list of pictures and classes; or a folder of ImageNet, CIFAR-10 (binary) or MNIST',
  ),
};

export const options = {
  val: validationOption,
  holdOut: holdOutOption,
  ...sourceOptions,
  out: option({ value: 'RUN', parse: text, absent: 'run', help: 'folder for weights and checkpoints' }),
  overwrite: flag('replace what the folder already has of an earlier training'),
  resume: option({
    value: 'RUN',
    parse: text,
    help: 'go on with an interrupted training, at the step; it needs no other argument',
  }),
  checkpointEvery: option({
    value: 'N',
    parse: integer({ from: 0 }),
    absent: 1000,
    help: 'steps between checkpoints within an epoch; 0: only at its end',
  }),
  keepCheckpoints: option({
    value: 'N',
    parse: integer({ from: 1 }),
    absent: 2,
    help: "the last checkpoints that stay, besides the best epoch's",
  }),
  epochs: option({
    value: 'N',
    parse: integer({ from: 1 }),
    absent: 90,
    help: 'passes over the training pictures',
  }),
  batchSize: option({ value: 'N', parse: integer({ from: 1 }), absent: 128, help: 'pictures a step' }),
  accumulate: option({
    value: 'N',
    parse: integer({ from: 1 }),
    absent: 1,
    help: 'parts that a batch goes through the network in: the same gradient with less memory',
  }),
  from: option({
    value: 'RUN',
    parse: text,
    help: "fine-tune: begin with a training's weights, or a weights file's; other classes get a new last layer",
  }),
  trunkRate: option({
    value: 'X',
    parse: number('a number of 0 or more', (value) => value >= 0),
    help: 'with --from: factor on the learning rate of all layers but the last (default 0.1)',
  }),
  freeze: option({
    value: 'LAYERS',
    parse: list(text),
    help: 'layers that stay as they are: conv1,conv2',
  }),
  preset: option({
    value: 'NAME',
    parse: oneOf(presetNames),
    absent: 'bvlc',
    help: `variant of AlexNet: ${presetNames.join(', ')}`,
  }),
  initialization: option({
    value: 'KIND',
    parse: oneOf(['preset', 'lecun']),
    absent: 'preset',
    help: "initial weights: the preset's, or lecun, which starts to learn sooner on few pictures",
  }),
  groups: option({
    value: '1|2',
    parse: oneOf([1, 2]),
    help: "groups of conv2, conv4 and conv5 (default: the preset's); 1 joins what the paper splits over two GPUs",
  }),
  inputSize: option({
    value: 'N',
    parse: integer({ from: 1, to: 4096 }),
    help: "side of the network's input in pixels (default: the preset's, 224 or 227); smaller is faster, and sees less",
  }),
  learningRate: option({
    name: 'lr',
    value: 'X',
    parse: positive,
    help: "learning rate at the start (default: the preset's)",
  }),
  schedule,
  warmUp: option({
    value: 'EPOCHS',
    parse: positive,
    help: 'the learning rate rises evenly from a tenth at the start',
  }),
  momentum: option({
    value: 'X',
    parse: fraction,
    help: "momentum (default: the preset's)",
  }),
  weightDecay: option({
    value: 'X',
    parse: number('a number of 0 or more', (value) => value >= 0),
    help: "weight decay (default: the preset's)",
  }),
  clipNorm: option({ value: 'X', parse: positive, help: 'largest norm of all gradients together' }),
  clipValue: option({ value: 'X', parse: positive, help: "largest absolute value of a gradient's element" }),
  labelSmoothing: option({
    value: 'X',
    parse: fraction,
    help: 'share of the target that goes to all classes in equal parts',
  }),
  averaging: option({
    value: 'DECAY',
    parse: fraction,
    help: 'validate and save a moving average of the weights, e.g. 0.999',
  }),
  earlyStopping: option({
    value: 'EPOCHS',
    parse: integer({ from: 1 }),
    help: 'end when the validation error has not improved for so long',
  }),
  ...augmentationOptions,
  balanced: flag('take each class equally often in an epoch, however many pictures it has'),
  dashboard: optional({
    value: 'PORT',
    parse: integer({ from: 1, to: 65535 }),
    bare: 6007,
    help: 'a live page of the training, on this machine alone (default port 6007)',
  }),
  tensorboard: flag('write curves and pictures to RUN/tensorboard, for TensorBoard'),
  noReport: flag('do not write RUN/report.html'),
  noLog: flag('do not write RUN/log.jsonl'),
  seed: {
    ...seed,
    help: 'decides initial weights, order, crops, dropout and which pictures are held out (default 0)',
  },
  strict,
  precision: {
    ...precision,
    help: 'what the network computes in: f32, bf16 or f16; its weights stay f32 (default: f32)',
  },
  device,
  threads,
  workers,
  cache,
  cacheSize,
  quiet: flag('no header and no progress; warnings and errors are still shown'),
  json: flag('every event of the training on stdout, one JSON object a line'),
};

export type TrainArguments = Values<typeof positionals, typeof options>;
