// The references checked against themselves: every backward against central differences of its forward.
// Invariant: a kink is avoided by the data (pooling) or skipped (ReLU), and the test's name says which.
import assert from 'node:assert/strict';
import { assertClose } from './compare.js';
import { hashLabels } from './hash-values.js';
import { assertGradient, numericGradient } from './numeric-gradient.js';
import * as reference from './reference.js';
import { hashNdArray, map, type NdArray, ndArray } from './reference.js';

function values(shape: readonly number[], seed: number, low = -1, high = 1): NdArray {
  return hashNdArray({ shape, seed, low, high });
}

/** Values 0.01 apart in hash order, so that no step of 1e-5 changes which one is the largest. */
function apart(shape: readonly number[], seed: number): NdArray {
  const hash = values(shape, seed).data;
  const order = Array.from(hash.keys()).sort((a, b) => hash[a]! - hash[b]!);
  const data = new Float64Array(hash.length);
  order.forEach((position, rank) => (data[position] = 0.01 * rank));
  return ndArray(shape, data);
}

describe('numeric gradient', () => {
  it('of sum(x^3) is 3 x^2', () => {
    const x = values([5], 1);
    const gradient = numericGradient((moved) => moved.data.reduce((sum, v) => sum + v ** 3, 0), x, 1e-5);
    assertClose(gradient, map(x, (v) => 3 * v * v).data, { rtol: 1e-8, atol: 1e-9, what: 'gradient' });
  });

  const check = (wrong: number): void =>
    assertGradient({
      what: 'doubling',
      forward: (x) => map(x, (v) => 2 * v),
      backward: (dy) => map(dy, (v) => (2 + wrong) * v),
      x: values([4], 2),
    });

  it('rejects a backward that is off by one part in 100,000', () => {
    check(0);
    assert.throws(() => check(2e-5), /doubling, against central differences: 4 of 4 values off/);
  });

  it('refuses to skip more than half of the elements as kinks', () => {
    const kink = { at: 0, range: 0.9 };
    const [forward, x] = [reference.relu, values([20], 3)];
    const options = { what: 'relu', forward, backward: (dy: NdArray) => dy, x, kink };
    assert.throws(() => assertGradient(options), /relu: only \d elements are off the kink/);
  });
});

