// The sheet that shows what training sees.
// Invariant: pictures are generated; sheets are read back with the package's own decoder.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeFile } from '../../lib/data/decode.js';
import { tempFiles } from '../data/temp-folder.js';
import { alexnet, colourPictures } from './run-cli.js';

const CELL = 256 + 4;

describe('alexnet augment', () => {
  const cwd = tempFiles(
    Object.fromEntries(Object.entries(colourPictures(2)).map(([path, data]) => [`pictures/${path}`, data])),
  );
  const sheet = (...more: readonly string[]) =>
    alexnet(['augment', 'pictures', '--threads', '2', ...more], { cwd });

  it('writes a row a picture: the stored square, then samples', async () => {
    const { code, stdout, stderr } = await sheet('--pictures', '3', '--samples', '2', '--sheet', 'a.png');
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'a.png: 3 pictures, 2 samples each\n');
    const { width, height, data } = await decodeFile(join(cwd, 'a.png'));
    assert.deepEqual([width, height], [4 + 3 * CELL, 4 + 3 * CELL]);
    const middle = (row: number, column: number): number[] => {
      const at = ((4 + row * CELL + 128) * width + 4 + column * CELL + 128) * 3;
      return [...data.subarray(at, at + 3)];
    };
    // One picture of each class: blue, green, red is the largest of its colours, in all columns.
    for (const [row, channel] of [2, 1, 0].entries()) {
      for (let column = 0; column < 3; column++) {
        const colour = middle(row, column);
        assert.equal(colour.indexOf(Math.max(...colour)), channel, `${row}, ${column}: ${colour.join()}`);
      }
    }
  });

  it('says where it cannot write, without a stack', async () => {
    const { code, stderr } = await sheet('--pictures', '1', '--samples', '1', '--sheet', 'nowhere/a.png');
    assert.equal(code, 1);
    assert.match(stderr, /^error: nowhere\/a.png: cannot be written: ENOENT.*\n$/);
  });

  it('draws by the seed', async () => {
    for (const [name, seed] of [
      ['b', '1'],
      ['c', '1'],
      ['d', '2'],
    ] as const) {
      const how = ['--pca-colour', '--resized-crop', '--erasing', '--input-size', '64'];
      const { code, stderr } = await sheet(
        '--pictures',
        '2',
        '--sheet',
        `${name}.png`,
        '--seed',
        seed,
        ...how,
      );
      assert.equal(code, 0, stderr);
    }
    const bytes = (name: string): Buffer => readFileSync(join(cwd, `${name}.png`));
    assert.deepEqual(bytes('b'), bytes('c'));
    assert.notDeepEqual(bytes('b'), bytes('d'));
  });
});
