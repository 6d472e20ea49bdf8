// Work that a device may gather and start in pieces: what comes out is what comes out of it bit by bit.
// Invariant: each test runs the same work both ways, or says what must hold after a gathering that failed.
import assert from 'node:assert/strict';
import {
  conv2d,
  conv2dBackwardWeights,
  crossEntropy,
  dropout,
  relu,
  sgdStep,
  sum,
} from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice, type TestDevice } from '../helpers/devices.js';
import { hashNdArray } from '../helpers/reference.js';

const X = [2, 4, 6, 5] as const;
const W = [8, 4, 3, 3] as const;
const STEPS = 4;

/** Sums of activations of a few steps of training, then the weights. */
async function train(on: TestDevice, start: (work: () => Tensor) => Tensor): Promise<number[]> {
  const hashed = <S extends readonly number[]>(shape: S, seed: number): Tensor<'float32', S> =>
    on.tensor(hashNdArray({ shape, seed, low: -1, high: 1 }));
  using w = hashed(W, 1);
  using v = on.device.tensor(new Float32Array(w.size), { shape: W });
  const results: number[] = [];
  for (let step = 0; step < STEPS; step++) {
    using x = hashed(X, 2 + step);
    using total = start(() =>
      on.device.scope(() => {
        const y = dropout(conv2d(x, w, { padding: 1, relu: true }), {
          rate: 0.5,
          scale: 2,
          seed: 1,
          step,
          stream: 0,
        });
        const { dw } = conv2dBackwardWeights(x, y, { padding: 1, weightShape: W });
        sgdStep(w, v, dw, {
          learningRate: 1e-3 / (step + 1),
          momentum: 0.9,
          weightDecay: 0,
          form: 'paper',
        });
        return sum(y);
      }),
    );
    results.push(await (total as Tensor<'float32'>).item());
  }
  return [...results, ...(await w.data())];
}

forEachDevice('gathered work', (on) => {
  const gather = (work: () => Tensor): Tensor => on.device.gather(work);

  it('gives the bits of work that is not', async () => {
    const expected = await train(on, (work) => work());
    assert.ok(new Set(expected.slice(0, STEPS)).size === STEPS, 'each step has numbers of its own');
    assert.deepEqual(await train(on, gather), expected);
  });

  it('may upload, and be read, in the middle', async () => {
    const { total, read, second } = on.device.gather(() => {
      using first = on.device.tensor([1, -2], { shape: [2] });
      using positive = relu(first);
      const total = sum(positive);
      const read = total.item();
      using uploaded = on.device.tensor([3, -4], { shape: [2] });
      return { total, read, second: relu(uploaded) };
    });
    assert.equal(await read, 1);
    assert.deepEqual(await second.data(), Float32Array.of(3, 0));
    total.dispose();
    second.dispose();
  });

  it('loses what an op that fails should have made, and nothing else', async () => {
    using logits = on.device.tensor([1, 2], { shape: [1, 2] });
    using wrong = on.device.tensor(Int32Array.of(9), { shape: [1] });
    const { before, broken, after } = on.device.gather(() => ({
      before: relu(logits),
      broken: crossEntropy(logits, wrong, { label: 'broken' }),
      after: sum(logits),
    }));
    await assert.rejects(broken.loss.item(), { label: 'broken' });
    assert.deepEqual(await before.data(), Float32Array.of(1, 2));
    assert.equal(await after.item(), 3);
    for (const tensor of [before, after, broken.loss, broken.probabilities]) tensor.dispose();
  });

  it('ends when its function throws', async () => {
    using x = on.device.tensor([1], { shape: [1] });
    assert.throws(
      () =>
        on.device.gather(() => {
          relu(x).dispose();
          throw new Error('mine');
        }),
      /^Error: mine$/,
    );
    using y = relu(x);
    assert.deepEqual(await y.data(), Float32Array.of(1));
  });
});
