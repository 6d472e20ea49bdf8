// Which implementations the CPU backend chooses for AlexNet: none that is there for completeness alone.
// Invariant: a whole training step runs at AlexNet's own shapes, so nothing it needs goes unseen.
import assert from 'node:assert/strict';
import { CrossEntropyLoss } from '../../lib/layers/index.js';
import { alexnet, type Model } from '../../lib/models/index.js';
import { fill } from '../../lib/ops/index.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';

/** Forward and backward at batch 2. Values do not matter, so weights are all alike: that is faster than drawing them. */
function step(model: Model, device: Device): void {
  for (const parameter of model.network.parameters) {
    parameter.assign(fill(device, { shape: parameter.shape, value: 1e-4 }));
  }
  const criterion = new CrossEntropyLoss();
  using x = fill(device, { shape: [2, ...model.inputShape], value: 1 });
  using labels = fill(device, { shape: [2], value: 1, dtype: 'int32' });
  const { y, saved } = model.network.forward(x, { training: true, gradient: true, seed: 1, step: 1 });
  using logits = y;
  using state = saved!;
  const { loss, saved: lossSaved } = criterion.forward(logits, labels);
  loss.dispose();
  using lossState = lossSaved;
  using gradient = criterion.backward(lossState);
  model.network.backward(gradient, state, { inputGradient: false });
}

describe('the CPU backend at the shapes of AlexNet', () => {
  let plans: { op: string; label: string; implementation: string }[];
  before(async () => {
    using device = openDevice('cpu');
    using model = alexnet({ preset: 'krizhevsky2012' });
    step(model, device);
    plans = await device.plans();
  });

  it('computes every convolution, fully connected layer and pooling by a plan of its own', () => {
    const layers = (op: string) =>
      plans
        .filter((plan) => plan.op === op)
        .map(({ label }) => label)
        .sort();
    const convolutions = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'];
    const fully = ['fc6', 'fc7', 'fc8'];
    const pools = ['pool1', 'pool2', 'pool5'];
    assert.deepEqual(layers('conv2dForward'), convolutions);
    assert.deepEqual(layers('conv2dBackwardData'), convolutions.slice(1));
    assert.deepEqual(layers('conv2dBackwardWeights'), convolutions);
    assert.deepEqual(layers('linearForward'), fully);
    assert.deepEqual(layers('linearBackwardData'), fully);
    assert.deepEqual(layers('linearBackwardWeights'), fully);
    assert.deepEqual(layers('maxPool2dForward'), pools);
    assert.deepEqual(layers('maxPool2dBackward'), pools);
  });

  it('chooses no reference implementation', () => {
    const slow = plans.filter(({ implementation }) => /\b(ref|reference)\b/.test(implementation));
    assert.deepEqual(slow, []);
  });
});
