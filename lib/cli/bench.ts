// `alexnet bench`: the time and the memory of every layer, in a training step or in a prediction.
// Invariant: pictures and weights are made up; nothing is read, and nothing is written but the trace.

import { writeFile } from 'node:fs/promises';
import {
  alexnet,
  chromeTrace,
  FileWriteError,
  openDevice,
  ops,
  presets,
  profileInference,
  profileTraining,
  quantizeModel,
  type Device,
  type Model,
  type OpRecords,
  type PresetName,
} from '../index.js';
import { flag, option, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { describeDevice } from './device-text.js';
import { device, inferencePrecision, seed, threads } from './options.js';
import { note, print, printJson } from './output.js';
import { UsageError } from './usage-error.js';
import { integer, oneOf, text } from './values.js';

const presetNames = Object.keys(presets) as PresetName[];

const options = {
  mode: option({
    value: 'MODE',
    parse: oneOf(['train', 'infer']),
    absent: 'train',
    help: 'train: a training step, forward, backward and update; infer: a prediction',
  }),
  precision: {
    ...inferencePrecision,
    help: 'what the network computes in: f32, bf16, f16, or int8 with --mode infer (default: f32)',
  },
  preset: option({
    value: 'NAME',
    parse: oneOf(presetNames),
    absent: 'krizhevsky2012',
    help: `variant of AlexNet: ${presetNames.join(', ')}`,
  }),
  batchSize: option({
    value: 'N',
    parse: integer({ from: 1 }),
    absent: 128,
    help: 'pictures a step or a prediction',
  }),
  classes: option({ value: 'N', parse: integer({ from: 2 }), absent: 1000, help: 'classes' }),
  inputSize: option({
    value: 'N',
    parse: integer({ from: 1, to: 4096 }),
    help: "side of the network's input in pixels (default: the preset's)",
  }),
  steps: option({
    value: 'N',
    parse: integer({ from: 1, to: 100 }),
    help: 'steps or predictions to measure (default: 5 steps, 20 predictions)',
  }),
  trace: option({
    value: 'FILE',
    parse: text,
    help: 'write every operation to FILE, for chrome://tracing or ui.perfetto.dev',
  }),
  device,
  threads,
  seed: { ...seed, help: 'decides initial weights and dropout (default 0)' },
  json: flag('one JSON object on stdout'),
};

type Arguments = Values<Record<never, never>, typeof options>;

export const bench = command({
  name: 'bench',
  summary: 'Time every layer, in a training step or in a prediction.',
  positionals: {},
  options,
  details: [
    'Two steps are done first and not counted. Times of layers are those of the device, as a mean over the steps; a ' +
      'layer without times is done in one pass with the layer above it.',
  ],
  examples: [
    'alexnet bench',
    'alexnet bench --preset owt --batch-size 32 --trace trace.json',
    'alexnet bench --mode infer --precision int8 --batch-size 1',
  ],
  run: runBench,
});

async function runBench(args: Arguments): Promise<ExitCode> {
  const { preset, classes, batchSize, seed, steps, mode } = args;
  const precision = args.precision ?? 'float32';
  if (precision === 'int8' && mode === 'train') {
    throw new UsageError('--precision int8 is for --mode infer: 8-bit integers do not learn');
  }
  using device = openDevice(args.device, defined({ threads: args.threads }));
  using model = await benchedModel(args, device);
  const how = { batchSize, seed, ...defined({ steps }) };
  const profile = mode === 'infer' ? await profileInference(model, how) : await profileTraining(model, how);
  if (args.trace !== undefined) await writeTrace(args.trace, profile.records, device);
  if (args.json) {
    const { records: _, ...measured } = profile;
    printJson({ mode, preset, precision, classes, device: device.info, ...measured });
    return 0;
  }
  note(`model: AlexNet (${preset}), ${classes} classes, input ${model.inputShape.join('x')}, ${precision}`);
  note(`device: ${describeDevice(device.info)}`);
  print(profile.toString());
  if (args.trace !== undefined) note(`${args.trace}: open it in chrome://tracing or ui.perfetto.dev`);
  return 0;
}

async function benchedModel({ preset, classes, seed, ...args }: Arguments, device: Device): Promise<Model> {
  const { inputSize, precision } = args;
  const trainedIn = precision === 'int8' ? 'float32' : precision;
  const model = alexnet({ preset, classes, ...defined({ inputSize, precision: trainedIn }) });
  model.initialize(device, { seed });
  if (precision !== 'int8') return model;
  // Nothing of what it is made of stays.
  using whole = model;
  using noise = ops.gaussian(device, { shape: [8, ...whole.inputShape], std: 50, seed });
  return await quantizeModel(whole, { calibration: [noise] });
}

async function writeTrace(file: string, records: OpRecords, { info }: Device): Promise<void> {
  const trace = JSON.stringify(chromeTrace(records, { device: describeDevice(info) }));
  await writeFile(file, trace).catch((cause: Error) => {
    throw new FileWriteError(file, `it cannot be written: ${cause.message}`, { cause });
  });
}
