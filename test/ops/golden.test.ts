// The device's ops against the outputs and gradients that PyTorch computed in float64.
// Invariant: every case of ops.json that belongs to an op of the table runs; none is chosen.
import assert from 'node:assert/strict';
import * as ops from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice } from '../helpers/devices.js';
import { loadGolden, type GoldenArray, type PoolAttributes } from '../helpers/golden.js';
import { hashNdArray, map, ndArray, zeros, type NdArray } from '../helpers/reference.js';

const golden = loadGolden('ops');

function expected({ shape, data }: GoldenArray): NdArray {
  return ndArray(shape, data);
}

type Floats = Tensor<'float32'>;

const activations: Readonly<
  Record<string, readonly [(x: Floats) => Floats, (dy: Floats, y: Floats) => Floats]>
> = {
  relu: [ops.relu, ops.reluBackward],
  tanh: [ops.tanh, ops.tanhBackward],
  sigmoid: [ops.sigmoid, ops.sigmoidBackward],
  softmax: [ops.softmax, ops.softmaxBackward],
};

forEachDevice("golden convolution and linear are torch's", (on) => {
  for (const { name, inputs, attributes, outputs } of golden.conv2d) {
    it(`conv2d: ${name}`, async () => {
      const { stride, padding, groups, relu } = attributes;
      const options = { stride: [stride.h, stride.w] as const, padding, groups };
      const b = inputs.b && hashNdArray(inputs.b);
      const actual = await on.compute(() => {
        const [x, w] = [on.tensor(hashNdArray(inputs.x)), on.tensor(hashNdArray(inputs.w))] as const;
        const y = ops.conv2d(x as never, w as never, { b: b && on.tensor(b), relu, ...options });
        const dy: Tensor<'float32'> = on.tensor(hashNdArray(inputs.dy));
        const before = relu ? ops.reluBackward(dy, y) : dy;
        const dx = ops.conv2dBackwardData(before, w, { inputShape: x.shape, ...options });
        const { dw, db } = ops.conv2dBackwardWeights(x, before, {
          weightShape: w.shape,
          bias: b !== undefined,
          ...options,
        });
        return { y, dx, dw, ...(db && { db }) };
      });
      on.expect('conv2dForward', actual.y, expected(outputs.y), 'y');
      on.expect('conv2dBackwardData', actual.dx, expected(outputs.dx), 'dx');
      on.expect('conv2dBackwardWeights', actual.dw, expected(outputs.dw), 'dw');
      if (outputs.db) on.expect('conv2dBackwardWeights', actual.db!, expected(outputs.db), 'db');
    });
  }

  for (const { name, inputs, attributes, outputs } of golden.linear) {
    it(`linear: ${name}`, async () => {
      const { relu } = attributes;
      const b = inputs.b && hashNdArray(inputs.b);
      const actual = await on.compute(() => {
        const [x, w] = [on.tensor(hashNdArray(inputs.x)), on.tensor(hashNdArray(inputs.w))] as const;
        const y = ops.linear(x as never, w as never, { b: b && on.tensor(b), relu }) as Tensor<'float32'>;
        const dy: Tensor<'float32'> = on.tensor(hashNdArray(inputs.dy));
        const before = relu ? ops.reluBackward(dy, y) : dy;
        const { dw, db } = ops.linearBackwardWeights(x, before, { bias: b !== undefined });
        return { y, dx: ops.linearBackwardData(before, w), dw, ...(db && { db }) };
      });
      on.expect('linearForward', actual.y, expected(outputs.y), 'y');
      on.expect('linearBackwardData', actual.dx, expected(outputs.dx), 'dx');
      on.expect('linearBackwardWeights', actual.dw, expected(outputs.dw), 'dw');
      if (outputs.db) on.expect('linearBackwardWeights', actual.db!, expected(outputs.db), 'db');
    });
  }
});

