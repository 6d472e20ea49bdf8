// Which pictures are trained and evaluated on.
// Invariant: only names of files matter here; the files are empty.

import assert from 'node:assert/strict';
import { evaluationPictures, trainingPictures, type Pictures, type Split } from '../../lib/cli/pictures.js';
import { UsageError } from '../../lib/cli/usage-error.js';
import { DataError } from '../../lib/errors.js';
import { tempFiles } from '../data/temp-folder.js';

/** Empty picture files of classes a and b below each folder. */
function folder(...splits: readonly string[]): string {
  const names = splits.flatMap((split) =>
    ['a', 'b'].flatMap((name) => Array.from({ length: 10 }, (_, i) => `${split}/${name}/${i}.png`)),
  );
  return tempFiles(Object.fromEntries(names.map((name) => [name, ''])));
}

function paths(pictures: Pictures): readonly string[] {
  assert.ok('paths' in pictures);
  return [...pictures.paths];
}

const source = { listDir: undefined, valLabels: undefined };
const plain = { val: undefined, holdOut: undefined, seed: 0, ...source };

describe('the pictures of a training', () => {
  it('are held out where there is no validation folder, one of ten of every class by default', async () => {
    const chosen = await trainingPictures({ ...plain, dir: folder('.') });
    assert.deepEqual([paths(chosen.train).length, paths(chosen.validation).length], [18, 2]);
    assert.equal(chosen.source, 'held out: 10 % of every class');
    const half = await trainingPictures({ ...plain, dir: folder('.'), holdOut: 0.5 });
    assert.deepEqual([paths(half.train).length, paths(half.validation).length], [10, 10]);
  });

  it('come from the validation folder, if there is one', async () => {
    const dir = folder('train', 'val');
    const chosen = await trainingPictures({ ...plain, dir });
    assert.deepEqual([paths(chosen.train).length, paths(chosen.validation).length], [20, 20]);
    await assert.rejects(trainingPictures({ ...plain, dir, holdOut: 0.2 }), UsageError);
  });

  it('come from the folder given, which must have the same classes', async () => {
    const dir = folder('.');
    const chosen = await trainingPictures({ ...plain, dir, val: folder('.') });
    assert.deepEqual([paths(chosen.train).length, paths(chosen.validation).length], [20, 20]);
    const val = tempFiles({ 'a/1.png': '', 'c/1.png': '' });
    await assert.rejects(trainingPictures({ ...plain, dir, val }), (error: Error) => {
      assert.ok(error instanceof DataError);
      assert.equal(
        error.message,
        `${val}: its classes are not those of ${dir}: it lacks b; it has c, which ${dir} has not. ` +
          'Give both the same class folders',
      );
      return true;
    });
  });
});

describe('the pictures of an evaluation', () => {
  const choose = async (dir: string, split?: Split, holdOut?: number) => {
    const { files, what } = await evaluationPictures({ dir, split, holdOut, seed: 0, ...source });
    return { files: paths(files), what: what.replace(dir, 'DIR') };
  };

  it('are the test folder, else the validation folder, else all', async () => {
    assert.equal((await choose(folder('train', 'val', 'test'))).what, 'the test folder of DIR');
    assert.equal((await choose(folder('train', 'val'))).what, 'the validation folder of DIR');
    const all = await choose(folder('.'));
    assert.equal(all.what, 'all of DIR, which has neither test nor val');
    assert.equal(all.files.length, 20);
  });

  it('are the split that is asked for', async () => {
    const dir = folder('train', 'val', 'test');
    assert.equal((await choose(dir, 'val')).what, 'the validation folder of DIR');
    assert.equal((await choose(dir, 'train')).what, 'the training folder of DIR');
    assert.equal((await choose(dir, 'test')).what, 'the test folder of DIR');
  });

  it('are what training held out of a folder without splits', async () => {
    const dir = folder('.');
    const trained = await trainingPictures({ ...plain, dir });
    assert.deepEqual((await choose(dir, 'val')).files, paths(trained.validation));
    assert.deepEqual((await choose(dir, 'train')).files, paths(trained.train));
  });

  it('are refused if the folder does not have the split, or --hold-out has no use', async () => {
    await assert.rejects(choose(folder('train', 'val'), 'test'), /--split test: .* has no test folder/);
    await assert.rejects(choose(folder('train', 'val'), 'val', 0.2), UsageError);
    await assert.rejects(choose(folder('.'), undefined, 0.2), UsageError);
  });
});
