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
import { ArgumentError, type TrainingError } from '../../lib/errors.js';
import { CrossEntropyLoss, type Loss } from '../../lib/layers/index.js';
import type { Model } from '../../lib/models/index.js';
import { softmax } from '../../lib/ops/index.js';
import { multiStepSchedule } from '../../lib/optim/index.js';
import { evaluate, predictDataset, Trainer } from '../../lib/train/index.js';
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
    const records = planAugmentation(augmentation, { seed: 0, epoch: 0, index, height: SIDE, width: SIDE });
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
        for await (const batch of predictDataset(model, pictures(), { views, batchSize })) {
          batch.indices.forEach((index, i) => (seen[index] = batch.ranks[i]!));
        }
        const metrics = await evaluate(model, pictures(), { views, batchSize });
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

  it('counts confusions, and keeps the surest mistakes with their probabilities', async () => {
    using model = smallModel(on);
    const rows = await averages(on, model, [centreCrop({ size: CROP })]);
    const { labels } = pictures();
    const predicted = rows.map((row) => row.indexOf(Math.max(...row)));
    const wrong = rows
      .map((row, index) => ({ index, p: row[predicted[index]!]!, own: row[labels[index]!]! }))
      .filter(({ index }) => predicted[index] !== labels[index])
      .sort((a, b) => b.p - a.p);
    const { confusion, mistakes } = await evaluate(model, pictures(), { batchSize: 5, mistakes: 4 });
    assert.equal(confusion.total, PICTURES);
    for (const [index, label] of labels.entries()) assert.ok(confusion.count(label, predicted[index]!) > 0);
    assert.ok(wrong.length > 4, 'too few mistakes to choose from');
    assert.deepEqual(
      mistakes.map(({ index }) => index),
      wrong.slice(0, 4).map(({ index }) => index),
    );
    for (const [i, mistake] of mistakes.entries()) {
      const { index, p, own } = wrong[i]!;
      assert.deepEqual(
        [mistake.picture, mistake.className, mistake.takenFor],
        [`#${index}`, String(labels[index]), String(predicted[index])],
      );
      assertClose([mistake.probability, mistake.labelProbability], [p, own], {
        ...{ rtol: 1e-5, atol: 0, what: mistake.picture },
      });
    }
  });

  for (const views of ['centre', 'ten'] as const) {
    it(`averages the softmax outputs of several models, with inputs of different sizes, views '${views}'`, async () => {
      using first = smallModel(on);
      using second = smallModel(on, { crop: 7, seed: 5 });
      const step = views === 'ten' ? tenCrop : centreCrop;
      const a = await averages(on, first, [step({ size: CROP })]);
      const b = await averages(on, second, [step({ size: 7 })]);
      const expected = a.map((row, n) => row.map((p, c) => (p + b[n]![c]!) / 2));
      const found: number[] = [];
      for await (const batch of predictDataset([first, second], pictures(), { views, batchSize: 40 })) {
        found.push(...batch.probabilities);
      }
      assertClose(found, expected.flat(), { rtol: 1e-5, atol: 0, what: 'probabilities' });
      const { loss, top1, confusion } = await evaluate([first, second], pictures(), { views });
      const { labels } = pictures();
      const losses = expected.map((row, n) => -Math.log(row[labels[n]!]!));
      const mean = losses.reduce((sum, value) => sum + value, 0) / PICTURES;
      assertClose([loss], [mean], { rtol: 1e-5, atol: 0, what: 'loss' });
      const right = expected.filter((row, n) => row.indexOf(Math.max(...row)) === labels[n]).length;
      assert.equal(top1, right / PICTURES);
      assert.equal(
        confusion.classes.reduce((sum, { correct }) => sum + correct, 0),
        right,
      );
    });
  }

  it('refuses no model, models of other classes, and says which one it is', async () => {
    using model = smallModel(on);
    using other = smallModel(on);
    other.classNames = ['0', '1', '2', '3', '4', '6', '5'];
    await assert.rejects(evaluate([], pictures()), /there is no model/);
    await assert.rejects(evaluate([model, other], pictures()), /Model 2 of 2: class 5 is '6'/);
    other.classNames = ['0', '1', '2', '3', '4', '5', 'owl'];
    await assert.rejects(
      evaluate(other, pictures()),
      /has 7 classes, the pictures 7\. Without pictures: owl\. Unknown to the model: 6\. They must/,
    );
  });

  it('says at which picture the outputs are no numbers, and leaves nothing on the device', async () => {
    using model = smallModel(on);
    const bias = model.network.parameters.at(-1)!;
    bias.assign(on.device.tensor(new Float32Array(CLASSES).fill(NaN), { shape: [CLASSES] }));
    await evaluate(model, pictures()).catch(() => {});
    const { tensors } = on.device.memory();
    await assert.rejects(
      evaluate(model, pictures(), { batchSize: 4 }),
      (error: TrainingError) =>
        error.code === 'ERR_NON_FINITE' && /outputs for #0 are not numbers/.test(error.message),
    );
    assert.equal(on.device.memory().tensors, tensors);
  });

  it('leaves nothing on the device when predictions are no longer wanted', async () => {
    using model = smallModel(on);
    await evaluate(model, pictures());
    const { tensors } = on.device.memory();
    for await (const { indices } of predictDataset(model, pictures(), { batchSize: 4 })) {
      assert.equal(indices.length, 4);
      break;
    }
    assert.equal(on.device.memory().tensors, tensors);
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

  it('lowers the learning rate after the epochs of its schedule, and says why', async () => {
    using model = smallModel(on);
    const rates: number[] = [];
    const reasons: string[] = [];
    const trainer = new Trainer(model, {
      ...{ epochs: 4, batchSize: 8, learningRate: 0.5, deadStartSteps: 0 },
      schedule: multiStepSchedule({ milestones: [1, 3], factor: 0.5 }),
    });
    for await (const event of trainer.fit({ train: pictures() })) {
      if (event.type === 'epoch') rates.push(event.learningRate);
      if (event.type === 'learning-rate') reasons.push(event.reason);
    }
    assert.deepEqual(rates, [0.5, 0.25, 0.25, 0.125]);
    assert.deepEqual(
      reasons,
      [1, 3].map((epoch) => `the schedule says so after epoch ${epoch}`),
    );
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
