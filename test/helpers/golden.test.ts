// The golden files against what is known of their nets without running them.
// Invariant: each check uses another part of the file than the one it checks.
import assert from 'node:assert/strict';
import { assertClose } from './compare.js';
import { assertChecksum, type GoldenArray, loadGolden, type StepGolden } from './golden.js';
import { type HashSpec, hashTensor } from './hash-values.js';
import * as reference from './reference.js';
import { ndArray, sizeOf } from './reference.js';

const step = loadGolden('alexnet-step');
const training = loadGolden('alexnet-training');
const cifar = loadGolden('cifar-nets');

function parameterCount(parameters: Readonly<Record<string, HashSpec>>): number {
  return Object.values(parameters).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

function assertLoss(logits: GoldenArray, labels: readonly number[], loss: number): void {
  const { loss: expected } = reference.crossEntropy(ndArray(logits.shape, logits.data), labels);
  assertClose([loss], [expected], { rtol: 1e-12, atol: 0, what: 'loss' });
}

describe('golden files', () => {
  it('describe AlexNet with 10 classes and the CIFAR nets, by their numbers of parameters', () => {
    assert.equal(parameterCount(step.parameters), 56_909_194);
    assert.equal(parameterCount(training.parameters), 56_909_194);
    assert.equal(parameterCount(cifar['80sec'].parameters), 145_578);
    assert.equal(parameterCount(cifar['18pct'].parameters), 89_578);
  });

  const steps: Readonly<Record<string, readonly [StepGolden, string]>> = {
    'alexnet-step': [step, 'fc8.bias'],
    '80sec': [cifar['80sec'], 'fc10.bias'],
    '18pct': [cifar['18pct'], 'fc10.bias'],
  };
  for (const [name, [golden, lastBias]] of Object.entries(steps)) {
    it(`${name}: loss and the last bias' gradient follow from the logits`, () => {
      const { logits, labels, gradients } = golden;
      assertLoss(logits, labels, golden.loss);
      const dlogits = reference.crossEntropyBackward(ndArray(logits.shape, logits.data), labels);
      const { db } = reference.linearBackwardWeights(dlogits, reference.zeros([labels.length, 1]));
      assertChecksum(db.data, gradients[lastBias]!, { tolerance: 1e-10, what: lastBias });
    });
  }

  it('alexnet-step: evaluation is another pass than training', () => {
    assertLoss(step.evaluation.logits, step.labels, step.evaluation.loss);
    assert.ok(Math.abs(step.evaluation.loss - step.loss) > 0.01);
  });

  it('alexnet-training: the end is the start plus the updates', () => {
    for (const name of ['conv1.weight', 'conv5.bias', 'fc8.weight', 'fc8.bias']) {
      const start = hashTensor(training.parameters[name]!);
      const { samples, count } = training.updates[name]!;
      const end = samples.map((update, k) => start[Math.floor((k * (count - 1)) / 15)]! + update);
      assertClose(end, training.final[name]!.samples, { rtol: 1e-12, atol: 1e-15, what: name });
    }
  });

  it('alexnet-training: the learning rate drops on the way, and the run stays sane', () => {
    assert.equal(training.losses.length, training.attributes.rates.length);
    assert.ok(new Set(training.attributes.rates).size > 1);
    assert.ok(training.losses.every((loss) => loss > 1 && loss < 4));
  });
});
