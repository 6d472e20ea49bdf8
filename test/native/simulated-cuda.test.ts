// The cuda backend when things go wrong, on the simulated GPU, which can be told to fail; and that GPU's own rules.
// Invariant: a failure reaches whoever awaits, names what to do, and leaves the process alive.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { conv2d, fill, relu, sum } from '../../lib/ops/index.js';
import type { Device } from '../../lib/tensor/device.js';
import { tempFiles } from '../data/temp-folder.js';
import { openTarget } from '../helpers/devices.js';
import { hashNdArray } from '../helpers/reference.js';
import { runScript, type Ended } from '../helpers/run-script.js';
import { assertClose } from '../helpers/compare.js';
import { failCall, isSimulatorBuilt, simulatorFolder, useSimulator } from '../helpers/simulator.js';

const CUDA_ERROR_OUT_OF_MEMORY = 2;
const CUDA_ERROR_LAUNCH_FAILED = 719;
const CUDNN_STATUS_NOT_SUPPORTED = 3000;

describe('the simulated GPU', () => {
  before(function () {
    if (!isSimulatorBuilt()) this.skip();
  });

  it('notices every rule that is broken, and none that is kept', async () => {
    const program = path.join(simulatorFolder, 'simulated-driver-test');
    const { stdout } = await promisify(execFile)(program).catch((error: { stdout: string }) => error);
    const lines = stdout.trim().split('\n');
    assert.ok(lines.length > 20, stdout);
    assert.deepEqual(
      lines.filter((line) => !line.startsWith('ok - ')),
      [],
    );
  });

  it('says in the description of the device that it is no card', () => {
    using device = openTarget('simulated cuda');
    assert.equal(device.info.properties['gpu'], 'Simulated GPU (no card)');
  });
});

describe('the cuda device (simulated)', () => {
  let device: Device;
  before(function () {
    if (!isSimulatorBuilt()) this.skip();
  });
  beforeEach(() => {
    useSimulator().reset();
    device = openTarget('simulated cuda');
  });
  afterEach(async () => {
    device.trim();
    await device.synchronize().catch(() => {});
    device.dispose();
    const violations = useSimulator().violations();
    useSimulator().reset();
    assert.deepEqual(violations, []);
  });

  const array = (shape: readonly number[], seed: number) =>
    device.tensor(Float32Array.from(hashNdArray({ shape, seed, low: -1, high: 1 }).data), {
      shape: shape as readonly [number, number, number, number],
    });

  function convolution(channels: number) {
    using x = array([2, channels, 6, 6], 1);
    using w = array([8, channels, 3, 3], 2);
    using b = fill(device, { shape: [8], value: 0.1 });
    return conv2d(x, w, { b, padding: 1, relu: true, label: 'conv2' });
  }

  it('says how much was asked for, how much is in use and what to try when memory runs out', async () => {
    useSimulator().configure({ memoryBytes: 64 * 2 ** 20 });
    using held = fill(device, { shape: [8, 2 ** 20], value: 1 });
    using lost = fill(device, { shape: [16, 2 ** 20], value: 1, label: 'large' });
    await assert.rejects(lost.data(), {
      code: 'ERR_OUT_OF_MEMORY',
      message: /large.*64 MiB.*32 MiB.*smaller batch/s,
    });
    using total = sum(held);
    assert.equal(await total.item(), 8 * 2 ** 20);
  });

  it('gives up cached memory before it runs out', async () => {
    fill(device, { shape: [2 ** 20], value: 1 }).dispose();
    await device.synchronize();
    failCall({ call: 'cuMemAlloc', error: CUDA_ERROR_OUT_OF_MEMORY });
    using larger = fill(device, { shape: [2 ** 21], value: 2 });
    using total = sum(larger);
    assert.equal(await total.item(), 2 ** 22);
  });

  it('names layer, shapes, type and ways out when cuDNN has no plan, and goes on', async () => {
    failCall({ call: 'cudnnBackendFinalize heuristics', times: 1000, error: CUDNN_STATUS_NOT_SUPPORTED });
    using lost = convolution(4);
    await assert.rejects(lost.data(), {
      code: 'ERR_UNSUPPORTED',
      label: 'conv2',
      message: /\[2, 4, 6, 6\].*\[8, 4, 3, 3\].*float32.*'cpu' device/s,
    });
    using x = array([4, 2, 2, 2], 3);
    using y = relu(x);
    assert.equal((await y.data()).length, 32);
  });

  it('computes the same without the fused plan', async () => {
    using fused = convolution(4);
    const expected = await fused.data();
    assert.match((await device.plans())[0]!.implementation, /fused/);
    device.dispose();
    device = openTarget('simulated cuda');
    // Both kinds of heuristics refuse the first graph that is tried.
    failCall({ call: 'cudnnBackendFinalize heuristics', times: 2, error: CUDNN_STATUS_NOT_SUPPORTED });
    using plain = convolution(4);
    const actual = await plain.data();
    assert.doesNotMatch((await device.plans())[0]!.implementation, /fused/);
    assertClose(actual, expected, { rtol: 1e-6, atol: 1e-6, what: 'without fusion' });
  });

  it('measures the plans of a convolution once, and keeps the choice in a file for the next device', async () => {
    const planFile = path.join(tempFiles({}), 'plans.txt');
    const run = async () => {
      device.dispose();
      device = openTarget('simulated cuda', { cuda: { measurePlans: true, planFile } });
      useSimulator().reset();
      using y = convolution(4);
      const values = await y.data();
      const [plan] = await device.plans();
      return { values, plan, executions: useSimulator().calls()['cudnnBackendExecute'] ?? 0 };
    };
    const first = await run();
    const lines = (await readFile(planFile, 'utf8')).trim().split('\n');
    assert.equal(lines.length, 1);
    const second = await run();
    assert.ok(first.executions > second.executions, `${first.executions} runs, then ${second.executions}`);
    assert.equal(second.executions, 1);
    assert.deepEqual(second.plan, first.plan);
    assert.deepEqual(second.values, first.values);
    assert.equal((await readFile(planFile, 'utf8')).trim().split('\n').length, 1);
  });

  it('does without what it does not understand in a plan file', async () => {
    const planFile = path.join(
      tempFiles({ 'plans.txt': 'no plan\n\t\t\nanother GPU\ta problem\t7\n' }),
      'plans.txt',
    );
    using expected = convolution(4);
    const values = await expected.data();
    device.dispose();
    device = openTarget('simulated cuda', { cuda: { planFile } });
    using y = convolution(4);
    assert.deepEqual(await y.data(), values);
    assert.match(await readFile(planFile, 'utf8'), /^no plan\n\t\t\nanother GPU\ta problem\t7\n/);
  });

  it('says on opening which plan file cannot be written', () => {
    const planFile = path.join(tempFiles({}), 'missing', 'plans.txt');
    assert.throws(() => openTarget('simulated cuda', { cuda: { planFile } }), {
      code: 'ERR_DEVICE',
      message: new RegExp(`plan file ${planFile}.*another planFile`),
    });
  });

  it('gives the same bits whether work runs at once or as late as it may', async () => {
    const results: Float32Array[] = [];
    for (const lazy of [true, false]) {
      useSimulator().configure({ lazy });
      using y = convolution(3);
      using z = relu(y);
      results.push(await z.data());
    }
    assert.deepEqual(results[1], results[0]);
  });
});

