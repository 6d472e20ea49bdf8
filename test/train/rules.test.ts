// What training can be told besides rates: accumulation, freezing, smoothing, averages, early stopping, groups.
// Invariant: each rule is seen in the weights or the events of a few steps of a small network.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import {
  Flatten,
  Layer,
  Linear,
  Sequential,
  type Activations,
  type Forward,
} from '../../lib/layers/index.js';
import { Model, Preprocessing } from '../../lib/models/index.js';
import { cosineSchedule, warmUp } from '../../lib/optim/index.js';
import type { Shape } from '../../lib/tensor/shape.js';
import { evaluate, Trainer, type TrainerOptions, type TrainingEvent } from '../../lib/train/index.js';
import { assertClose } from '../helpers/compare.js';
import { forEachDevice } from '../helpers/devices.js';
import { CLASSES, CROP, pictures, SIDE, smallModel } from './small.js';

const BASE: TrainerOptions = { epochs: 1, batchSize: 10, learningRate: 0.05, seed: 3, deadStartSteps: 0 };
const data = { train: pictures(), validation: pictures() };

async function weightsOf(model: Model): Promise<Record<string, Float32Array>> {
  const weights: Record<string, Float32Array> = {};
  for (const { name, value } of model.network.parameters) weights[name] = await value.data();
  return weights;
}

async function train(model: Model, options: TrainerOptions): Promise<TrainingEvent[]> {
  const events: TrainingEvent[] = [];
  await new Trainer(model, { ...BASE, ...options }).run(data, { onEvent: (event) => events.push(event) });
  return events;
}

const stepsOf = (events: readonly TrainingEvent[]) => events.filter((event) => event.type === 'step');

/** Passes everything on; its backward must not run. */
class NoWayBack extends Layer {
  override readonly kind = 'NoWayBack';
  override outputShape(input: Shape): Shape {
    return input;
  }
  override forward(x: Activations): Forward {
    return { y: x.share(), saved: { [Symbol.dispose]: () => {} } };
  }
  override backward(): Activations | null {
    throw new Error('backward went below the layers that learn');
  }
}

