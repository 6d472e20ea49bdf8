// V8 is told of the memory that tensors keep alive, so that it collects forgotten ones, and not of tensors that
// come and go, since every report of growth makes it collect garbage, a pause for every timer.
// Invariant: counts collections and tensors; measures no time.
import assert from 'node:assert/strict';
import { constants, PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';
import { fill } from '../../lib/ops/index.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';

const MEBIBYTE = 2 ** 20;

function tensorOf(device: Device, bytes: number): Disposable {
  return fill(device, { shape: [bytes / 4], value: 0 });
}

/** Full collections while `work` runs. */
async function collectionsDuring(work: () => Promise<void>): Promise<number> {
  let count = 0;
  const observer = new PerformanceObserver((list) => {
    const entries = list.getEntries() as (PerformanceEntry & { detail: { kind: number } })[];
    count += entries.filter(({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR).length;
  });
  observer.observe({ entryTypes: ['gc'] });
  await work();
  await setImmediate();
  observer.disconnect();
  return count;
}

describe('the memory that V8 knows of', () => {
  it('grows with tensors that are forgotten, so that they are collected', async () => {
    using device = openDevice('cpu');
    for (let i = 0; i < 100; i++) {
      tensorOf(device, 32 * MEBIBYTE);
      await device.synchronize();
    }
    const { tensors } = device.memory();
    assert.ok(tensors < 90, `${tensors} of 100 tensors are still held`);
  });

  it('stays the same while tensors come and go', async () => {
    using device = openDevice('cpu');
    using _weights = tensorOf(device, 128 * MEBIBYTE);
    const step = async () => {
      using _activations = tensorOf(device, 128 * MEBIBYTE);
      await device.synchronize();
    };
    await step();
    const collections = await collectionsDuring(async () => {
      for (let i = 0; i < 50; i++) await step();
    });
    assert.ok(collections <= 2, `${collections} collections in 50 steps`);
  });
});
