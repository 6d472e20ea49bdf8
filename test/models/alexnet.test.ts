// AlexNet's topology: every layer's output, parameters and multiply-accumulates, in every variant.
// Invariant: computed from shapes alone; no device is opened here.
import assert from 'node:assert/strict';
import { ArgumentError, ShapeError } from '../../lib/errors.js';
import {
  alexnet,
  presets,
  type AlexNetOptions,
  type Model,
  type PresetName,
} from '../../lib/models/index.js';

/** The paper's layers with weights: output, parameters, multiply-accumulates. */
const LAYERS = [
  ['conv1', [96, 55, 55], 34_944, 105_415_200],
  ['conv2', [256, 27, 27], 307_456, 223_948_800],
  ['conv3', [384, 13, 13], 885_120, 149_520_384],
  ['conv4', [384, 13, 13], 663_936, 112_140_288],
  ['conv5', [256, 13, 13], 442_624, 74_760_192],
  ['fc6', [4096], 37_752_832, 37_748_736],
  ['fc7', [4096], 16_781_312, 16_777_216],
  ['fc8', [1000], 4_097_000, 4_096_000],
] as const;

const POOLS = [
  ['pool1', [96, 27, 27]],
  ['pool2', [256, 13, 13]],
  ['pool5', [256, 6, 6]],
] as const;

const presetNames = Object.keys(presets) as PresetName[];

function rowsOf(model: Model) {
  return new Map(model.summary().rows.map((row) => [row.name, row]));
}

