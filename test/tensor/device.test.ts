// Devices: opening, describing, memory and its limit, closing.
// Invariant: memory that is asked for comes back to zero; a device that ran out of it goes on working.
import assert from 'node:assert/strict';
import { ArgumentError, DisposedError, NativeError } from '../../lib/errors.js';
import {
  conv2d,
  conv2dBackwardData,
  conv2dBackwardWeights,
  fill,
  maxPool2d,
  relu,
  sum,
} from '../../lib/ops/index.js';
import { openDevice, type Device, type DeviceOptions } from '../../lib/tensor/device.js';

const MEBIBYTE = 2 ** 20;

describe('openDevice', () => {
  it('opens the CPU unless told otherwise', () => {
    using device = openDevice();
    assert.equal(device.kind, 'cpu');
  });

  it("finds the best device with 'auto'", () => {
    using device = openDevice('auto');
    assert.ok(['cpu', 'cuda'].includes(device.kind));
  });

  it('describes the device', () => {
    using device = openDevice('cpu', { threads: 2 });
    const { kind, properties } = device.info;
    assert.equal(kind, 'cpu');
    assert.equal(properties['threads'], '2');
    assert.match(properties['oneDNN']!, /^\d+\.\d+\.\d+$/);
    assert.ok(properties['instructionSet']);
  });

  it('names the devices there are when it is asked for another', () => {
    assert.throws(() => openDevice('tpu' as 'cpu'), {
      code: 'ERR_ARGUMENT',
      message: "openDevice: no device 'tpu'; there are 'cpu', 'cuda' and 'auto'.",
    });
  });

  for (const options of [
    { threads: 0 },
    { threads: -1 },
    { threads: 1.5 },
    { threads: NaN },
    { threads: 100_000 },
    { memoryLimitBytes: -1 },
    { memoryLimitBytes: 0.5 },
    { memoryLimitBytes: Infinity },
  ] as const satisfies readonly DeviceOptions[]) {
    const [[name, value]] = Object.entries(options) as [[string, number]];
    it(`refuses ${name} of ${value}`, () => {
      assert.throws(
        () => openDevice('cpu', options),
        (error: Error) => {
          assert.ok(error instanceof ArgumentError);
          assert.match(error.message, new RegExp(`^openDevice: ${name} must be .* got ${value}\\.$`));
          return true;
        },
      );
    });
  }
});

/** A convolution forwards and backwards, and a pooling: ops with scratchpads and saved state. */
function work(device: Device): void {
  device.scope(() => {
    const x = fill(device, { shape: [2, 20, 30, 30], value: 1 });
    const w = fill(device, { shape: [20, 20, 3, 3], value: 1 });
    const y = conv2d(x, w);
    maxPool2d(y, { kernelSize: 2, training: true });
    conv2dBackwardData(y, w, { inputShape: x.shape });
    conv2dBackwardWeights(x, y, { weightShape: w.shape });
  });
}

describe("a device's memory", () => {
  let device: Device;
  beforeEach(() => {
    device = openDevice('cpu');
  });
  afterEach(() => device.dispose());

  it('is used by tensors, and free when they are disposed', async () => {
    const x = fill(device, { shape: [MEBIBYTE], value: 1 });
    await device.synchronize();
    const { inUseBytes, limitBytes } = device.memory();
    assert.ok(inUseBytes >= 4 * MEBIBYTE && inUseBytes < 5 * MEBIBYTE, `${inUseBytes} in use`);
    assert.equal(limitBytes, 0);
    x.dispose();
    await device.synchronize();
    assert.equal(device.memory().inUseBytes, 0);
  });

  it('is not used twice by a share, nor by a reshape', async () => {
    using x = fill(device, { shape: [MEBIBYTE], value: 1 });
    using shared = x.share();
    await device.synchronize();
    assert.ok(device.memory().inUseBytes < 5 * MEBIBYTE);
    x.dispose();
    await device.synchronize();
    assert.ok(device.memory().inUseBytes >= 4 * MEBIBYTE);
    shared.dispose();
    await device.synchronize();
    assert.equal(device.memory().inUseBytes, 0);
  });

  it('comes back to zero after convolutions and pooling', async () => {
    const { tensors } = device.memory();
    work(device);
    await device.synchronize();
    assert.equal(device.memory().inUseBytes, 0);
    assert.equal(device.memory().tensors, tensors);
  });

  it('is asked for once and used again and again', async () => {
    for (let i = 0; i < 2; i++) work(device);
    await device.synchronize();
    const { cachedBytes, peakBytes } = device.memory();
    for (let i = 0; i < 10; i++) work(device);
    await device.synchronize();
    assert.equal(device.memory().cachedBytes, cachedBytes);
    assert.equal(device.memory().peakBytes, peakBytes);
  });

  it('is given back to the system by trim', async () => {
    work(device);
    await device.synchronize();
    assert.ok(device.memory().cachedBytes > 0);
    device.trim();
    await device.synchronize();
    assert.equal(device.memory().cachedBytes, 0);
  });

  it('counts the live tensors', () => {
    const { tensors } = device.memory();
    const x = fill(device, { shape: [1], value: 1 });
    assert.equal(device.memory().tensors, tensors + 1);
    x.dispose();
    assert.equal(device.memory().tensors, tensors);
  });
});

