// What the command line writes.
// Invariant: what is said to be typed next can be typed.

import assert from 'node:assert/strict';
import { shellWord } from '../../lib/cli/output.js';

describe('shellWord', () => {
  for (const [path, word] of [
    ['runs/first', 'runs/first'],
    ['my run', "'my run'"],
    ["it's", "'it'\\''s'"],
    ['-run', './-run'],
    ['--my run', "'./--my run'"],
  ] as const) {
    it(`writes ${path} as ${word}`, () => assert.equal(shellWord(path), word));
  }
});
