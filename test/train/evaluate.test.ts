// Evaluation with one view and with ten, against predictions that are averaged by hand.
// Invariant: the network is small and has random weights: no two pictures or views get the same prediction.
import assert from 'node:assert/strict';
import {
  centreCrop,
  pcaColour,
  planAugmentation,
  randomCrop,
  randomMirror,
  tenCrop,
  type Augmentation,
} from '../../lib/data/index.js';
import { ArgumentError } from '../../lib/errors.js';
import { CrossEntropyLoss, type Loss } from '../../lib/layers/index.js';
import type { Model } from '../../lib/models/index.js';
import { softmax } from '../../lib/ops/index.js';
import { evaluate, Trainer } from '../../lib/train/index.js';
import { assertClose } from '../helpers/compare.js';
import { forEachDevice, type TestDevice } from '../helpers/devices.js';
import { CLASSES, CROP, pictures, PICTURES, SIDE, smallModel } from './small.js';

/** Mean softmax output of the views of each picture: [PICTURES][CLASSES]. */
async function averages(on: TestDevice, model: Model, augmentation: Augmentation): Promise<number[][]> {
  const rows: number[][] = [];
  const dataset = pictures();
  for (let index = 0; index < PICTURES; index++) {
    const images = new Uint8Array(SIDE * SIDE * 3);
    await dataset.read([index], images);
    const records = planAugmentation(augmentation, { seed: 0, epoch: 0, index, side: SIDE });
    const views = records.length / 22;
    using x = model.preprocessing!.apply(on.device, { size: 1, side: SIDE, images, records, views });
    const { p } = await on.compute(() => ({ p: softmax(model.forward(x)) }));
    rows.push(
      Array.from({ length: CLASSES }, (_, c) =>
        Array.from({ length: views }, (__, v) => p.data[v * CLASSES + c]! / views).reduce((a, b) => a + b),
      ),
    );
  }
  return rows;
}

forEachDevice('evaluate', (on) => {
  for (const [views, step] of [
    ['centre', centreCrop],
    ['ten', tenCrop],
  ] as const) {
    it(`with views '${views}' is the loss and the accuracies of averaged predictions, for any batch size`, async () => {
      using model = smallModel(on);
      const expected = await averages(on, model, [step({ size: CROP })]);
      const { labels } = pictures();
      const losses = expected.map((row, n) => -Math.log(row[labels[n]!]!));
      const ranks = expected.map((row, n) => row.filter((p) => p > row[labels[n]!]!).length);
      const part = (k: number): number => ranks.filter((rank) => rank < k).length / PICTURES;
      for (const batchSize of [128, 37, 1]) {
        const seen: number[] = [];
        const metrics = await evaluate(model, pictures(), {
          views,
          batchSize,
          onBatch: (batch) => batch.indices.forEach((index, i) => (seen[index] = batch.ranks[i]!)),
        });
        assert.equal(metrics.images, PICTURES);
        const loss = losses.reduce((sum, value) => sum + value, 0) / PICTURES;
        assertClose([metrics.loss], [loss], { rtol: 1e-5, atol: 0, what: 'loss' });
        assert.deepEqual([metrics.top1, metrics.top5], [part(1), part(5)]);
        assert.deepEqual(seen, ranks);
      }
    });
  }

  it('averages views to something else than the centre says', async () => {
    using model = smallModel(on);
    const [one, ten] = [
      await evaluate(model, pictures()),
      await evaluate(model, pictures(), { views: 'ten' }),
    ];
    assert.ok(Math.abs(one.loss - ten.loss) > 1e-3, `${one.loss} and ${ten.loss}`);
  });

  it('refuses unknown views, and losses that averages have none of', async () => {
    using model = smallModel(on);
    await assert.rejects(evaluate(model, pictures(), { views: 'five' as 'ten' }), /views is 'five'/);
    const criterion = new CrossEntropyLoss();
    const loss: Loss = {
      forward: (logits, labels) => criterion.forward(logits, labels),
      backward: (saved) => criterion.backward(saved as never),
    };
    await assert.rejects(evaluate(model, pictures(), { views: 'ten', loss }), ArgumentError);
  });
});

forEachDevice('Trainer with an augmentation', (on) => {
  /** Losses of two epochs. */
  async function losses(options: ConstructorParameters<typeof Trainer>[1]): Promise<number[]> {
    using model = smallModel(on);
    const found: number[] = [];
    const trainer = new Trainer(model, {
      epochs: 2,
      batchSize: 8,
      plateau: null,
      deadStartSteps: 0,
      ...options,
    });
    await trainer.run(
      { train: pictures() },
      { onEvent: (event) => event.type === 'step' && found.push(event.loss) },
    );
    return found;
  }

  it('crops and mirrors by default, and mirror: false leaves the mirror out', async () => {
    const [crop, mirror] = [randomCrop({ size: CROP }), randomMirror()];
    const byDefault = await losses({});
    assert.equal(byDefault.length, 4);
    assert.deepEqual(await losses({ augmentation: [crop, mirror] }), byDefault);
    const straight = await losses({ mirror: false });
    assert.deepEqual(await losses({ augmentation: [crop] }), straight);
    assert.notDeepEqual(straight, byDefault);
    assert.notDeepEqual(await losses({ augmentation: [crop, mirror, pcaColour()] }), byDefault);
  });

  it('refuses one that does not make the input of the model, at once', () => {
    using model = smallModel(on);
    const refuse = (options: ConstructorParameters<typeof Trainer>[1], message: RegExp): void =>
      assert.throws(() => new Trainer(model, options), message);
    const crop = randomCrop({ size: CROP });
    refuse({ augmentation: [crop], mirror: false }, /augmentation and mirror exclude each other/);
    refuse(
      { augmentation: [randomCrop({ size: 5 })] },
      /makes 1 input\(s\) of 5 pixels, the model takes one of 6/,
    );
    refuse({ augmentation: [tenCrop({ size: CROP })] }, /makes 10 input\(s\) of 6 pixels/);
    refuse({ augmentation: [randomMirror()] }, /none decides the size/);
  });
});
