// Options that several commands take.
// Invariant: the same option means the same in every command.

import type { InferencePrecision, Precision } from '../index.js';
import { flag, option } from './args.js';
import { bytes, integer, oneOf, text } from './values.js';

export const device = option({
  value: 'KIND',
  parse: oneOf(['cpu', 'cuda', 'auto']),
  absent: 'auto',
  help: 'cpu, cuda, or auto: a GPU if there is one that can be used',
});

export const threads = option({
  value: 'N',
  parse: integer({ from: 1, to: 1024 }),
  help: 'threads that compute (default: all that the process may use)',
});

const precisions = { f32: 'float32', bf16: 'bfloat16', f16: 'float16' } as const;
const precisionWord = oneOf(['f32', 'bf16', 'f16', 'float32', 'bfloat16', 'float16']);
const inferenceWord = oneOf(['f32', 'bf16', 'f16', 'int8', 'float32', 'bfloat16', 'float16']);

function inFull<Word extends string>(word: Word): Exclude<Word, keyof typeof precisions> | Precision {
  return word in precisions ? precisions[word as keyof typeof precisions] : (word as Precision);
}

export const precision = option({
  value: 'TYPE',
  parse: (given): Precision => inFull(precisionWord(given)),
  help: 'what the network computes in: f32, bf16 or f16 (default: what it was trained in)',
});

export const inferencePrecision = option({
  value: 'TYPE',
  parse: (given): InferencePrecision => inFull(inferenceWord(given)),
  help: 'what the network computes in: f32, bf16, f16, or int8 after alexnet quantize (default: what it was trained in)',
});

export const workers = option({
  value: 'N',
  parse: integer({ from: 1, to: 256 }),
  help: 'threads that decode pictures (default: all that the process may use, at most 8)',
});

export const cache = option({
  value: 'DIR|none',
  parse: text,
  help: "folder for decoded pictures, so that later epochs and runs need not decode (default: the user's cache); none: decode in every epoch",
});

export const cacheSize = option({
  value: 'SIZE',
  parse: bytes,
  help: 'the most that the cache may take, e.g. 20GiB (default: half of the free disk)',
});

export const strict = flag('stop at a picture that cannot be decoded instead of leaving it out');

export const seed = option({
  value: 'N',
  parse: integer({ from: 0 }),
  absent: 0,
  help: 'decides all that is random',
});
