// The models against nets that PyTorch ran in float64: logits, losses, activations, gradients, and ten steps of SGD.
// Invariant: everything that a golden file records is compared, under the tolerances of the table.
import assert from 'node:assert/strict';
import type { Mode } from '../../lib/layers/index.js';
import { alexnet, cifarNet, type Model } from '../../lib/models/index.js';
import { SGD } from '../../lib/optim/index.js';
import { forEachDevice } from '../helpers/devices.js';
import {
  activationsOf,
  assertGradients,
  assertLogits,
  assertLoss,
  assignParameters,
  differentiate,
  evaluate,
  upload,
} from '../helpers/golden-model.js';
import { assertChecksum, loadGolden, type Checksums } from '../helpers/golden.js';
import { hashTensor } from '../helpers/hash-values.js';
import { netTolerance } from '../helpers/tolerance.js';

const ALEXNET_NAMES = {
  relu1: 'conv1',
  lrn1: 'lrn1',
  pool1: 'pool1',
  relu2: 'conv2',
  lrn2: 'lrn2',
  pool2: 'pool2',
  relu3: 'conv3',
  relu4: 'conv4',
  relu5: 'conv5',
  pool5: 'pool5',
  drop6: 'fc6',
  drop7: 'fc7',
};

const CIFAR_NAMES = {
  relu1: 'pool1',
  lrn1: 'lrn1',
  pool2: 'pool2',
  lrn2: 'lrn2',
  pool3: 'pool3',
  relu4: 'fc64',
};

/** The golden net: the paper's, but dropout as PyTorch has it. */
function goldenAlexnet(options: { dropout?: number } = {}): Model {
  return alexnet({
    preset: 'krizhevsky2012',
    classes: 10,
    inputSize: 227,
    dropoutConvention: 'inverted',
    ...options,
  });
}

function assertActivations(actual: ReadonlyMap<string, Float32Array>, expected: Checksums): void {
  assert.deepEqual([...actual.keys()].sort(), Object.keys(expected).sort());
  for (const [name, sums] of Object.entries(expected)) {
    assertChecksum(actual.get(name)!, sums, { ...netTolerance('activations'), what: name });
  }
}

/** Where a maximum or a ReLU nearly falls the other way, the roundings of Winograd's convolution decide it differently. */
const DIRECT = { device: { cpu: { winograd: false } } };

forEachDevice(
  'golden AlexNet',
  (on) => {
    const golden = loadGolden('alexnet-step');
    const { dropout } = golden;
    const training: Mode = { training: true, gradient: true, seed: dropout.seed, step: dropout.step };
    let model: Model;
    before(() => {
      model = goldenAlexnet({ dropout: dropout.rate });
      assignParameters(model, on.device, golden.parameters);
    });
    after(() => model.dispose());

    it('gives the logits and the loss of the training step, and every gradient', async () => {
      const { input, labels } = golden;
      const { logits, loss } = await differentiate(model, on.device, { input, labels, mode: training });
      assertLogits(logits, golden.logits);
      assertLoss(loss, golden.loss);
      await assertGradients(model, golden.gradients);
      for (const parameter of model.network.parameters) parameter.clearGradient();
    });

    it('gives the activations of every layer', async () => {
      using x = upload(on.device, golden.input);
      const options = { mode: training, names: ALEXNET_NAMES };
      assertActivations(await activationsOf(model, x, options), golden.activations);
    });

    it('gives the logits and the loss of the evaluation', async () => {
      const { logits, loss } = await evaluate(model, on.device, golden);
      assertLogits(logits, golden.evaluation.logits);
      assertLoss(loss, golden.evaluation.loss);
    });
  },
  DIRECT,
);

forEachDevice(
  'golden AlexNet in training',
  (on) => {
    const golden = loadGolden('alexnet-training');

    it('loses as PyTorch does in ten steps, and arrives at the same weights', async () => {
      using model = goldenAlexnet({ dropout: 0 });
      assignParameters(model, on.device, golden.parameters);
      const { form, momentum, decay, rates } = golden.attributes;
      const rate = { learningRate: rates[0]!, momentum, weightDecay: decay, momentumForm: form };
      using optimizer = new SGD(model.network.parameters, rate);
      for (const [i, input] of golden.inputs.entries()) {
        const mode: Mode = { training: true, gradient: true, seed: 0, step: i };
        const { loss } = await differentiate(model, on.device, { input, labels: golden.labels[i]!, mode });
        assertLoss(loss, golden.losses[i]!, 'trainingLosses');
        optimizer.learningRate = rates[i]!;
        optimizer.step();
      }
      for (const { name, value } of model.network.parameters) {
        const update = await value.data();
        hashTensor(golden.parameters[name]!).forEach((start, i) => (update[i]! -= start));
        const { tolerance, reason } = netTolerance(name.endsWith('.bias') ? 'biasUpdates' : 'weightUpdates');
        assertChecksum(update, golden.updates[name]!, { tolerance, reason, what: `update of ${name}` });
      }
    });
  },
  DIRECT,
);

forEachDevice('golden CIFAR nets', (on) => {
  const goldens = loadGolden('cifar-nets');

  for (const net of ['80sec', '18pct'] as const) {
    it(`${net}: logits, loss, activations and every gradient`, async () => {
      const golden = goldens[net];
      using model = cifarNet({ net });
      assignParameters(model, on.device, golden.parameters);
      const mode: Mode = { training: true, gradient: true, seed: 0, step: 0 };
      const { logits, loss } = await differentiate(model, on.device, { ...golden, mode });
      assertLogits(logits, golden.logits);
      assertLoss(loss, golden.loss);
      await assertGradients(model, golden.gradients);
      using x = upload(on.device, golden.input);
      assertActivations(await activationsOf(model, x, { mode, names: CIFAR_NAMES }), golden.activations);
    });
  }
});