describe('reference: backward is the gradient of forward', () => {
  const conv = {
    stride: { h: 2, w: 1 },
    padding: { top: 1, bottom: 2, left: 0, right: 1 },
    groups: 2,
  };
  const [x, w, b] = [values([2, 4, 5, 4], 10), values([4, 2, 3, 2], 11), values([4], 12)];

  it('conv2d in x, w and b, with groups, stride and uneven padding', () => {
    const backward = (dy: NdArray): ReturnType<typeof reference.conv2dBackwardWeights> =>
      reference.conv2dBackwardWeights(dy, x, w.shape, conv);
    assertGradient({
      what: 'conv2d dx',
      x,
      forward: (moved) => reference.conv2d(moved, w, b, conv),
      backward: (dy) => reference.conv2dBackwardData(dy, w, x.shape, conv),
    });
    assertGradient({
      what: 'conv2d dw',
      x: w,
      forward: (moved) => reference.conv2d(x, moved, b, conv),
      backward: (dy) => backward(dy).dw,
    });
    assertGradient({
      what: 'conv2d db',
      x: b,
      forward: (moved) => reference.conv2d(x, w, moved, conv),
      backward: (dy) => backward(dy).db,
    });
  });

  it('conv2d with a fused ReLU, whose kinks are avoided: no output lies within 1e-3 of zero', () => {
    const fused = { ...conv, relu: true };
    const before = reference.conv2d(x, w, b, conv);
    // Moving one input by 1e-5 moves an output by at most 1e-5 (weights are below 1).
    assert.ok(before.data.every((value) => Math.abs(value) > 1e-3));
    assert.ok(before.data.some((value) => value < 0) && before.data.some((value) => value > 0));
    const y = reference.conv2d(x, w, b, fused);
    assertGradient({
      what: 'conv2d + ReLU dx',
      x,
      forward: (moved) => reference.conv2d(moved, w, b, fused),
      backward: (dy) => reference.conv2dBackwardData(reference.reluBackward(y, dy), w, x.shape, fused),
    });
  });

  it('linear in x, w and b', () => {
    const [lx, lw, lb] = [values([3, 5], 20), values([4, 5], 21), values([4], 22)];
    assertGradient({
      what: 'linear dx',
      x: lx,
      forward: (moved) => reference.linear(moved, lw, lb),
      backward: (dy) => reference.linearBackwardData(dy, lw),
    });
    assertGradient({
      what: 'linear dw',
      x: lw,
      forward: (moved) => reference.linear(lx, moved, lb),
      backward: (dy) => reference.linearBackwardWeights(dy, lx).dw,
    });
    assertGradient({
      what: 'linear db',
      x: lb,
      forward: (moved) => reference.linear(lx, lw, moved),
      backward: (dy) => reference.linearBackwardWeights(dy, lx).db,
    });
  });

  it('relu, skipping inputs within 1e-3 of its kink at 0', () => {
    const input = ndArray([6], [-2, -0.5, 1e-6, 0, 0.5, 3]);
    const y = reference.relu(input);
    const backward = (dy: NdArray): NdArray => reference.reluBackward(y, dy);
    assertGradient({
      what: 'relu',
      x: input,
      forward: reference.relu,
      backward,
      kink: { at: 0, range: 1e-3 },
    });
  });

  it('tanh and sigmoid', () => {
    const input = values([3, 4], 30, -3, 3);
    for (const [what, forward, backward] of [
      ['tanh', reference.tanh, reference.tanhBackward],
      ['sigmoid', reference.sigmoid, reference.sigmoidBackward],
    ] as const) {
      const y = forward(input);
      assertGradient({ what, x: input, forward, backward: (dy) => backward(y, dy) });
    }
  });

  it('LRN across channels, one tower and two, and within a channel', () => {
    const input = values([2, 8, 3, 3], 40, -10, 10);
    const options = { size: 5, alpha: 0.02, beta: 0.75, k: 2 };
    for (const channelGroups of [1, 2]) {
      const across = { ...options, channelGroups };
      assertGradient({
        what: `LRN across channels, ${channelGroups} groups`,
        x: input,
        forward: (moved) => reference.lrnAcrossChannels(moved, across),
        backward: (dy) => reference.lrnAcrossChannelsBackward(input, dy, across),
      });
    }
    assertGradient({
      what: 'LRN within a channel',
      x: input,
      forward: (moved) => reference.lrnWithinChannel(moved, { ...options, size: 3 }),
      backward: (dy) => reference.lrnWithinChannelBackward(input, dy, { ...options, size: 3 }),
    });
  });

  const pool = {
    kernel: { h: 3, w: 2 },
    stride: { h: 2, w: 1 },
    padding: { top: 1, bottom: 2, left: 0, right: 1 },
  };

  it('max pooling, whose kinks are avoided: values are 0.01 apart', () => {
    const input = apart([2, 2, 5, 4], 50);
    const { argmax } = reference.maxPool2d(input, pool);
    assertGradient({
      what: 'max pool',
      x: input,
      forward: (moved) => reference.maxPool2d(moved, pool).y,
      backward: (dy) => reference.maxPool2dBackward(dy, argmax, input.shape),
    });
  });

  it('average pooling with both divisors', () => {
    const input = values([2, 2, 5, 4], 60);
    for (const divisor of ['clipped', 'full'] as const) {
      assertGradient({
        what: `average pool, ${divisor}`,
        x: input,
        forward: (moved) => reference.avgPool2d(moved, { ...pool, divisor }),
        backward: (dy) => reference.avgPool2dBackward(dy, input.shape, { ...pool, divisor }),
      });
    }
  });

  it('dropout in all modes', () => {
    const input = values([5, 7], 70);
    for (const mode of ['inverted', 'paper'] as const) {
      for (const training of [true, false]) {
        const options = { rate: 0.3, mode, training, seed: 7, step: 1, stream: 2 };
        assertGradient({
          what: `dropout, ${mode}, ${training ? 'training' : 'evaluation'}`,
          x: input,
          forward: (moved) => reference.dropout(moved, options),
          backward: (dy) => reference.dropoutBackward(dy, options),
        });
      }
    }
  });

  it('softmax and cross-entropy', () => {
    const logits = values([4, 6], 80, -3, 3);
    const labels = hashLabels(81, 4, 6);
    const y = reference.softmax(logits);
    assertGradient({
      what: 'softmax',
      x: logits,
      forward: reference.softmax,
      backward: (dy) => reference.softmaxBackward(y, dy),
    });
    assertGradient({
      what: 'cross-entropy',
      x: logits,
      forward: (moved) => ndArray([1], [reference.crossEntropy(moved, labels).loss]),
      backward: (dy) => map(reference.crossEntropyBackward(logits, labels), (v) => v * dy.data[0]!),
    });
  });
});

