// Training that is killed at random moments, and goes on where it was. `npm run soak:resume` does this for long.
// Invariant: the weights are those of a training that nobody killed, bit for bit.
import assert from 'node:assert/strict';
import { tempFiles } from '../data/temp-folder.js';
import { canTrain, trainKilled } from './killing.js';

describe('a training that is killed', () => {
  for (const [setup, mostKills] of [
    [{ threads: 1, precision: 'float32' }, 1],
    [{ threads: 2, precision: 'float32' }, 3],
    [{ threads: 1, precision: 'bfloat16' }, 1],
    [{ threads: 2, precision: 'bfloat16' }, 2],
  ] as const) {
    const { threads, precision } = setup;
    const what = `up to ${mostKills} times in ${precision} with ${threads} thread(s)`;
    it(`${what} ends with the weights of one that was not`, async function () {
      if (!canTrain(precision)) return this.skip();
      const [whole, killed] = await Promise.all([
        trainKilled(tempFiles({}), { ...setup, mostKills: 0, seed: 0 }),
        trainKilled(tempFiles({}), { ...setup, mostKills, seed: threads }),
      ]);
      assert.ok(killed.kills > 0);
      assert.equal(killed.result, whole.result);
    });
  }
});
