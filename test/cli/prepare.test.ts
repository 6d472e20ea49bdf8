// `alexnet prepare`, and what train and evaluate do with its stores.
// Invariant: every command runs in a process of its own, as its users run it.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { tempFiles, tempFolder } from '../data/temp-folder.js';
import { alexnet, colourPictures, eventsOf, SMALL } from './run-cli.js';

/** What 67 pixels of input are cropped from. */
const SIDE = '76';

describe('alexnet prepare', () => {
  it('makes a store that trains to the same numbers as its folder, without a pass for the mean', async () => {
    const dir = tempFiles(colourPictures(6));
    const folder = tempFolder();
    const store = join(folder, 'store');
    const prepared = await alexnet(['prepare', dir, '--out', store, '--side', SIDE]);
    assert.deepEqual([prepared.code, prepared.stderr], [0, '']);
    assert.match(
      prepared.stdout,
      /store is complete: 18 pictures \(18 train\), [\d.]+ KiB\nnext: alexnet train /,
    );
    const again = await alexnet(['prepare', dir, '--out', store, '--side', SIDE, '--json']);
    const { status, pictures, failures } = JSON.parse(again.stdout) as Record<string, unknown>;
    assert.deepEqual([status, pictures, failures], ['complete', { train: 18 }, []]);

    const trained = async (source: string, name: string) => {
      const run = join(folder, name);
      const args = [source, '--val', source, '--out', run, '--epochs', '1', '--json', '--quiet', ...SMALL];
      const { code, stdout, stderr } = await alexnet(['train', ...args]);
      assert.deepEqual([code, stderr], [0, '']);
      const events = eventsOf(stdout);
      const losses = events.filter(({ type }) => type === 'step').map(({ loss }) => loss);
      return { run, losses, means: events.filter(({ type }) => type === 'preparing').length };
    };
    const fromFolder = await trained(dir, 'folder-run');
    const fromStore = await trained(store, 'store-run');
    assert.equal(fromFolder.losses.length, 3);
    assert.deepEqual(fromStore.losses, fromFolder.losses);
    assert.deepEqual([fromFolder.means > 0, fromStore.means], [true, 0]);

    const evaluated = await alexnet(['evaluate', fromStore.run, store]);
    assert.equal(evaluated.code, 0, evaluated.stderr);
    assert.match(evaluated.stdout, /on 18 pictures: all of .*store, which has neither test nor val/);
  });

  it('lists what it left out, and stops there with --strict', async () => {
    const dir = tempFiles({ ...colourPictures(2), 'red/broken.png': 'no picture' });
    const store = join(tempFolder(), 'store');
    const args = ['prepare', dir, '--out', store, '--side', '8'];
    const strict = await alexnet([...args, '--strict']);
    assert.deepEqual([strict.code, strict.stdout], [1, '']);
    assert.match(strict.stderr, /^error: .*broken\.png: it is not a picture/);
    const { code, stdout, stderr } = await alexnet(args);
    assert.equal(code, 0);
    assert.match(stderr, /^left out red\/broken\.png: it is not a picture/);
    assert.match(stdout, /6 pictures \(6 train\)/);
  });

  it('is asked for where a store has another side, and needs --out', async () => {
    const dir = tempFiles(colourPictures(2));
    const store = join(tempFolder(), 'store');
    const prepared = await alexnet(['prepare', dir, '--out', store, '--side', '8', '--workers', '1']);
    assert.equal(prepared.code, 0);
    const refused = await alexnet(['train', store, '--out', join(tempFolder(), 'run'), ...SMALL]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /holds pictures of 8 pixels, the model takes 76: .* --side 76/);
    const none = await alexnet(['prepare', dir]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /--out is missing: give a folder for the store/);
  });
});