describe('reference: conventions', () => {
  it('max pooling gives ties to the first in row-major order, and padding never wins', () => {
    const options = {
      kernel: { h: 2, w: 2 },
      stride: { h: 2, w: 2 },
      padding: { top: 1, bottom: 1, left: 1, right: 1 },
    };
    const { y, argmax } = reference.maxPool2d(ndArray([1, 1, 2, 2], [-1, -1, -1, -1]), options);
    assert.deepEqual(Array.from(y.data), [-1, -1, -1, -1]);
    assert.deepEqual(Array.from(argmax), [0, 1, 2, 3]);
    const whole = { ...options, padding: { top: 0, bottom: 0, left: 0, right: 0 } };
    assert.deepEqual(Array.from(reference.maxPool2d(ndArray([1, 1, 2, 2], [0, 5, 5, 5]), whole).argmax), [1]);
  });

  it('a pooling window in the padding alone is refused', () => {
    const options = { kernel: { h: 1, w: 1 }, stride: { h: 1, w: 1 } };
    const padding = { top: 0, bottom: 0, left: 0, right: 1 };
    assert.throws(() => reference.maxPool2d(values([1, 1, 2, 2], 1), { ...options, padding }), RangeError);
  });

  it('LRN refuses even windows', () => {
    const options = { size: 4, alpha: 1, beta: 1, k: 1 };
    assert.throws(() => reference.lrnAcrossChannels(values([1, 4, 1, 1], 1), options), RangeError);
  });

  it('the paper drops values and scales in evaluation; inverted dropout scales in training', () => {
    const x = ndArray([8], new Float64Array(8).fill(1));
    const at = { rate: 0.25, seed: 7, step: 1, stream: 6 };
    const kept = Array.from(reference.dropoutMask(8, at.rate, at));
    const run = (mode: 'paper' | 'inverted', training: boolean): number[] =>
      Array.from(reference.dropout(x, { ...at, mode, training }).data);
    assert.deepEqual(run('paper', true), kept);
    assert.deepEqual(run('paper', false), new Array(8).fill(0.75));
    assert.deepEqual(
      run('inverted', true),
      kept.map((k) => k / 0.75),
    );
    assert.deepEqual(run('inverted', false), new Array(8).fill(1));
  });

  it('dropout keeps the element whose word is the threshold, and drops the one just below', () => {
    const at = { seed: 7, step: 1, stream: 6 };
    const words = reference.philoxWords(4, at);
    words.forEach((word, i) => {
      assert.equal(reference.dropoutMask(4, word / 2 ** 32, at)[i], 1);
      assert.equal(reference.dropoutMask(4, (word + 1) / 2 ** 32, at)[i], 0);
    });
  });

  it('the rank counts equal logits at lower classes, and a NaN is never right', () => {
    const logits = ndArray([4, 3], [1, 3, 3, 3, 3, 1, 0, NaN, 1, 2, 2, 2]);
    assert.deepEqual(Array.from(reference.labelRank(logits, [2, 0, 2, 2])), [1, 0, 3, 2]);
  });

  it('the two forms of SGD part after the learning rate drops', () => {
    const trace = (form: 'paper' | 'pytorch'): number[] => {
      let state: reference.SgdState = { w: Float64Array.of(1), v: Float64Array.of(0) };
      return [0.01, 0.01, 0.01, 0.001, 0.001, 0.001].map((learningRate) => {
        state = reference.sgdStep(state, [1], { form, learningRate, momentum: 0.9, decay: 0 });
        return state.w[0]!;
      });
    };
    const close = { rtol: 0, atol: 5e-7, what: 'w' };
    // By hand: steps of -.01, -.019, -.0271; then .9 of the last - .001, or .001 * 3.439 in PyTorch's form.
    assertClose(trace('paper'), [0.99, 0.971, 0.9439, 0.91851, 0.894659, 0.872193], close);
    assertClose(trace('pytorch'), [0.99, 0.971, 0.9439, 0.940461, 0.936366, 0.93168], close);
  });
});
