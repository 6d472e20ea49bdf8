// Two trainings in one folder: the second is kept out, whichever way it comes.
// Invariant: the folder holds what the first one wrote, and nothing of the second.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openDevice } from '../../lib/tensor/device.js';
import {
  checkpointsIn,
  RunLock,
  Trainer,
  type FitOptions,
  type TrainerOptions,
} from '../../lib/train/index.js';
import { tempFiles } from '../data/temp-folder.js';
import { pictures, smallModel } from './small.js';

const BASE: TrainerOptions = { epochs: 2, batchSize: 5, learningRate: 0.05, deadStartSteps: 0 };
const data = { train: pictures() };

describe('the folder of a training', () => {
  const device = openDevice('cpu');
  after(() => device.dispose());

  async function train(options: TrainerOptions, fit: FitOptions = {}): Promise<void> {
    using model = smallModel({ device });
    await new Trainer(model, { ...BASE, ...options }).run(data, fit);
  }

  it('is one training at a time', async () => {
    const out = tempFiles({});
    using model = smallModel({ device });
    for await (const event of new Trainer(model, { ...BASE, out }).fit(data)) {
      if (event.type !== 'step' || event.step !== 6) continue;
      await assert.rejects(train({ out }), { code: 'ERR_IN_USE', path: out, pid: process.pid });
      using other = smallModel({ device });
      const resumed = await Trainer.resume(out, { device, model: other });
      await assert.rejects(resumed.run(data), { code: 'ERR_IN_USE' });
    }
    assert.equal((await checkpointsIn(out)).length, 2);
    await train({ out });
  });

  it('is free after a training that failed, or whose loop was left', async () => {
    const out = tempFiles({});
    await assert.rejects(train({ out, learningRate: 1e30 }), { code: 'ERR_NON_FINITE' });
    using model = smallModel({ device });
    for await (const { type } of new Trainer(model, { ...BASE, out }).fit(data)) if (type === 'step') break;
    await train({ out });
  });

  it('stays with a caller who has its lock', async () => {
    const out = join(tempFiles({}), 'run');
    {
      await using lock = await RunLock.take(out);
      await train({ out }, { lock });
      await assert.rejects(train({ out }), { code: 'ERR_IN_USE' });
      await assert.rejects(train({ out: tempFiles({}) }, { lock }), { code: 'ERR_ARGUMENT' });
    }
    await train({ out });
  });

  it('is not made for a training that writes nothing', async () => {
    const out = join(tempFiles({}), 'run');
    {
      await using _lock = await RunLock.take(out);
      assert.ok(existsSync(out));
    }
    assert.equal(existsSync(out), false);
  });

  it('is not gone back in, if another process has gone on since the checkpoint was found', async () => {
    const out = tempFiles({});
    await train({ out, epochs: 1 });
    using model = smallModel({ device });
    const late = await Trainer.resume(out, { device, model, epochs: 3 });
    using other = smallModel({ device });
    await (await Trainer.resume(out, { device, model: other, epochs: 2 })).run(data);
    await assert.rejects(late.run(data), /another process has gone on .* Resume again/);
    const steps = (await checkpointsIn(out)).map(({ step }) => step);
    assert.deepEqual(steps, [8, 4]);
  });
});
