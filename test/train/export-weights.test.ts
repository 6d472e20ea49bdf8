// Weights that are taken out of a training's folder.
// Invariant: they are those that the training predicts with, bit for bit, and there is nothing else in the file.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSafetensors, writeSafetensors } from '../../lib/io/safetensors.js';
import { loadWeights, saveModel } from '../../lib/models/index.js';
import { openDevice } from '../../lib/tensor/device.js';
import { exportWeights, Trainer } from '../../lib/train/index.js';
import { tempFiles } from '../data/temp-folder.js';
import { pictures, smallModel } from './small.js';

describe('exportWeights', () => {
  const device = openDevice('cpu');
  let out: string;
  let exported: string;
  let saved: string;
  before(async () => {
    out = tempFiles({});
    [exported, saved] = [join(out, 'weights.safetensors'), join(out, 'saved.safetensors')];
    using model = smallModel({ device });
    const options = { epochs: 2, batchSize: 5, learningRate: 0.05, deadStartSteps: 0 };
    await new Trainer(model, { ...options, averaging: { decay: 0.5 }, out }).run({ train: pictures() });
    await saveModel(model, saved);
  });
  after(() => device.dispose());

  it('gives the averages, classes and preprocessing, as the model of the training has them', async () => {
    const { from, bytes } = await exportWeights(join(out, 'last.safetensors'), exported);
    assert.equal(from, join(out, 'last.safetensors'));
    assert.equal(bytes, readFileSync(exported).length);
    await using file = await openSafetensors(exported);
    await using expected = await openSafetensors(saved);
    const { notes, ...metadata } = file.metadata;
    assert.deepEqual({ ...metadata }, { ...expected.metadata });
    assert.equal((JSON.parse(notes!) as { epoch: number }).epoch, 2);
    assert.deepEqual(file.entries, expected.entries);
    for (const { name } of file.entries) assert.deepEqual(await file.read(name), await expected.read(name));
  });

  it('takes the best weights of a folder, and gives a file that is exported to itself', async () => {
    assert.equal((await exportWeights(out, exported)).from, join(out, 'best.safetensors'));
    const again = join(out, 'again.safetensors');
    await exportWeights(exported, again);
    assert.deepEqual(readFileSync(again), readFileSync(exported));
    using model = smallModel({ device }, { seed: 9 });
    await loadWeights(model, again, { device });
  });

  it('refuses what is damaged, and what is no model', async () => {
    const target = join(out, 'never.safetensors');
    const bytes = readFileSync(join(out, 'last.safetensors'));
    const damaged = join(out, 'damaged.safetensors');
    writeFileSync(damaged, bytes.with(bytes.length - 100, bytes.at(-100)! ^ 1));
    await assert.rejects(exportWeights(damaged, target), { code: 'ERR_FILE', path: damaged });
    truncateSync(damaged, 1000);
    await assert.rejects(exportWeights(damaged, target), { code: 'ERR_FILE' });
    await writeSafetensors(damaged, []);
    await assert.rejects(exportWeights(damaged, target), /is a safetensors file, but not a model/);
    await assert.rejects(exportWeights(join(out, 'no'), target), /there is no such folder or file/);
    assert.equal(existsSync(target), false);
  });
});
