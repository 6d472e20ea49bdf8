// Training that is killed at random moments, and goes on where it was. `npm run soak:resume` does this for long.
// Invariant: the weights are those of a training that nobody killed, bit for bit.
import assert from 'node:assert/strict';
import { tempFiles } from '../data/temp-folder.js';
import { trainKilled } from './killing.js';

describe('a training that is killed', () => {
  for (const [threads, mostKills] of [
    [1, 1],
    [2, 3],
  ] as const) {
    it(`up to ${mostKills} times with ${threads} thread(s) ends with the weights of one that was not`, async () => {
      const [whole, killed] = await Promise.all([
        trainKilled(tempFiles({}), { threads, mostKills: 0, seed: 0 }),
        trainKilled(tempFiles({}), { threads, mostKills, seed: threads }),
      ]);
      assert.ok(killed.kills > 0);
      assert.equal(killed.result, whole.result);
    });
  }
});
