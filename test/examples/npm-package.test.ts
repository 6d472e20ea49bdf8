// Reading tar archives, which is how npm packages come.
// Invariant: the archives are written here by the ustar layout, not by the code under test.

import assert from 'node:assert/strict';
import { readTar } from '../../examples/demo/npm-package.js';
import { DataError } from '../../lib/errors.js';

function entry(name: string, contents: string, { type = '0', prefix = '' } = {}): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(`${contents.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write(type, 156);
  header.write('ustar\0', 257);
  header.write(prefix, 345);
  const padded = Buffer.alloc(Math.ceil(contents.length / 512) * 512);
  padded.write(contents);
  return Buffer.concat([header, padded]);
}

describe('readTar', () => {
  it('gives regular files with their paths and contents', () => {
    const archive = Buffer.concat([
      entry('package/', '', { type: '5' }),
      entry('package/a.txt', 'one'),
      entry('b.txt', 'x'.repeat(513), { prefix: 'package/deep' }),
      entry('package/empty', ''),
      Buffer.alloc(1024),
    ]);
    const files = [...readTar(archive)].map(([path, contents]) => [path, Buffer.from(contents).toString()]);
    assert.deepEqual(files, [
      ['package/a.txt', 'one'],
      ['package/deep/b.txt', 'x'.repeat(513)],
      ['package/empty', ''],
    ]);
  });

  it('refuses an archive that ends within a file', () => {
    const archive = entry('package/a.txt', 'x'.repeat(600)).subarray(0, 1000);
    assert.throws(() => [...readTar(archive)], DataError);
  });
});