forEachDevice("golden activations, softmax and LRN are torch's", (on) => {
  for (const op of ['relu', 'tanh', 'sigmoid', 'softmax'] as const) {
    const [forward, backward] = activations[op]!;
    for (const { name, inputs, outputs } of golden[op]) {
      it(`${op}: ${name}`, async () => {
        const { y, dx } = await on.compute(() => {
          const output = forward(on.tensor<readonly number[]>(hashNdArray(inputs.x)));
          return { y: output, dx: backward(on.tensor(hashNdArray(inputs.dy)), output) };
        });
        on.expect(`${op}Forward`, y, expected(outputs.y), 'y');
        on.expect(`${op}Backward`, dx, expected(outputs.dx), 'dx');
      });
    }
  }

  for (const { name, inputs, attributes, outputs } of golden.lrnAcrossChannels) {
    it(`LRN across channels: ${name}`, async () => {
      const options = { ...attributes, alphaOver: 'sum' } as const;
      const [x, dy] = [hashNdArray(inputs.x), hashNdArray(inputs.dy)];
      const actual = await on.compute(() => ({
        y: ops.lrn(on.tensor(x), options),
        dx: ops.lrnBackward(on.tensor(dy), on.tensor(x), options),
      }));
      on.expect('lrnForward', actual.y, expected(outputs.y), 'y');
      on.expect('lrnBackward', actual.dx, expected(outputs.dx), 'dx');
    });
  }

  for (const { name, inputs, attributes, outputs } of golden.lrnWithinChannel) {
    it(`LRN within a channel: ${name}`, async () => {
      const options = { ...attributes, alphaOver: 'sum' } as const;
      const [x, dy] = [hashNdArray(inputs.x), hashNdArray(inputs.dy)];
      const actual = await on.compute(() => ({
        y: ops.lrnWithin(on.tensor(x), options),
        dx: ops.lrnWithinBackward(on.tensor(dy), on.tensor(x), options),
      }));
      on.expect('lrnWithinForward', actual.y, expected(outputs.y), 'y');
      on.expect('lrnWithinBackward', actual.dx, expected(outputs.dx), 'dx');
    });
  }
});

function poolOptions({ kernel, stride, padding }: PoolAttributes) {
  return { kernelSize: [kernel.h, kernel.w] as const, stride: [stride.h, stride.w] as const, padding };
}

forEachDevice("golden pooling is torch's", (on) => {
  for (const { name, inputs, attributes, outputs } of golden.maxPool2d) {
    it(`max: ${name}`, async () => {
      const options = poolOptions(attributes);
      const actual = await on.compute(() => {
        const x = hashNdArray(inputs.x);
        const { y, argmax } = ops.maxPool2d(on.tensor(x), { ...options, training: true });
        const gradient = { ...options, inputShape: x.shape };
        return {
          y,
          dx: ops.maxPool2dBackward(on.tensor(hashNdArray(inputs.dy)), argmax as Tensor, gradient),
        };
      });
      on.expect('maxPool2dForward', actual.y, expected(outputs.y), 'y');
      on.expect('maxPool2dBackward', actual.dx, expected(outputs.dx), 'dx');
    });
  }

  for (const { name, inputs, attributes, outputs } of golden.avgPool2d) {
    it(`average: ${name}`, async () => {
      const options = { ...poolOptions(attributes), divisor: attributes.divisor };
      const x = hashNdArray(inputs.x);
      const actual = await on.compute(() => ({
        y: ops.avgPool2d(on.tensor(x), options),
        dx: ops.avgPool2dBackward(on.tensor(hashNdArray(inputs.dy)), { ...options, inputShape: x.shape }),
      }));
      on.expect('avgPool2dForward', actual.y, expected(outputs.y), 'y');
      on.expect('avgPool2dBackward', actual.dx, expected(outputs.dx), 'dx');
    });
  }
});

