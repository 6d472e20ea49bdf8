// The references against PyTorch (numpy where torch has no such op): every op on small shapes.
// Invariant: both sides compute in float64, so what is left of 1e-10 is the order of summation.
import assert from 'node:assert/strict';
import { assertClose } from './compare.js';
import { type GoldenArray, loadGolden } from './golden.js';
import type { HashSpec } from './hash-values.js';
import * as reference from './reference.js';
import { hashNdArray, map, type NdArray, ndArray } from './reference.js';

const golden = loadGolden('ops');

function assertSame(actual: NdArray, expected: GoldenArray, what: string): void {
  assert.deepEqual(actual.shape, expected.shape, `${what}: shape`);
  assertClose(actual.data, expected.data, { rtol: 1e-10, atol: 1e-12, what });
}

/** The arrays that a case's inputs describe, under their names. */
function tensors<Inputs extends Readonly<Partial<Record<string, HashSpec>>>>(
  inputs: Inputs,
): { [K in keyof Inputs]: NdArray } {
  const made = Object.entries(inputs).map(([name, spec]) => [name, hashNdArray(spec!)]);
  return Object.fromEntries(made) as { [K in keyof Inputs]: NdArray };
}

describe("reference conv2d and linear are torch's", () => {
  for (const { name, inputs, attributes, outputs } of golden.conv2d) {
    it(`conv2d: ${name}`, () => {
      const { x, w, b, dy } = tensors(inputs);
      const y = reference.conv2d(x, w, b, attributes);
      const before = attributes.relu ? reference.reluBackward(y, dy) : dy;
      const { dw, db } = reference.conv2dBackwardWeights(before, x, w.shape, attributes);
      assertSame(y, outputs.y, 'y');
      assertSame(reference.conv2dBackwardData(before, w, x.shape, attributes), outputs.dx, 'dx');
      assertSame(dw, outputs.dw, 'dw');
      if (outputs.db) assertSame(db, outputs.db, 'db');
    });
  }

  for (const { name, inputs, attributes, outputs } of golden.linear) {
    it(`linear: ${name}`, () => {
      const { x, w, b, dy } = tensors(inputs);
      const y = reference.linear(x, w, b, attributes);
      const before = attributes.relu ? reference.reluBackward(y, dy) : dy;
      const { dw, db } = reference.linearBackwardWeights(before, x);
      assertSame(y, outputs.y, 'y');
      assertSame(reference.linearBackwardData(before, w), outputs.dx, 'dx');
      assertSame(dw, outputs.dw, 'dw');
      if (outputs.db) assertSame(db, outputs.db, 'db');
    });
  }
});

describe("reference activations and softmax are torch's", () => {
  const ops = {
    relu: [reference.relu, reference.reluBackward],
    tanh: [reference.tanh, reference.tanhBackward],
    sigmoid: [reference.sigmoid, reference.sigmoidBackward],
    softmax: [reference.softmax, reference.softmaxBackward],
  } as const;
  for (const op of ['relu', 'tanh', 'sigmoid', 'softmax'] as const) {
    const [forward, backward] = ops[op];
    for (const { name, inputs, outputs } of golden[op]) {
      it(`${op}: ${name}`, () => {
        const { x, dy } = tensors(inputs);
        const y = forward(x);
        assertSame(y, outputs.y, 'y');
        assertSame(backward(y, dy), outputs.dx, 'dx');
      });
    }
  }
});

describe("reference LRN is torch's", () => {
  for (const { name, inputs, attributes, outputs } of golden.lrnAcrossChannels) {
    it(`across channels: ${name}`, () => {
      const { x, dy } = tensors(inputs);
      assertSame(reference.lrnAcrossChannels(x, attributes), outputs.y, 'y');
      assertSame(reference.lrnAcrossChannelsBackward(x, dy, attributes), outputs.dx, 'dx');
    });
  }

  for (const { name, inputs, attributes, outputs } of golden.lrnWithinChannel) {
    it(`within a channel: ${name}`, () => {
      const { x, dy } = tensors(inputs);
      assertSame(reference.lrnWithinChannel(x, attributes), outputs.y, 'y');
      assertSame(reference.lrnWithinChannelBackward(x, dy, attributes), outputs.dx, 'dx');
    });
  }
});

