// What layers promise beside their gradients: the shape of their output, and errors that name them.
// Invariant: what is foretold is compared with what is computed.
import assert from 'node:assert/strict';
import { ArgumentError, ShapeError } from '../../lib/errors.js';
import {
  AvgPool2d,
  Conv2d,
  Dropout,
  Flatten,
  inference,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  type Activations,
  type Layer,
} from '../../lib/layers/index.js';
import { forEachDevice } from '../helpers/devices.js';
import { hashNdArray } from '../helpers/reference.js';

forEachDevice('layers', (on) => {
  for (const [what, make] of [
    [
      'Conv2d',
      () => new Conv2d({ inChannels: 6, outChannels: 5, kernelSize: [3, 2], stride: 2, padding: { top: 1 } }),
    ],
    ['MaxPool2d', () => new MaxPool2d({ kernelSize: 3, stride: 2, rounding: 'ceil' })],
    ['AvgPool2d', () => new AvgPool2d({ kernelSize: 2, padding: 1 })],
    [
      'LocalResponseNorm',
      () => new LocalResponseNorm({ size: 3, alpha: 1, alphaOver: 'sum', beta: 1, k: 1 }),
    ],
    ['Flatten', () => new Flatten()],
    ['Dropout', () => new Dropout({ stream: 1 })],
  ] as const) {
    it(`${what} foretells the shape of its output`, () => {
      using layer: Layer = make();
      for (const parameter of layer.parameters) parameter.initialize(on.device, { seed: 1, stream: 0 });
      using x: Activations = on.tensor(hashNdArray({ shape: [2, 6, 9, 8], seed: 181, low: -1, high: 1 }));
      using y = layer.forward(x, inference).y;
      assert.deepEqual(y.shape, layer.outputShape(x.shape));
    });
  }

  it('have no values before they are initialized, and say what to do', () => {
    using layer = new Linear({ name: 'fc6', inFeatures: 3, outFeatures: 2 });
    using x: Activations = on.tensor(hashNdArray({ shape: [1, 3], seed: 182, low: 0, high: 1 }));
    assert.throws(
      () => layer.forward(x, inference),
      (error: Error) => {
        assert.ok(error instanceof ArgumentError);
        assert.match(error.message, /^fc6\.weight has no value yet: call initialize\(device, \{ seed \}\)/);
        return true;
      },
    );
  });

  it('refuse groups that their channels do not divide into', () => {
    const make = () =>
      new Conv2d({ name: 'conv2', inChannels: 96, outChannels: 255, kernelSize: 5, groups: 2 });
    assert.throws(make, {
      code: 'ERR_ARGUMENT',
      message: /^conv2: 96 input and 255 output channels must divide/,
    });
  });

  it('normalise rank 4 only', () => {
    const layer = new LocalResponseNorm({
      name: 'lrn1',
      size: 5,
      alpha: 1,
      alphaOver: 'sum',
      beta: 0.75,
      k: 2,
    });
    assert.throws(() => layer.outputShape([2, 3]), ShapeError);
  });
});