describe('a process with a cuda device (simulated)', () => {
  before(function () {
    if (!isSimulatorBuilt()) this.skip();
  });

  /** Runs a script that finds the simulated GPU; `fail` is there. */
  function runOnSimulator(body: string): Promise<Ended> {
    const helper = new URL('../helpers/simulator.js', import.meta.url).href;
    return runScript(`
      const { useSimulator, failCall } = await import(${JSON.stringify(helper)});
      useSimulator();
      ${body}`);
  }

  it('leaves nothing behind on the GPU when it ends', async () => {
    const ended = await runOnSimulator(`
      const device = openDevice('cuda');
      const y = heavy(device, 1);
      const total = ops.sum(y);
      console.log(await total.item() > 0);
    `);
    assert.deepEqual(ended, { code: 0, signal: null, stdout: 'true\n', stderr: '' });
  });

  it('goes on without the GPU when that is lost: promises are rejected, the CPU computes', async () => {
    const ended = await runOnSimulator(`
      const device = openDevice('cuda');
      const x = ops.fill(device, { shape: [4], value: 1 });
      await x.data();
      failCall({ call: 'cuLaunchKernel', error: ${CUDA_ERROR_LAUNCH_FAILED} });
      const lost = ops.sum(x);
      const messages = [];
      for (const wait of [() => lost.item(), () => x.data(), () => device.synchronize()]) {
        await wait().catch(({ code, message }) => messages.push(code + (/GPU was lost/.test(message) ? ' lost' : message)));
      }
      console.log(messages.join());
      device.dispose();
      const cpu = openDevice('cpu');
      console.log(await ops.sum(ops.fill(cpu, { shape: [4], value: 1 })).item());
    `);
    assert.equal(ended.stdout, 'ERR_NATIVE lost,ERR_NATIVE lost,ERR_NATIVE lost\n4\n', ended.stderr);
    assert.equal(ended.code, 0);
  });
});