describe("reference pooling is torch's", () => {
  for (const { name, inputs, attributes, outputs } of golden.maxPool2d) {
    it(`max: ${name}`, () => {
      const { x, dy } = tensors(inputs);
      const { y, argmax } = reference.maxPool2d(x, attributes);
      assertSame(y, outputs.y, 'y');
      assert.deepEqual(Array.from(argmax), outputs.argmax.data);
      assertSame(reference.maxPool2dBackward(dy, argmax, x.shape), outputs.dx, 'dx');
    });
  }

  for (const { name, inputs, attributes, outputs } of golden.avgPool2d) {
    it(`average: ${name}`, () => {
      const { x, dy } = tensors(inputs);
      assertSame(reference.avgPool2d(x, attributes), outputs.y, 'y');
      assertSame(reference.avgPool2dBackward(dy, x.shape, attributes), outputs.dx, 'dx');
    });
  }
});

describe('reference loss, SGD and augmentation', () => {
  for (const { name, inputs, labels, attributes, outputs } of golden.crossEntropy) {
    it(`cross-entropy and rank are torch's: ${name}`, () => {
      const logits = hashNdArray(inputs.logits);
      const { losses, loss } = reference.crossEntropy(logits, labels, attributes);
      assertSame(ndArray([labels.length], losses), outputs.losses, 'losses');
      assertClose([loss], [outputs.loss], { rtol: 1e-12, atol: 0, what: 'loss' });
      assertSame(reference.crossEntropyBackward(logits, labels, attributes), outputs.dlogits, 'dlogits');
      assert.deepEqual(Array.from(reference.labelRank(logits, labels)), outputs.ranks.data);
    });
  }

  for (const { name, inputs, attributes, steps } of golden.sgd) {
    it(`SGD over five steps with a drop of the learning rate: ${name}`, () => {
      const w = hashNdArray(inputs.w);
      let state: reference.SgdState = { w: w.data, v: new Float64Array(w.data.length) };
      steps.forEach((step, i) => {
        const options = { ...attributes, learningRate: attributes.rates[i]! };
        state = reference.sgdStep(state, hashNdArray(inputs.g[i]!).data, options);
        assertSame(ndArray(w.shape, state.w), step.w, `w after step ${i + 1}`);
        assertSame(ndArray(w.shape, state.v), step.v, `v after step ${i + 1}`);
      });
    });
  }

  for (const { name, inputs, records, attributes, outputs } of golden.augment) {
    it(`augmentation is numpy's and torch's: ${name}`, () => {
      const { images, mean, std } = tensors(inputs);
      const bytes = map(images, Math.floor);
      assertSame(reference.augment(bytes, records.flat(), { ...attributes, mean, std }), outputs.y, 'y');
    });
  }
});

describe('reference randomness', () => {
  it('Philox gives the known answers of Random123', () => {
    const ones = 0xffffffff;
    const known = [
      [
        [0, 0, 0, 0],
        [0, 0],
        [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
      ],
      [
        [ones, ones, ones, ones],
        [ones, ones],
        [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
      ],
      [
        [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
        [0xa4093822, 0x299f31d0],
        [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
      ],
    ] as const;
    for (const [counter, key, words] of known) {
      assert.deepEqual(reference.philox4x32(counter, key), words);
    }
    // The Philox that made the masks of the golden files is held to the same answers.
    const made = golden.philox.map(({ counter, key, words }) => [counter, key, words]);
    assert.deepEqual(made, known);
  });

  for (const { name, attributes, outputs } of golden.random) {
    it(`dropout mask, uniform and gaussian are numpy's: ${name}`, () => {
      const { count, rate, low, high, mean, std, ...at } = attributes;
      const close = { rtol: 1e-12, atol: 1e-14 };
      assert.deepEqual(Array.from(reference.dropoutMask(count, rate, at)), outputs.keep);
      assertClose(reference.uniform(count, { low, high }, at), outputs.uniform, {
        ...close,
        what: 'uniform',
      });
      assertClose(reference.gaussian(count, { mean, std }, at), outputs.gaussian, {
        ...close,
        what: 'gaussian',
      });
    });
  }

  it('gaussian values have the mean and deviation that were asked for', () => {
    const n = 4096;
    const sample = reference.gaussian(n, { mean: 3, std: 2 }, { seed: 1, step: 2, stream: 3 });
    const mean = sample.reduce((a, b) => a + b) / n;
    const variance = sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n;
    assert.ok(Math.abs(mean - 3) < (3 * 2) / Math.sqrt(n), `mean ${mean}`);
    assert.ok(Math.abs(variance - 4) < 3 * 4 * Math.sqrt(2 / n), `variance ${variance}`);
  });
});