function size(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function order(model: Model): string[] {
  return model.network.layers.map(({ name }) => name);
}

describe("the paper's AlexNet", () => {
  const model = alexnet({ preset: 'krizhevsky2012' });
  const rows = rowsOf(model);

  for (const [name, output, parameters, macs] of LAYERS) {
    it(`has ${parameters} parameters and ${macs} multiply-accumulates in ${name}`, () => {
      const row = rows.get(name)!;
      assert.deepEqual(row.outputShape, [1, ...output]);
      assert.equal(row.parameters, parameters);
      assert.equal(row.macs, macs);
    });
  }

  for (const [name, output] of POOLS) {
    it(`pools to ${output.join('x')} in ${name}`, () => {
      assert.deepEqual(rows.get(name)!.outputShape, [1, ...output]);
    });
  }

  it('has 60,965,224 parameters and 724,406,816 multiply-accumulates', () => {
    const { parameters, macs } = model.summary();
    assert.equal(parameters, 60_965_224);
    assert.equal(macs, 724_406_816);
    assert.equal(
      model.network.parameters.reduce((total, parameter) => total + parameter.size, 0),
      60_965_224,
    );
    assert.equal(model.network.macs([1, ...model.inputShape]), 724_406_816);
  });

  it('has 659,272 neurons', () => {
    const neurons = LAYERS.reduce((total, [name]) => total + size(rows.get(name)!.outputShape), 0);
    assert.equal(neurons, 659_272);
  });

  it('normalises, then pools, and drops the outputs of fc6 and fc7', () => {
    assert.deepEqual(order(model), [
      ...['conv1', 'relu1', 'lrn1', 'pool1', 'conv2', 'relu2', 'lrn2', 'pool2'],
      ...['conv3', 'relu3', 'conv4', 'relu4', 'conv5', 'relu5', 'pool5', 'flatten'],
      ...['fc6', 'relu6', 'drop6', 'fc7', 'relu7', 'drop7', 'fc8'],
    ]);
  });

  it('prints its summary as a table that ends with the totals', () => {
    const lines = model.summary().toString().split('\n');
    assert.match(lines[0]!, /^layer +kind +output +parameters +MACs$/);
    assert.match(lines[1]!, /^input +\[3, 224, 224\]$/);
    assert.match(lines[2]!, /^conv1 +Conv2d +\[96, 55, 55\] +34,944 +105,415,200$/);
    assert.match(lines.at(-1)!, /^total +60,965,224 +724,406,816$/);
    assert.equal(lines.length, model.network.layers.length + 3);
  });
});

describe("AlexNet's variants", () => {
  for (const [what, options, parameters, macs] of [
    ['ungrouped', { preset: 'krizhevsky2012', groups: 1 }, 62_378_344, 1_135_256_096],
    ["Caffe's", { preset: 'bvlc' }, 60_965_224, 724_406_816],
    ["CaffeNet's", { preset: 'caffenet' }, 60_965_224, 724_406_816],
    ["the authors' code's", { preset: 'cuda-convnet2' }, 60_965_224, 724_406_816],
    ['"one weird trick"', { preset: 'owt' }, 61_100_840, 714_188_480],
    ['10 classes', { preset: 'krizhevsky2012', classes: 10 }, 56_909_194, 720_351_776],
  ] as const satisfies readonly (readonly [string, AlexNetOptions, number, number])[]) {
    it(`${what}: ${parameters} parameters, ${macs} multiply-accumulates`, () => {
      const summary = alexnet(options).summary();
      assert.equal(summary.parameters, parameters);
      assert.equal(summary.macs, macs);
    });
  }

  for (const preset of presetNames) {
    it(`${preset}: conv1 gives 55x55, pool5 6x6, whatever the input is padded by`, () => {
      const rows = rowsOf(alexnet({ preset }));
      assert.deepEqual(rows.get('conv1')!.outputShape.slice(2), [55, 55]);
      assert.deepEqual(rows.get('pool5')!.outputShape, [1, 256, 6, 6]);
    });
  }

  it("the paper's net gives 55x55 for 227 pixels too: its padding only rounds up", () => {
    const rows = rowsOf(alexnet({ preset: 'krizhevsky2012', inputSize: 227 }));
    assert.deepEqual(rows.get('conv1')!.outputShape, [1, 96, 55, 55]);
  });

  it('CaffeNet pools before it normalises', () => {
    const names = order(alexnet({ preset: 'caffenet' }));
    assert.deepEqual(names.slice(0, 8), [
      'conv1',
      'relu1',
      'pool1',
      'lrn1',
      'conv2',
      'relu2',
      'pool2',
      'lrn2',
    ]);
  });

  it('"one weird trick" drops the inputs of fc6 and fc7 and normalises nothing', () => {
    const names = order(alexnet({ preset: 'owt' }));
    assert.deepEqual(names.slice(-7), ['drop6', 'fc6', 'relu6', 'drop7', 'fc7', 'relu7', 'fc8']);
    assert.ok(!names.some((name) => name.startsWith('lrn')));
  });

  it('a dropout of 0 leaves the layers out', () => {
    assert.ok(!order(alexnet({ dropout: 0 })).some((name) => name.startsWith('drop')));
  });

  it('class names give the number of classes', () => {
    const model = alexnet({ classNames: ['cat', 'dog', 'fox'] });
    assert.equal(model.classes, 3);
    assert.deepEqual(model.classNames, ['cat', 'dog', 'fox']);
  });
});

describe('alexnet() refuses', () => {
  it('an unknown preset, and lists those there are', () => {
    for (const preset of ['alexnet', 'toString', '__proto__']) {
      assert.throws(
        () => alexnet({ preset: preset as PresetName }),
        (error: Error) => {
          assert.ok(error instanceof ArgumentError);
          assert.equal(
            error.message,
            `alexnet: no preset '${preset}'; there are krizhevsky2012, cuda-convnet2, bvlc, caffenet, owt.`,
          );
          return true;
        },
      );
    }
  });

  for (const [inputSize, layer] of [
    [10, 'conv1'],
    [16, 'pool1'],
    [30, 'pool2'],
    [60, 'pool5'],
  ] as const) {
    it(`an input of ${inputSize} pixels, and names ${layer}, where it became too small`, () => {
      assert.throws(
        () => alexnet({ inputSize }),
        (error: Error) => {
          assert.ok(error instanceof ShapeError);
          assert.match(
            error.message,
            new RegExp(`^${layer}: the window of \\d+ is larger than the input's height`),
          );
          return true;
        },
      );
    });
  }

  for (const [what, options] of [
    ['one class', { classes: 1 }],
    ['half a class', { classes: 2.5 }],
    ['other class names than classes', { classes: 3, classNames: ['cat', 'dog'] }],
    ['a dropout of 1', { dropout: 1 }],
    ['an unknown initialization', { initialization: 'zero' as 'preset' }],
  ] as const satisfies readonly (readonly [string, AlexNetOptions])[]) {
    it(what, () => {
      assert.throws(() => alexnet(options), ArgumentError);
    });
  }
});