forEachDevice('a training rule', (on) => {
  for (const accumulate of [2, 3, 10]) {
    it(`accumulate: ${accumulate} makes the gradient of the whole batch, and its loss and hits`, async () => {
      using whole = smallModel(on);
      using parts = smallModel(on);
      const expected = stepsOf(await train(whole, {}));
      const found = stepsOf(await train(parts, { accumulate }));
      assert.equal(found.length, 2);
      for (const [i, event] of found.entries()) {
        const { loss, top1, top5, batchSize } = expected[i]!;
        assertClose([event.loss], [loss], { rtol: 1e-5, atol: 0, what: 'loss' });
        assert.deepEqual([event.top1, event.top5, event.batchSize], [top1, top5, batchSize]);
      }
      const weights = await weightsOf(parts);
      for (const [name, values] of Object.entries(await weightsOf(whole))) {
        assertClose(weights[name]!, values, { rtol: 1e-4, atol: 1e-6, what: name });
      }
    });
  }

  it('freeze keeps layers as they are, and ends backward passes above them', async () => {
    const network = new Sequential([
      new Flatten(),
      new Linear({ name: 'frozen', inFeatures: 3 * CROP * CROP, outFeatures: 8 }),
      new NoWayBack('below'),
      new Linear({ name: 'fc', inFeatures: 8, outFeatures: CLASSES }),
    ]);
    using model = new Model({ network, inputShape: [3, CROP, CROP] });
    const mean = Float32Array.of(120, 128, 130);
    model.preprocessing = new Preprocessing({ side: SIDE, crop: CROP, mean, std: [40, 45, 50] });
    model.initialize(on.device, { seed: 1 }).freeze(['frozen']);
    const before = await weightsOf(model);
    await train(model, { averaging: {} });
    const after = await weightsOf(model);
    for (const name of ['frozen.weight', 'frozen.bias']) assert.deepEqual(after[name], before[name]);
    assert.notDeepEqual(after['fc.weight'], before['fc.weight']);
    model.freeze(['fc']);
    assert.throws(() => new Trainer(model), /Trainer: all layers are frozen, so nothing would learn/);
    assert.throws(() => model.freeze(['fc9']), /no layer 'fc9' that learns; there are frozen, fc/);
    model.unfreeze();
    await assert.rejects(train(model, {}), /backward went below the layers that learn/);
  });

  it('labelSmoothing raises the loss that is trained with, not the one that is validated', async () => {
    using plain = smallModel(on);
    using smoothed = smallModel(on);
    const [first] = stepsOf(await train(plain, { learningRate: 1e-9 }));
    const events = await train(smoothed, { learningRate: 1e-9, labelSmoothing: 0.5 });
    assert.notEqual(stepsOf(events)[0]!.loss, first!.loss);
    const epoch = events.find((event) => event.type === 'epoch')!;
    const { loss } = await evaluate(plain, data.validation, {});
    assertClose([epoch.validation!.loss], [loss], { rtol: 1e-5, atol: 0, what: 'validation loss' });
  });

  it('averaging validates with the averages, and leaves them in the model', async () => {
    using plain = smallModel(on);
    using averaged = smallModel(on);
    await train(plain, {});
    const epoch = (await train(averaged, { averaging: { decay: 0.9 } })).find(({ type }) => type === 'epoch');
    assert.notDeepEqual(await weightsOf(averaged), await weightsOf(plain));
    const { loss } = await evaluate(averaged, data.validation, { batchSize: 10 });
    assert.ok(epoch?.type === 'epoch');
    assert.equal(epoch.validation?.loss, loss);
  });

  it('earlyStopping ends training, and says so', async () => {
    using model = smallModel(on);
    const events = await train(model, { epochs: 9, earlyStopping: { patience: 2, threshold: 1 } });
    const done = events.at(-1);
    assert.ok(done?.type === 'done');
    assert.deepEqual([done.reason, done.epochs], ['stopped-early', 3]);
  });

  it('a schedule moves with every step, and a group has its own', async () => {
    using model = smallModel(on);
    using still = smallModel(on);
    const schedule = warmUp({ epochs: 1, from: 0, next: cosineSchedule({ epochs: 1 }) });
    const rates = stepsOf(await train(model, { epochs: 2, schedule })).map((event) => event.learningRate);
    assertClose(rates, [0, 0.025, 0.05, 0.025], { rtol: 1e-9, atol: 1e-12, what: 'rates' });
    const before = await weightsOf(still);
    await train(still, { groups: [{ layers: ['conv', 'fc.bias'], rate: 0 }] });
    const after = await weightsOf(still);
    for (const name of ['conv.weight', 'conv.bias', 'fc.bias']) assert.deepEqual(after[name], before[name]);
    assert.notDeepEqual(after['fc.weight'], before['fc.weight']);
  });

  it('is refused where it cannot be followed', () => {
    using model = smallModel(on);
    for (const options of [
      { accumulate: 0 },
      { accumulate: 11 },
      { clip: { norm: 0 } },
      { clip: { value: -1 } },
      { groups: [{ layers: ['fc7'] }] },
      { groups: [{ layers: ['fc'], rate: -1 }] },
      { schedule: { kind: 'cosine', epochs: 0, floor: 0 } },
      { earlyStopping: { patience: 0 } },
      { plateau: { factor: 3 } },
      { averaging: { decay: 2 } },
      { learningRate: NaN },
      { momentum: 1 },
      { weightDecay: -1 },
      { labelSmoothing: 1 },
      { seed: 1.5 },
      { deadStartSteps: -1 },
      { sampler: 'other' as 'shuffle' },
      { checkpoints: { keep: 0 } },
      { checkpoints: { everySteps: -1 } },
      { labelSmoothing: 0.1, loss: { forward: () => assert.fail(), backward: () => assert.fail() } },
    ] as const satisfies readonly TrainerOptions[]) {
      assert.throws(
        () => new Trainer(model, { ...BASE, ...options }),
        ArgumentError,
        JSON.stringify(options),
      );
    }
  });
});
