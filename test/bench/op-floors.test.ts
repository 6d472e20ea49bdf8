// The floors of operations: they are looked up by the names that the device gives.
// Invariant: no time is looked at.
import assert from 'node:assert/strict';
import { floorMs, workOf } from '../../bench/op-floors.js';
import {
  alexnet,
  openDevice,
  ops,
  quantizeModel,
  type InferencePrecision,
  type Model,
} from '../../lib/index.js';
import { supportOf } from '../helpers/devices.js';

async function smallModel(precision: InferencePrecision): Promise<Model> {
  const trainedIn = precision === 'int8' ? 'float32' : precision;
  const model = alexnet({ classes: 5, inputSize: 67, precision: trainedIn });
  model.initialize(openDevice('cpu'), { seed: 1 });
  if (precision !== 'int8') return model;
  using whole = model;
  using x = ops.gaussian(whole.device, { shape: [2, ...whole.inputShape], std: 1, seed: 2 });
  return await quantizeModel(whole, { calibration: [x] });
}

/** Names of what a prediction of two pictures runs: 'conv1 conv2dForward'. */
async function operationsOf(model: Model): Promise<string[]> {
  const { device } = model;
  using x = ops.gaussian(device, { shape: [2, ...model.inputShape], std: 1, seed: 2 });
  device.startProfile();
  model.forward(x).dispose();
  const { entries } = await device.stopProfile();
  return entries.map(({ op, label }) => `${label} ${op}`);
}

describe('the floors of operations', () => {
  for (const precision of ['float32', 'bfloat16', 'int8'] as const) {
    if (supportOf('cpu', precision) !== 'fast') continue;
    it(`are known of every layer that computes in a prediction in ${precision}`, async () => {
      using model = await smallModel(precision);
      const inputShape = [2, ...model.inputShape];
      const work = workOf(model.network, { inputShape, precision, mode: 'infer' });
      const names = (await operationsOf(model)).filter((name) => /^(conv|fc|lrn|pool)/.test(name));
      assert.ok(names.length >= 11, names.join(', '));
      assert.deepEqual(
        names.filter((name) => !work.has(name)),
        [],
      );
      const macs = [...new Set(names)].reduce((sum, name) => sum + work.get(name)!.macs, 0);
      assert.equal(macs, model.summary().macs * 2);
      model.device.dispose();
    });
  }

  const whereInt8 = supportOf('cpu', 'int8') === 'fast' ? it : it.skip;
  whereInt8('count bytes of integers as one, and their scales', async () => {
    using model = await smallModel('int8');
    const [c, h, w] = model.inputShape;
    const work = workOf(model.network, { inputShape: [2, c, h, w], precision: 'int8', mode: 'infer' });
    assert.equal(work.get('conv1.input quantize')?.moved, 2 * c * h * w * (4 + 1));
    const fc8 = work.get('fc8 linearInt8');
    assert.deepEqual([fc8?.moved, fc8?.read], [2 * 4096 + 4 * 2 * 5, 4096 * 5 + 4 * 5 + 4 * 5]);
    model.device.dispose();
  });

  it('are the larger of the time of the arithmetic and that of the bytes', () => {
    const rates = { macs: 100, moved: 10, read: 20 };
    assert.equal(floorMs({ macs: 1000, moved: 50, read: 0 }, rates), 10);
    assert.equal(floorMs({ macs: 100, moved: 50, read: 40 }, rates), 7);
  });
});