forEachDevice('golden loss, SGD, augmentation and randomness', (on) => {
  for (const { name, inputs, labels, attributes, outputs } of golden.crossEntropy) {
    it(`cross-entropy and rank are torch's: ${name}`, async () => {
      const actual = await on.compute(() => {
        const logits = on.tensor<readonly [number, number]>(hashNdArray(inputs.logits));
        const { loss, probabilities } = ops.crossEntropy(logits, on.labels(labels), attributes);
        const dlogits = ops.crossEntropyBackward(probabilities, on.labels(labels), attributes);
        return { loss, dlogits, rank: ops.labelRank(logits, on.labels(labels)) };
      });
      on.expect('crossEntropyForward', actual.loss, ndArray([], [outputs.loss]));
      on.expect('crossEntropyBackward', actual.dlogits, expected(outputs.dlogits));
      on.expect('labelRank', actual.rank, expected(outputs.ranks));
    });
  }

  for (const { name, inputs, attributes, steps } of golden.sgd) {
    it(`SGD over five steps with a drop of the learning rate: ${name}`, async () => {
      const { form, momentum, decay, rates } = attributes;
      for (const [last, after] of steps.entries()) {
        const actual = await on.compute(() => {
          const w = on.tensor(hashNdArray(inputs.w));
          const v = on.tensor(zeros(inputs.w.shape));
          for (let i = 0; i <= last; i++) {
            const options = { form, momentum, weightDecay: decay, learningRate: rates[i]! };
            ops.sgdStep(w, v, on.tensor(hashNdArray(inputs.g[i]!)), options);
          }
          return { w, v };
        });
        on.expect('sgd', actual.w, expected(after.w), `w after step ${last + 1}`);
        on.expect('sgd', actual.v, expected(after.v), `v after step ${last + 1}`);
      }
    });
  }

  for (const { name, inputs, attributes, outputs } of golden.clip) {
    it(`gradients are clipped as torch does: ${name}`, async () => {
      const { maxNorm, maxValue } = attributes;
      for (const i of inputs.g.keys()) {
        const { byNorm, byValue } = await on.compute(() => {
          const [first, second] = inputs.g.map((spec) => on.tensor<readonly number[]>(hashNdArray(spec)));
          const squares = ops.add(ops.sumSquares(first!), ops.sumSquares(second!));
          const gradient = [first!, second!][i]!;
          return {
            byNorm: ops.scaleBy(gradient, ops.clipScale(squares, { maxNorm })),
            byValue: ops.clamp(gradient, { low: -maxValue, high: maxValue }),
          };
        });
        on.expect('clipScale', byNorm, expected(outputs.byNorm[i]!), 'by norm');
        on.expect('clamp', byValue, map(expected(outputs.byValue[i]!), Math.fround), 'by value');
      }
    });
  }

  for (const { name, inputs, records, attributes, outputs } of golden.augment) {
    it(`augmentation is numpy's and torch's: ${name}`, async () => {
      const { y } = await on.compute(() => {
        const bytes = map(hashNdArray(inputs.images), Math.floor);
        const shape = bytes.shape as readonly [number, number, number, number];
        const images = on.device.tensor(Uint8Array.from(bytes.data), { shape });
        const views = on.device.tensor(Float32Array.from(records.flat()), { shape: [records.length, 22] });
        const [mean, std] = [on.tensor(hashNdArray(inputs.mean)), on.tensor(hashNdArray(inputs.std))];
        return { y: ops.augment(images, { records: views, mean, std, ...attributes }) };
      });
      on.expect('augment', y, expected(outputs.y));
    });
  }

  for (const { name, attributes, outputs } of golden.random) {
    it(`dropout, uniform and gaussian are numpy's: ${name}`, async () => {
      const { count, rate, low, high, mean, std, ...at } = attributes;
      const shape = [count];
      const ones = map(zeros(shape), () => 1);
      const actual = await on.compute(() => ({
        kept: ops.dropout(on.tensor(ones), { rate, scale: 1, ...at }),
        uniform: ops.uniform(on.device, { shape, low, high, ...at }),
        gaussian: ops.gaussian(on.device, { shape, mean, std, ...at }),
      }));
      on.expect('dropout', actual.kept, ndArray(shape, outputs.keep));
      on.expect('uniform', actual.uniform, ndArray(shape, outputs.uniform));
      on.expect('gaussian', actual.gaussian, ndArray(shape, outputs.gaussian));
    });
  }

  it('the first words of seed 0 are the known answer of Random123', async () => {
    const { counter, key, words } = golden.philox[0]!;
    assert.deepEqual([...counter, ...key], [0, 0, 0, 0, 0, 0]);
    const { y } = await on.compute(() => ({
      y: ops.uniform(on.device, { shape: [4], low: -0.5, high: 2 ** 32 - 0.5, seed: 0 }),
    }));
    on.expect('uniform', y, ndArray([4], words));
  });
});
