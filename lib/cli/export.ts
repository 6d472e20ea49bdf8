// `alexnet export`: the weights of a training as a file of their own.
// Invariant: a file that is there is not replaced unless --overwrite says so.

import { existsSync } from 'node:fs';
import { ArgumentError, exportWeights, formatBytes } from '../index.js';
import { flag, option, positional, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { print, printJson, shellWord } from './output.js';
import { text } from './values.js';

const positionals = {
  run: positional('RUN', 'folder of a training (its best weights are taken), or a .safetensors file'),
};

const options = {
  out: option({ value: 'FILE', parse: text, absent: 'weights.safetensors', help: 'where they go' }),
  overwrite: flag('replace a file that is there'),
  json: flag('one JSON object: from, path, bytes'),
};

export const exportCommand = command({
  name: 'export',
  summary: 'The weights of a training, without what only training needs, in one file.',
  positionals,
  options,
  details: [
    'The file has the weights (averages, if the training kept them), classes, architecture and preprocessing. It takes ' +
      'the place of RUN in predict, evaluate and train --from.',
  ],
  examples: ['alexnet export run --out flowers.safetensors', 'alexnet predict flowers.safetensors rose.jpg'],
  run: runExport,
});

async function runExport(args: Values<typeof positionals, typeof options>): Promise<ExitCode> {
  const { run, out, overwrite, json } = args;
  if (!overwrite && existsSync(out)) {
    throw new ArgumentError(`${out} is there already: give another file with --out, or --overwrite`);
  }
  const { from, bytes } = await exportWeights(run, out);
  if (json) {
    printJson({ from, path: out, bytes });
    return 0;
  }
  print(`${out}: the weights of ${from}, ${formatBytes(bytes)}`);
  print(`next: alexnet predict ${shellWord(out)} picture.jpg`);
  return 0;
}
