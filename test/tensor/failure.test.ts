// What happens after an op failed on the device: its outputs are lost, everything else goes on.
// Invariant: a failure reaches whoever awaits, with op, label and a stack that leads to the await; once if nobody
// reads what is lost, each time if somebody does.
import assert from 'node:assert/strict';
import { NativeError } from '../../lib/errors.js';
import { crossEntropy, crossEntropyBackward, relu, sgdStep, sum } from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice } from '../helpers/devices.js';

const LOST = {
  code: 'ERR_NATIVE',
  op: 'crossEntropyForward',
  label: 'broken',
  message: /^broken \(crossEntropyForward\): label 9/,
};

forEachDevice('an op that fails', (on) => {
  /** A loss and probabilities that cannot be computed: there is no class 9. */
  function broken(label = 'broken') {
    using logits = on.device.tensor([1, 2], { shape: [1, 2] });
    using labels = on.device.tensor(Int32Array.of(9), { shape: [1] });
    return crossEntropy(logits, labels, { label });
  }

  const two = (): Tensor<'float32'> => on.device.tensor([1, 2], { shape: [2] });

  it('loses all its outputs, and says so each time one is read', async () => {
    const { loss, probabilities } = broken();
    using _loss = loss;
    using _probabilities = probabilities;
    for (let i = 0; i < 2; i++) {
      await assert.rejects(loss.item(), LOST);
      await assert.rejects(probabilities.data(), LOST);
    }
  });

  it('loses what is computed from its outputs, under its own name', async () => {
    const { loss, probabilities } = broken();
    using _loss = loss;
    using _probabilities = probabilities;
    using y = relu(probabilities);
    using total = sum(y);
    await assert.rejects(total.item(), LOST);
    await assert.rejects(y.data(), LOST);
  });

  it('leaves other tensors as they are', async () => {
    using before = two();
    const { loss, probabilities } = broken();
    using after = relu(before);
    await assert.rejects(loss.item(), LOST);
    assert.deepEqual(await before.data(), Float32Array.of(1, 2));
    assert.deepEqual(await after.data(), Float32Array.of(1, 2));
    loss.dispose();
    probabilities.dispose();
  });

  it('is reported once to whoever awaits first, even if its outputs are gone', async () => {
    const { loss, probabilities } = broken();
    loss.dispose();
    probabilities.dispose();
    await assert.rejects(on.device.synchronize(), LOST);
    await on.device.synchronize();
  });

  it('is reported before those that failed after it', async () => {
    const [first, second] = [broken('broken'), broken('later')];
    await assert.rejects(on.device.synchronize(), LOST);
    await assert.rejects(second.loss.item(), { label: 'later' });
    for (const { loss, probabilities } of [first, second]) {
      loss.dispose();
      probabilities.dispose();
    }
  });

  it('leaves weights alone that its gradient was to update', async () => {
    using w: Tensor<'float32'> = on.device.tensor([1, 2], { shape: [1, 2] });
    using v: Tensor<'float32'> = on.device.tensor([0, 0], { shape: [1, 2] });
    on.device.scope(() => {
      const labels = on.device.tensor(Int32Array.of(0), { shape: [1] });
      const dw = crossEntropyBackward(broken().probabilities, labels);
      sgdStep(w, v, dw, { learningRate: 1, momentum: 0, weightDecay: 1, form: 'paper' });
    });
    await assert.rejects(on.device.synchronize(), LOST);
    assert.deepEqual(await w.data(), Float32Array.of(1, 2));
    assert.deepEqual(await v.data(), Float32Array.of(0, 0));
  });

  it('gives an error whose stack leads to the one who awaits', async () => {
    const { loss, probabilities } = broken();
    await assert.rejects(loss.data(), (error) => {
      assert.ok(error instanceof NativeError);
      assert.match(error.stack!, /failure\.test/);
      return true;
    });
    loss.dispose();
    probabilities.dispose();
  });
});