describe("a device's memory limit", () => {
  let device: Device;
  beforeEach(() => {
    device = openDevice('cpu', { memoryLimitBytes: 4 * MEBIBYTE });
  });
  afterEach(() => device.dispose());

  function assertOutOfMemory(error: unknown, where: { op: string; label: string }): true {
    assert.ok(error instanceof NativeError, String(error));
    assert.equal(error.code, 'ERR_OUT_OF_MEMORY');
    assert.deepEqual({ op: error.op, label: error.label }, where);
    return true;
  }

  it('fails an op that needs more, naming op and label, what is in use and what to do', async () => {
    using held = fill(device, { shape: [MEBIBYTE / 2], value: 1 });
    using x = fill(device, { shape: [MEBIBYTE], value: 1, label: 'big' });
    await assert.rejects(x.data(), (error: Error) => {
      const message =
        /^big \(fill\): out of memory: asked for 4 MiB with 2 MiB in use and a limit of 4 MiB; try a smaller batch/;
      assert.match(error.message, message);
      return assertOutOfMemory(error, { op: 'fill', label: 'big' });
    });
    assert.deepEqual((await held.data()).slice(0, 2), Float32Array.of(1, 1));
  });

  it('fails an upload that needs more', async () => {
    using x = device.tensor(new Float32Array(2 * MEBIBYTE), { shape: [2 * MEBIBYTE] });
    await assert.rejects(x.data(), (error) => assertOutOfMemory(error, { op: 'upload', label: '' }));
  });

  it('fails what depends on the op that failed by the same name, and nothing else', async () => {
    using small = fill(device, { shape: [10], value: 2 });
    using big = fill(device, { shape: [2 * MEBIBYTE], value: 1, label: 'conv1' });
    using total = sum(big);
    await assert.rejects(total.item(), (error) => assertOutOfMemory(error, { op: 'fill', label: 'conv1' }));
    using y = relu(small);
    assert.equal((await y.data())[0], 2);
  });

  it('lets the device work on, within the limit, as often as one likes', async () => {
    for (let i = 0; i < 3; i++) {
      using big = fill(device, { shape: [2 * MEBIBYTE], value: 1 });
      await assert.rejects(big.data(), NativeError);
      using fits = fill(device, { shape: [MEBIBYTE / 2], value: i });
      assert.equal((await fits.data())[7], i);
    }
    await device.synchronize();
    assert.equal(device.memory().inUseBytes, 0);
  });

  it('counts cached memory, and gives it up for what is needed', async () => {
    fill(device, { shape: [MEBIBYTE * 0.75], value: 1 }).dispose();
    using x = fill(device, { shape: [MEBIBYTE * 0.5], value: 3 });
    assert.equal((await x.data())[0], 3);
    const { cachedBytes, inUseBytes, limitBytes } = device.memory();
    assert.equal(limitBytes, 4 * MEBIBYTE);
    assert.ok(cachedBytes + inUseBytes <= limitBytes);
  });
});

describe('a device that was disposed', () => {
  it('does nothing more, and says so', async () => {
    const device = openDevice('cpu');
    const x = device.tensor([1], { shape: [1] });
    device.dispose();
    assert.equal(device.disposed, true);
    const used = { code: 'ERR_DISPOSED', message: 'The cpu device was used after it was disposed.' };
    assert.throws(() => device.tensor([1], { shape: [1] }), used);
    assert.throws(() => relu(x), used);
    assert.throws(() => device.memory(), used);
    assert.throws(() => device.trim(), used);
    assert.throws(() => device.info, used);
    await assert.rejects(x.data(), used);
    await assert.rejects(device.synchronize(), used);
    await assert.rejects(device.plans(), DisposedError);
  });

  it('can be disposed again, and its tensors too', () => {
    const device = openDevice('cpu');
    const x = device.tensor([1], { shape: [1] });
    device.dispose();
    device.dispose();
    x.dispose();
    assert.equal(x.disposed, true);
  });

  it('finishes what it was asked for before', async () => {
    const device = openDevice('cpu');
    const pending = Promise.all([
      fill(device, { shape: [3], value: 4 }).data(),
      device.synchronize(),
      device.plans(),
    ]);
    device.dispose();
    assert.deepEqual((await pending)[0], Float32Array.of(4, 4, 4));
  });

  it('leaves other devices alone', async () => {
    const device = openDevice('cpu');
    using other = openDevice('cpu');
    using x = fill(other, { shape: [1], value: 6 });
    device.dispose();
    assert.equal(await x.item(), 6);
  });
});
