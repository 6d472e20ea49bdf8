// What single layers promise beside their gradients: shapes, dropout's modes, parameters, the loss.
// Invariant: values are held against the float64 reference, as those of the ops are.
import assert from 'node:assert/strict';
import { ArgumentError, ShapeError } from '../../lib/errors.js';
import {
  AvgPool2d,
  Conv2d,
  CrossEntropyLoss,
  Dropout,
  Flatten,
  inference,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  Parameter,
  type Activations,
  type Layer,
  type Mode,
} from '../../lib/layers/index.js';
import { forEachDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, map, ndArray } from '../helpers/reference.js';

const TRAINING: Mode = { training: true, gradient: true, seed: 11, step: 4 };

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

forEachDevice('a Dropout layer', (on) => {
  const x = hashNdArray({ shape: [4, 31], seed: 183, low: 1, high: 2 });
  const dy = hashNdArray({ shape: x.shape, seed: 184, low: 1, high: 2 });

  /** Output and gradient of one pass. */
  function pass(layer: Dropout, mode: Mode) {
    return on.compute(() => {
      const { y, saved } = layer.forward(on.tensor(x), { ...mode, gradient: true });
      return { y, dx: layer.backward(on.tensor(dy), saved as never, { inputGradient: true })! };
    });
  }

  for (const convention of ['inverted', 'paper'] as const) {
    for (const training of [true, false]) {
      it(`${convention}, in ${training ? 'training' : 'evaluation'}: output and gradient are the reference's`, async () => {
        const { y, dx } = await pass(new Dropout({ rate: 0.3, convention, stream: 6 }), {
          ...TRAINING,
          training,
        });
        const { seed, step } = TRAINING;
        const options = { rate: 0.3, mode: convention, training, seed, step, stream: 6 };
        on.expect('dropout', y, reference.dropout(x, options), 'y');
        on.expect('dropout', dx, reference.dropoutBackward(dy, options), 'dx');
      });
    }
  }

  for (const [what, change] of [
    ['another step', { mode: { ...TRAINING, step: 5 }, stream: 6 }],
    ['another seed', { mode: { ...TRAINING, seed: 12 }, stream: 6 }],
    ['another layer', { mode: TRAINING, stream: 7 }],
  ] as const) {
    it(`drops other elements in ${what}`, async () => {
      const first = await pass(new Dropout({ stream: 6 }), TRAINING);
      const second = await pass(new Dropout({ stream: change.stream }), change.mode);
      assert.notDeepEqual(second.y.data, first.y.data);
    });
  }

  it('drops the same elements in a pass that is repeated', async () => {
    const layer = new Dropout({ stream: 6 });
    assert.deepEqual(await pass(layer, TRAINING), await pass(layer, TRAINING));
  });

  it('refuses to drop everything', () => {
    assert.throws(() => new Dropout({ rate: 1, stream: 0 }), ArgumentError);
  });
});

forEachDevice('a Parameter', (on) => {
  const make = () => new Parameter({ name: 'w', shape: [2, 3], initializer: { kind: 'gaussian', std: 1 } });
  const values = (low: number) =>
    on.tensor<readonly [2, 3]>(hashNdArray({ shape: [2, 3], seed: 185, low, high: 1 }));

  it('releases a value that is replaced', () => {
    using parameter = make();
    const first = values(0);
    parameter.assign(first);
    parameter.assign(values(-1));
    assert.equal(first.disposed, true);
  });

  it('keeps its value when it is assigned to itself', () => {
    using parameter = make();
    parameter.assign(values(0));
    parameter.assign(parameter.value);
    assert.equal(parameter.value.disposed, false);
  });

  it('refuses a value of another shape and keeps the one it has', () => {
    using parameter = make();
    parameter.assign(values(0));
    using wrong: Activations = on.tensor(ndArray([3, 2], [0, 0, 0, 0, 0, 0]));
    assert.throws(() => parameter.assign(wrong), {
      code: 'ERR_SHAPE',
      message: /^w is \[2, 3\]; a value of \[3, 2\]/,
    });
    assert.equal(parameter.value.disposed, false);
  });

  it('adds up gradients until they are cleared', async () => {
    using parameter = make();
    parameter.assign(values(0));
    assert.equal(parameter.gradient, undefined);
    parameter.addGradient(values(0));
    parameter.addGradient(values(0));
    const single = hashNdArray({ shape: [2, 3], seed: 185, low: 0, high: 1 });
    assert.deepEqual(
      Array.from(await parameter.gradient!.data()),
      Array.from(single.data, (value) => 2 * value),
    );
    parameter.clearGradient();
    assert.equal(parameter.gradient, undefined);
  });

  it('has no value after it is disposed', () => {
    const parameter = make();
    parameter.assign(values(0));
    assert.equal(parameter.initialized, true);
    parameter.dispose();
    assert.equal(parameter.initialized, false);
    assert.throws(() => parameter.value, ArgumentError);
  });

  for (const [kind, initializer, expected] of [
    ['a constant', { kind: 'constant', value: 0.5 }, () => ndArray([7], new Array(7).fill(0.5))],
    [
      'a Gaussian',
      { kind: 'gaussian', std: 2 },
      () => ndArray([7], reference.gaussian(7, { mean: 0, std: 2 }, { seed: 3, step: 0, stream: 9 })),
    ],
    [
      'even numbers',
      { kind: 'uniform', bound: 2 },
      () => ndArray([7], reference.uniform(7, { low: -2, high: 2 }, { seed: 3, step: 0, stream: 9 })),
    ],
  ] as const) {
    it(`starts with ${kind}`, async () => {
      using parameter = new Parameter({ name: 'w', shape: [7], initializer });
      parameter.initialize(on.device, { seed: 3, stream: 9 });
      const { value } = await on.compute(() => ({ value: parameter.value.share() }));
      on.expect('gaussian', value, expected());
    });
  }
});

forEachDevice('the cross-entropy loss', (on) => {
  it("and its gradient are the reference's", async () => {
    const logits = hashNdArray({ shape: [5, 4], seed: 186, low: -2, high: 2 });
    const classes = [3, 0, 1, 1, 2];
    const { loss, dlogits } = await on.compute(() => {
      const criterion = new CrossEntropyLoss();
      const { loss, saved } = criterion.forward(on.tensor(logits), on.labels(classes));
      return { loss, dlogits: criterion.backward(saved) };
    });
    on.expect('crossEntropyForward', loss, ndArray([], [reference.crossEntropy(logits, classes).loss]));
    on.expect('crossEntropyBackward', dlogits, reference.crossEntropyBackward(logits, classes));
  });

  it('of equal logits is the logarithm of the number of classes', async () => {
    const { loss } = await on.compute(() => {
      const logits = map(reference.zeros([2, 1000]), () => 3);
      return { loss: new CrossEntropyLoss().forward(on.tensor(logits), on.labels([0, 999])).loss };
    });
    on.expect('crossEntropyForward', loss, ndArray([], [Math.log(1000)]));
  });
});
