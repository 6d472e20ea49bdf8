// Profiles of a device: what it did, in order, with time and memory.
// Invariant: nothing is asserted of how long anything took, only of what was done and what it held.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { conv2d, fill, relu } from '../../lib/ops/index.js';
import { openTarget, testTargets } from '../helpers/devices.js';

for (const target of testTargets) {
  describe(`a profile on ${target}`, () => {
    it('has every operation and mark in order, with its label, and nothing from before or after', async () => {
      using device = openTarget(target);
      using x = fill(device, { shape: [4], value: 1 });
      device.startProfile();
      using y = relu(x, { label: 'relu1' });
      device.markProfile('half');
      using z = relu(y, { label: 'relu2' });
      await z.data();
      const { entries, dropped } = await device.stopProfile();
      using after = relu(z);
      await after.data();
      assert.deepEqual(
        entries.map(({ op, label }) => [op, label]),
        [
          ['reluForward', 'relu1'],
          ['mark', 'half'],
          ['reluForward', 'relu2'],
          ['download', ''],
        ],
      );
      assert.equal(dropped, 0);
      const starts = entries.map(({ startMs }) => startMs);
      assert.deepEqual(
        starts,
        [...starts].sort((a, b) => a - b),
      );
      assert.ok(entries.every(({ startMs, durationMs }) => startMs >= 0 && durationMs >= 0));
    });

    it('says what an operation keeps, and what it holds for a while', async () => {
      using device = openTarget(target);
      using x = fill(device, { shape: [2, 16, 32, 32], value: 1 });
      using w = fill(device, { shape: [16, 16, 3, 3], value: 1 });
      device.startProfile();
      using y = conv2d(x, w, { padding: 1, label: 'conv' });
      const { entries } = await device.stopProfile();
      const [conv] = entries;
      assert.equal(y.size, 2 * 16 * 32 * 32);
      // The output, and whatever layout the weights are moved into.
      assert.ok(conv!.keptBytes >= y.size * 4, `${conv!.keptBytes}`);
      assert.ok(conv!.scratchBytes >= 0);
    });

    it('leaves out an operation that failed', async () => {
      using device = openTarget(target, { memoryLimitBytes: 2 ** 20 });
      device.startProfile();
      using large = fill(device, { shape: [2 ** 20], value: 1 });
      await assert.rejects(large.data(), { code: 'ERR_OUT_OF_MEMORY' });
      assert.deepEqual((await device.stopProfile()).entries, []);
    });

    it('stops writing when it is full, and says how much it left out', async () => {
      using device = openTarget(target);
      device.startProfile();
      for (let i = 0; i < 16_384 + 3; i++) device.markProfile('mark');
      const { entries, dropped } = await device.stopProfile();
      assert.deepEqual([entries.length, dropped], [16_384, 3]);
    });

    it('is one at a time', async () => {
      using device = openTarget(target);
      await assert.rejects(device.stopProfile(), ArgumentError);
      device.startProfile();
      assert.throws(() => device.startProfile(), ArgumentError);
      await device.stopProfile();
      device.startProfile();
      assert.deepEqual((await device.stopProfile()).entries, []);
    });
  });
}
