// AlexNet learns, and learns the same again: sixteen pictures by heart, and two runs of one seed bit for bit.
// Invariant: the nets are AlexNet itself with a small input; pictures are generated from a seed.
import assert from 'node:assert/strict';
import { CrossEntropyLoss, type Activations } from '../../lib/layers/index.js';
import { alexnet, type AlexNetOptions, type Model } from '../../lib/models/index.js';
import { gaussian, labelRank } from '../../lib/ops/index.js';
import { SGD } from '../../lib/optim/index.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice } from '../helpers/devices.js';

const CLASSES = 4;
const BATCH = 16;
const SIZE = 67;

/** Noise of unit variance, and labels that have nothing to do with it: there is nothing but the pictures to learn. */
class Batch implements Disposable {
  readonly x: Activations;
  readonly labels: Tensor<'int32', readonly [number]>;

  constructor(device: Device) {
    this.x = gaussian(device, { shape: [BATCH, 3, SIZE, SIZE], std: 1, seed: 5 });
    const labels = Int32Array.from({ length: BATCH }, (_, i) => i % CLASSES);
    this.labels = device.tensor(labels, { shape: [BATCH] });
  }

  [Symbol.dispose](): void {
    this.x.dispose();
    this.labels.dispose();
  }
}

function train(model: Model, optimizer: SGD, { x, labels }: Batch, step: number): Tensor<'float32'> {
  const criterion = new CrossEntropyLoss();
  const { y, saved } = model.network.forward(x, { training: true, gradient: true, seed: 3, step });
  using logits = y;
  using state = saved!;
  const { loss, saved: lossSaved } = criterion.forward(logits, labels);
  using lossState = lossSaved;
  using gradient = criterion.backward(lossState);
  model.network.backward(gradient, state, { inputGradient: false });
  optimizer.step();
  return loss;
}

/** Pictures whose class does not score highest. */
async function errors(model: Model, { x, labels }: Batch): Promise<number> {
  using logits = model.forward(x);
  using ranks = labelRank(logits, labels);
  return (await ranks.data()).filter((rank) => rank > 0).length;
}

/** Losses and final weights of a few steps with dropout on a device of its own. */
async function shortRun(options: AlexNetOptions & { seed: number; steps: number }) {
  const { seed, steps, ...net } = options;
  using device = openDevice('cpu', { threads: 2 });
  using model = alexnet({ classes: CLASSES, inputSize: SIZE, initialization: 'lecun', ...net });
  model.initialize(device, { seed });
  using optimizer = new SGD(model.network.parameters, { learningRate: 0.01 });
  using batch = new Batch(device);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    using loss = train(model, optimizer, batch, step);
    losses.push(await loss.item());
  }
  const weights: Float32Array[] = [];
  for (const { value } of model.network.parameters) weights.push(await value.data());
  return { losses, weights };
}

forEachDevice(
  'AlexNet',
  (on) => {
    it('learns sixteen pictures by heart', async () => {
      using model = alexnet({ classes: CLASSES, inputSize: SIZE, initialization: 'lecun', dropout: 0 });
      model.initialize(on.device, { seed: 1 });
      using optimizer = new SGD(model.network.parameters, { learningRate: 0.01, weightDecay: 0 });
      using batch = new Batch(on.device);
      assert.ok((await errors(model, batch)) > 4, 'knew them before');
      for (let step = 0; step < 40; step++) train(model, optimizer, batch, step).dispose();
      assert.equal(await errors(model, batch), 0);
    });
  },
  { long: true },
);

describe('training', () => {
  it('of one seed gives the same losses and the same weights, bit for bit', async () => {
    const first = await shortRun({ seed: 1, steps: 3 });
    const second = await shortRun({ seed: 1, steps: 3 });
    assert.deepEqual(second.losses, first.losses);
    for (const [i, weights] of first.weights.entries()) assert.deepEqual(second.weights[i], weights);
  });
});
