// What the device does with memory that is given back: it is cut, joined again, and returned when asked.
// Invariant: sizes in mebibytes; a limit keeps the device from asking for more at once than a tensor needs.
import assert from 'node:assert/strict';
import { fill } from '../../lib/ops/index.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';
import type { Tensor } from '../../lib/tensor/tensor.js';

const MIB = 2 ** 20;

function mebibytes(device: Device, size: number): Tensor {
  return fill(device, { shape: [(size * MIB) / 4], value: 0 });
}

async function memoryOf(device: Device): Promise<{ inUse: number; cached: number }> {
  await device.synchronize();
  const { inUseBytes, cachedBytes } = device.memory();
  return { inUse: inUseBytes / MIB, cached: cachedBytes / MIB };
}

describe('memory that was given back', () => {
  it('serves smaller tensors in parts, and a larger one when all of them are gone', async () => {
    using device = openDevice('cpu', { memoryLimitBytes: 100 * MIB });
    mebibytes(device, 90).dispose();
    assert.deepEqual(await memoryOf(device), { inUse: 0, cached: 90 });
    const parts = [20, 30, 40].map((size) => mebibytes(device, size));
    assert.deepEqual(await memoryOf(device), { inUse: 90, cached: 0 });
    // The middle one last: it has to be joined with both of its neighbours.
    for (const i of [0, 2, 1]) parts[i]!.dispose();
    using whole = mebibytes(device, 90);
    assert.deepEqual(await memoryOf(device), { inUse: 90, cached: 0 });
    assert.equal(whole.disposed, false);
  });

  it('goes back to the system when the device is trimmed, but for what shares a block with a tensor', async () => {
    using device = openDevice('cpu', { memoryLimitBytes: 100 * MIB });
    mebibytes(device, 60).dispose();
    using part = mebibytes(device, 20);
    device.trim();
    assert.deepEqual(await memoryOf(device), { inUse: 20, cached: 40 });
    part.dispose();
    device.trim();
    assert.deepEqual(await memoryOf(device), { inUse: 0, cached: 0 });
  });

  it('makes room for a tensor that fits the limit', async () => {
    using device = openDevice('cpu', { memoryLimitBytes: 100 * MIB });
    mebibytes(device, 60).dispose();
    using other = mebibytes(device, 80);
    assert.deepEqual(await memoryOf(device), { inUse: 80, cached: 0 });
    assert.equal(other.size, 20 * MIB);
  });

  it('is one block for large tensors of a device without a limit', async () => {
    using device = openDevice('cpu');
    const tensors = [17, 33, 65].map((size) => mebibytes(device, size));
    const before = await memoryOf(device);
    for (const tensor of tensors) tensor.dispose();
    using whole = mebibytes(device, 110);
    const { inUse, cached } = await memoryOf(device);
    assert.equal(inUse + cached, before.inUse + before.cached);
    assert.equal(whole.disposed, false);
  });
});
