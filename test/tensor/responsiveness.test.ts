// JavaScript never waits for arithmetic: describing work is quick, and timers go off while it is done.
// Invariant: counts what happened during the work instead of timing it, so that a busy machine changes nothing.
import assert from 'node:assert/strict';
import { conv2d, fill } from '../../lib/ops/index.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';
import type { Tensor } from '../../lib/tensor/tensor.js';

/** A chain of convolutions, each a billion multiply-accumulates: some ten milliseconds. */
function heavy(device: Device, length: number): Tensor<'float32'> {
  return device.scope(() => {
    const w = fill(device, { shape: [64, 64, 3, 3], value: 1e-3 });
    let y: Tensor<'float32', readonly [number, number, number, number]> = fill(device, {
      shape: [8, 64, 56, 56],
      value: 1,
    });
    for (let i = 0; i < length; i++) y = conv2d(y, w, { padding: 1 });
    return y;
  });
}

describe('the event loop', () => {
  it('goes on while the device works', async () => {
    using device = openDevice('cpu');
    let [done, ticks] = [false, 0];
    const timer = setInterval(() => (ticks += done ? 0 : 1), 1);
    using y = heavy(device, 15);
    await y.data();
    done = true;
    clearInterval(timer);
    // Were the loop held up by the work, not one timer would go off before its end.
    assert.ok(ticks >= 10, `${ticks} timers`);
  });

  it('gets a call back long before the work it describes is done', async () => {
    using device = openDevice('cpu');
    let done = false;
    using first = heavy(device, 10);
    const work = first.data().then(() => (done = true));
    using second = heavy(device, 10);
    second.dispose();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(done, false);
    await work;
  });
});
