// Work in the background: one piece at a time, and all of it, whenever it comes.
// Invariant: moments are turns of the queue of promises, so that each is tried.
import assert from 'node:assert/strict';
import { Tasks } from '../../lib/report/tasks.js';

describe('work in the background', () => {
  it('is done one piece at a time; a piece that waits is replaced by a later one of its kind', async () => {
    const log: string[] = [];
    const tasks = new Tasks((error) => log.push(error.message));
    let release = () => {};
    const first = new Promise<void>((resolve) => (release = resolve));
    tasks.run('a', async () => {
      await first;
      log.push('a1');
    });
    tasks.run('a', async () => void log.push('a2'));
    tasks.run('b', async () => {
      throw new Error('b failed');
    });
    tasks.run('a', async () => void log.push('a3'));
    release();
    await tasks.settled();
    assert.deepEqual(log, ['a1', 'a3', 'b failed']);
  });

  it('is done also where it comes at the moment at which the work before it ends', async () => {
    for (let turns = 0; turns < 20; turns++) {
      const done: string[] = [];
      const tasks = new Tasks((error) => assert.fail(error));
      tasks.run('first', async () => void done.push('first'));
      for (let i = 0; i < turns; i++) await Promise.resolve();
      tasks.run('second', async () => void done.push('second'));
      await tasks.settled();
      assert.deepEqual(done, ['first', 'second'], `after ${turns} turns`);
    }
  });
});
