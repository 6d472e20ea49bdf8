// What a training says of its numbers: where they leave their range, how layers fare, what it leaves behind.
// Invariant: faults are put into a small network whose place for them is known.
import assert from 'node:assert/strict';
import type { TrainingError } from '../../lib/errors.js';
import { CrossEntropyLoss, type Loss } from '../../lib/layers/index.js';
import type { Model } from '../../lib/models/index.js';
import { affine } from '../../lib/ops/index.js';
import { Trainer, type LayersEvent, type StepEvent, type TrainerOptions } from '../../lib/train/index.js';
import { assertClose } from '../helpers/compare.js';
import { forEachDevice } from '../helpers/devices.js';
import { pictures, smallModel } from './small.js';

const SHORT = { epochs: 2, batchSize: 8, learningRate: 0.01, plateau: null, deadStartSteps: 0 } as const;

/** All weights of a model, by the parameters' names. */
async function weightsOf({ network }: Model): Promise<Map<string, readonly number[]>> {
  const values = network.parameters.map(
    async ({ name, value }) => [name, [...(await value.data())]] as const,
  );
  return new Map(await Promise.all(values));
}

function norm(values: readonly number[]): number {
  return Math.hypot(...values);
}

/** What a training says when it stops itself. */
async function failureOf(model: Model, options: TrainerOptions = {}): Promise<TrainingError> {
  const trainer = new Trainer(model, { ...SHORT, ...options });
  try {
    await trainer.run({ train: pictures() });
  } catch (error) {
    return error as TrainingError;
  }
  assert.fail('the training went on');
}

forEachDevice('A training whose numbers leave their range', (on) => {
  function scaled(model: Model, name: string, scale: number): void {
    const parameter = model.network.parameters.find((one) => one.name === name)!;
    parameter.assign(affine(parameter.value, { scale }));
  }

  it('says which layer was first, what to try, and keeps the weights from before the step', async () => {
    using model = smallModel(on);
    scaled(model, 'conv.weight', 1e20);
    scaled(model, 'fc.weight', 1e30);
    const before = await weightsOf(model);
    const { code, message } = await failureOf(model);
    assert.equal(code, 'ERR_NON_FINITE');
    assert.match(message, /^The loss is NaN at step 1 \(epoch 1\)\. First .* float32: the output of fc\. /);
    assert.match(message, /learning rate of 0\.01 is too high .* try 0\.001/);
    assert.deepEqual(await weightsOf(model), before);
  });

  it('says that weights were broken before it began', async () => {
    using model = smallModel(on);
    scaled(model, 'conv.weight', NaN);
    const { message } = await failureOf(model);
    assert.match(
      message,
      /First .*: the weights conv\.weight\. These weights were not finite before the step/,
    );
  });

  it('notices weights that broke in an update, though a ReLU hides them from the loss', async () => {
    using model = smallModel(on);
    const { code, message } = await failureOf(model, { learningRate: 1e38, layerSteps: 1, epochs: 10 });
    assert.equal(code, 'ERR_NON_FINITE');
    assert.match(message, /weights \w+\.\w+ are not finite after step|First to leave the range/);
  });

  it('sees a gradient that is not finite behind a loss that is', async () => {
    using model = smallModel(on);
    const before = await weightsOf(model);
    const criterion = new CrossEntropyLoss();
    const loss: Loss = {
      forward: (logits, labels) => criterion.forward(logits, labels),
      backward: (saved) => {
        using gradient = criterion.backward(saved as never);
        return affine(gradient, { scale: Infinity });
      },
    };
    const { message } = await failureOf(model, { loss });
    assert.match(message, /^The loss is [\d.]+, but not all numbers of the step are finite at step 1/);
    assert.match(message, /First .*: the gradient of the loss\./);
    assert.deepEqual(await weightsOf(model), before);
  });

  it('finds the place in a batch that goes through the network in parts', async () => {
    using model = smallModel(on);
    scaled(model, 'conv.weight', 1e20);
    scaled(model, 'fc.weight', 1e30);
    const { message } = await failureOf(model, { accumulate: 3 });
    assert.match(message, /First .*: the output of fc\./);
  });

  it('leaves nothing on the device but the model', async () => {
    using model = smallModel(on);
    scaled(model, 'conv.weight', NaN);
    await failureOf(model);
    const { tensors } = on.device.memory();
    await failureOf(model, { layerSteps: 1 });
    assert.equal(on.device.memory().tensors, tensors);
  });
});

forEachDevice('A training that looks at its layers', (on) => {
  /** Trains an epoch of two steps; weights after each. */
  async function watched(model: Model, options: TrainerOptions = {}) {
    const looks: LayersEvent[] = [];
    const steps: StepEvent[] = [];
    const trainer = new Trainer(model, { ...SHORT, epochs: 1, ...options });
    for await (const event of trainer.fit({ train: pictures() })) {
      if (event.type === 'layers') looks.push(event);
      if (event.type === 'step') steps.push(event);
    }
    return { looks, steps };
  }

  it('measures norms of weights, gradients and updates', async () => {
    using model = smallModel(on);
    const before = await weightsOf(model);
    const oneStep = { batchSize: 16, layerSteps: 1, weightDecay: 0, mirror: false };
    const { looks, steps } = await watched(model, oneStep);
    const after = await weightsOf(model);
    const [look, ...more] = looks;
    assert.deepEqual([look?.step, more.length, steps.length], [1, 0, 1]);
    for (const { name, weightNorm, gradientNorm, updateNorm, updateRatio } of look!.parameters) {
      const change = norm(after.get(name)!.map((value, i) => value - before.get(name)![i]!));
      const expected = [
        norm(after.get(name)!),
        change / SHORT.learningRate,
        change,
        change / norm(after.get(name)!),
      ];
      assertClose([weightNorm, gradientNorm, updateNorm, updateRatio], expected, {
        ...{ rtol: 1e-3, atol: 1e-9, what: name },
      });
    }
    const all = norm(look!.parameters.map(({ gradientNorm }) => gradientNorm));
    assertClose([steps[0]!.gradientNorm!], [all], { rtol: 1e-5, atol: 0, what: 'the norm of all gradients' });
  });

  it('counts the units of a ReLU that give nothing for any picture', async () => {
    using model = smallModel(on);
    const bias = model.network.parameters.find(({ name }) => name === 'conv.bias')!;
    bias.assign(on.device.tensor([0, -1e6, 0, -1e6], { shape: [4] }));
    const { looks } = await watched(model, { layerSteps: 2 });
    assert.deepEqual(
      looks.map(({ step, units }) => [step, units]),
      [[2, [{ layer: 'relu', units: 4, silent: 2 }]]],
    );
  });

  it('looks as often as it is told, and trains the same', async () => {
    using often = smallModel(on);
    using never = smallModel(on);
    const looked = await watched(often, { layerSteps: 1 });
    const blind = await watched(never, { layerSteps: 0 });
    assert.deepEqual([looked.looks.length, blind.looks.length], [2, 0]);
    assert.deepEqual(await weightsOf(often), await weightsOf(never));
    const { tensors } = on.device.memory();
    await watched(often, { layerSteps: 1 });
    assert.equal(on.device.memory().tensors, tensors);
  });
});
