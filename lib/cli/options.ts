// Options that several commands take.
// Invariant: the same option means the same in every command.

import { flag, option } from './args.js';
import { bytes, integer, oneOf } from './values.js';

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

export const workers = option({
  value: 'N',
  parse: integer({ from: 1, to: 256 }),
  help: 'threads that decode pictures (default: all that the process may use, at most 8)',
});

export const cacheSize = option({
  value: 'SIZE',
  parse: bytes,
  help: 'memory for decoded pictures, e.g. 2GiB, 500MB, 0 (default 1GiB); pictures that do not fit are decoded again in every epoch',
});

export const strict = flag('stop at a picture that cannot be decoded instead of leaving it out');

export const seed = option({
  value: 'N',
  parse: integer({ from: 0 }),
  absent: 0,
  help: 'decides all that is random',
});
