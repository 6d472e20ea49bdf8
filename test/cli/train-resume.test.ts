// What a checkpoint remembers of the command line.
// Invariant: a training can be resumed from any folder.

import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { configurationOf, type PlannedArguments } from '../../lib/cli/train-resume.js';

describe('what a checkpoint remembers of the arguments', () => {
  const remembered = (args: Partial<PlannedArguments>) =>
    configurationOf({ dir: 'pictures', ...args } as PlannedArguments, { side: 256, size: 227 }).arguments;

  it('are whole paths, wherever training is resumed', () => {
    const places = { dir: 'pictures', val: 'val', listDir: '..', valLabels: 'val.txt', cache: 'cache' };
    assert.deepEqual(
      remembered(places),
      Object.fromEntries(Object.entries(places).map(([name, path]) => [name, resolve(path)])),
    );
  });

  it('is no path where nothing is cached, and nothing that was not given', () => {
    assert.deepEqual(remembered({ cache: 'none' }), { dir: resolve('pictures'), cache: 'none' });
    assert.deepEqual(remembered({ epochs: 3 }), { dir: resolve('pictures'), epochs: 3 });
  });

  it('leaves out how a session shows itself', () => {
    assert.deepEqual(remembered({ quiet: true, json: true, out: 'run' }), { dir: resolve('pictures') });
  });
});
