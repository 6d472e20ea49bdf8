// `alexnet bench`: the time and the memory of every layer in a training step.
// Invariant: pictures and weights are made up; nothing is read, and nothing is written but the trace.

import { writeFile } from 'node:fs/promises';
import {
  alexnet,
  chromeTrace,
  FileWriteError,
  openDevice,
  presets,
  profileTraining,
  type PresetName,
} from '../index.js';
import { flag, option } from './args.js';
import { command } from './command.js';
import { defined } from './defined.js';
import { describeDevice } from './device-text.js';
import { device, seed, threads } from './options.js';
import { note, print, printJson } from './output.js';
import { integer, oneOf, text } from './values.js';

const presetNames = Object.keys(presets) as PresetName[];

export const bench = command({
  name: 'bench',
  summary: 'Time every layer of a training step, forward and backward.',
  positionals: {},
  options: {
    preset: option({
      value: 'NAME',
      parse: oneOf(presetNames),
      absent: 'krizhevsky2012',
      help: `variant of AlexNet: ${presetNames.join(', ')}`,
    }),
    batchSize: option({ value: 'N', parse: integer({ from: 1 }), absent: 128, help: 'pictures a step' }),
    classes: option({ value: 'N', parse: integer({ from: 2 }), absent: 1000, help: 'classes' }),
    inputSize: option({
      value: 'N',
      parse: integer({ from: 1, to: 4096 }),
      help: "side of the network's input in pixels (default: the preset's)",
    }),
    steps: option({ value: 'N', parse: integer({ from: 1, to: 100 }), absent: 5, help: 'steps to measure' }),
    trace: option({
      value: 'FILE',
      parse: text,
      help: 'write every operation to FILE, for chrome://tracing or ui.perfetto.dev',
    }),
    device,
    threads,
    seed: { ...seed, help: 'decides initial weights and dropout (default 0)' },
    json: flag('one JSON object on stdout'),
  },
  details: [
    'Two steps are done first and not counted. Times of layers are those of the device, as a mean over the steps; a ' +
      'layer without times is done in one pass with the layer above it.',
  ],
  examples: ['alexnet bench', 'alexnet bench --preset owt --batch-size 32 --trace trace.json'],
  async run(args) {
    const { preset, batchSize, classes, steps, inputSize } = args;
    using device = openDevice(args.device, defined({ threads: args.threads }));
    using model = alexnet({ preset, classes, ...defined({ inputSize }) });
    model.initialize(device, { seed: args.seed });
    const profile = await profileTraining(model, { batchSize, steps, seed: args.seed });
    if (args.trace !== undefined) {
      const trace = JSON.stringify(chromeTrace(profile.records, { device: describeDevice(device.info) }));
      await writeFile(args.trace, trace).catch((cause: Error) => {
        throw new FileWriteError(args.trace as string, `it cannot be written: ${cause.message}`, { cause });
      });
    }
    if (args.json) {
      const { records: _, ...measured } = profile;
      printJson({ preset, classes, device: device.info, ...measured });
      return 0;
    }
    note(`model: AlexNet (${preset}), ${classes} classes, input ${model.inputShape.join('x')}`);
    note(`device: ${describeDevice(device.info)}`);
    print(profile.toString());
    if (args.trace !== undefined) note(`${args.trace}: open it in chrome://tracing or ui.perfetto.dev`);
    return 0;
  },
});
