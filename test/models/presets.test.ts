// What the presets stand for: how weights start, how learning is set up, and what explain() says of it.
// Invariant: sentences are looked for one by one; their order and company may change.
import assert from 'node:assert/strict';
import type { Parameter } from '../../lib/layers/index.js';
import { alexnet, cifarNet, presets, type AlexNetOptions, type PresetName } from '../../lib/models/index.js';
import { forEachDevice } from '../helpers/devices.js';

function parametersOf(options: AlexNetOptions): (name: string) => Parameter {
  const parameters = new Map(
    alexnet(options).network.parameters.map((parameter) => [parameter.name, parameter]),
  );
  return (name) => parameters.get(name)!;
}

describe('explain()', () => {
  function says(options: AlexNetOptions, ...sentences: string[]): void {
    const text = alexnet(options).explain();
    for (const sentence of sentences) assert.ok(text.includes(sentence), `'${sentence}' is not in:\n${text}`);
  }

  it('says that the paper is as in the paper', () => {
    says({ preset: 'krizhevsky2012' }, 'krizhevsky2012: the paper, read literally', 'As in the paper.');
  });

  it("says what is different in the authors' code", () => {
    says(
      { preset: 'cuda-convnet2' },
      "response normalisation: n 5, alpha 0.0001 over the window's mean, beta 0.75, k 2, within each of 2 towers",
      'scaled up in training (inverted) (the paper: on the outputs of fc6 and fc7, outputs halved at test time)',
      'biases: learning rate x2, weight decay x0 (the paper: learning rate x1, weight decay x1)',
    );
  });

  it("says what is different in Caffe's", () => {
    says(
      { preset: 'bvlc' },
      'input: 227x227 pixels, conv1 padded by 0 (the paper: 224x224 pixels, conv1 padded by {"right":3,"bottom":3})',
      "beta 0.75, k 1 (the paper: n 5, alpha 0.0001 over the window's sum, beta 0.75, k 2)",
      'initial biases of conv2, conv4, conv5, fc6, fc7: 0.1 (the paper: 1)',
      'fc6 and fc7 N(0, 0.005^2)',
      'batch: 256 (the paper: 128)',
    );
  });

  it('says that CaffeNet pools first', () => {
    says({ preset: 'caffenet' }, 'order after the ReLU of conv1 and conv2: pool, LRN (the paper: LRN, pool)');
  });

  it('says what "one weird trick" leaves out', () => {
    says(
      { preset: 'owt' },
      'response normalisation: none',
      'kernels of conv1 to conv5: 64, 192, 384, 256, 256 (the paper: 96, 256, 384, 384, 256)',
      'groups of conv2, conv4, conv5: 1 (the paper: 2)',
      "momentum: PyTorch's form (the paper: learning rate inside the velocity)",
      'dropout: on the inputs of fc6 and fc7',
    );
  });

  it('says what the options change', () => {
    says(
      { preset: 'krizhevsky2012', groups: 1, inputSize: 227, initialization: 'lecun' },
      'groups of conv2, conv4, conv5: 1 (the paper: 2)',
      'input: 227x227 pixels',
      'convolutions N(0, 1 / fan-in)',
      'Differences from the paper:',
    );
  });

  it('names the CIFAR nets as what they are', () => {
    assert.match(cifarNet({ net: '80sec' }).explain(), /cuda-convnet's layers-80sec/);
  });
});

describe('recipes', () => {
  it("are the paper's: batch 128, rate .01, momentum .9, decay 5e-4, mean picture", () => {
    const { std, ...recipe } = alexnet({ preset: 'krizhevsky2012' }).recipe!;
    assert.deepEqual(std, [1, 1, 1]);
    assert.deepEqual(recipe, {
      momentumForm: 'paper',
      learningRate: 0.01,
      momentum: 0.9,
      weightDecay: 5e-4,
      batchSize: 128,
      mean: 'image',
    });
  });

  it("are Caffe's: batch 256, biases at twice the rate and without decay", () => {
    const of = parametersOf({ preset: 'bvlc' });
    assert.equal(alexnet({ preset: 'bvlc' }).recipe!.batchSize, 256);
    for (const layer of ['conv1', 'conv5', 'fc6', 'fc8']) {
      const { learningRateMultiplier, weightDecayMultiplier } = of(`${layer}.bias`);
      assert.deepEqual([learningRateMultiplier, weightDecayMultiplier], [2, 0]);
      assert.deepEqual(
        [of(`${layer}.weight`).learningRateMultiplier, of(`${layer}.weight`).weightDecayMultiplier],
        [1, 1],
      );
    }
  });

  it('let the biases of the paper learn and decay like weights', () => {
    const { learningRateMultiplier, weightDecayMultiplier } = parametersOf({ preset: 'krizhevsky2012' })(
      'fc6.bias',
    );
    assert.deepEqual([learningRateMultiplier, weightDecayMultiplier], [1, 1]);
  });

  it("give each layer of the CIFAR nets its own decay and the biases none, as cuda-convnet's layer files do", () => {
    const decay = (net: '80sec' | '19pct' | '18pct') => {
      const { network, recipe } = cifarNet({ net });
      return Object.fromEntries(
        network.parameters.map((p) => [
          p.name,
          Number((p.weightDecayMultiplier * recipe!.weightDecay).toFixed(6)),
        ]),
      );
    };
    const convolutions = { 'conv1.weight': 0.004, 'conv2.weight': 0.004, 'conv3.weight': 0.004 };
    const biases = { 'conv1.bias': 0, 'conv2.bias': 0, 'conv3.bias': 0, 'fc10.bias': 0 };
    assert.deepEqual(decay('19pct'), { ...convolutions, ...biases, 'fc10.weight': 3 });
    assert.deepEqual(decay('18pct'), { ...convolutions, ...biases, 'fc10.weight': 1 });
    const fully = { 'fc64.weight': 0.03, 'fc64.bias': 0, 'fc10.weight': 0.03 };
    assert.deepEqual(decay('80sec'), { ...convolutions, ...biases, ...fully });
  });

  it('let the biases of the CIFAR nets learn twice as fast', () => {
    for (const { name, learningRateMultiplier } of cifarNet({ net: '80sec' }).network.parameters) {
      assert.equal(learningRateMultiplier, name.endsWith('.bias') ? 2 : 1, name);
    }
  });
});

interface Start {
  readonly mean: number;
  readonly std: number;
}

/** How parameters start, by name. 363, 1200, 2400: the fan-in of conv1, of grouped conv2, of conv2 in one tower. */
const STARTS: readonly (readonly [what: string, options: AlexNetOptions, Readonly<Record<string, Start>>])[] =
  [
    [
      'krizhevsky2012',
      { preset: 'krizhevsky2012' },
      {
        'conv1.weight': { mean: 0, std: 0.01 },
        'conv2.weight': { mean: 0, std: 0.01 },
        'fc6.weight': { mean: 0, std: 0.01 },
        'fc8.weight': { mean: 0, std: 0.01 },
        'conv1.bias': { mean: 0, std: 0 },
        'conv2.bias': { mean: 1, std: 0 },
        'conv3.bias': { mean: 0, std: 0 },
        'conv4.bias': { mean: 1, std: 0 },
        'conv5.bias': { mean: 1, std: 0 },
        'fc6.bias': { mean: 1, std: 0 },
        'fc7.bias': { mean: 1, std: 0 },
        'fc8.bias': { mean: 0, std: 0 },
      },
    ],
    [
      'bvlc',
      { preset: 'bvlc' },
      {
        'conv1.weight': { mean: 0, std: 0.01 },
        'fc6.weight': { mean: 0, std: 0.005 },
        'fc8.weight': { mean: 0, std: 0.01 },
        'conv2.bias': { mean: Math.fround(0.1), std: 0 },
        'fc8.bias': { mean: 0, std: 0 },
      },
    ],
    [
      'caffenet',
      { preset: 'caffenet' },
      { 'fc6.weight': { mean: 0, std: 0.005 }, 'fc6.bias': { mean: 1, std: 0 } },
    ],
    [
      'owt, which draws evenly over 1 / sqrt(fan-in)',
      { preset: 'owt' },
      {
        'conv1.weight': { mean: 0, std: Math.sqrt(1 / 363 / 3) },
        'conv2.weight': { mean: 0, std: Math.sqrt(1 / 1600 / 3) },
        'fc8.weight': { mean: 0, std: Math.sqrt(1 / 4096 / 3) },
        'fc8.bias': { mean: 0, std: Math.sqrt(1 / 4096 / 3) },
      },
    ],
    [
      'lecun',
      { initialization: 'lecun' },
      {
        'conv1.weight': { mean: 0, std: Math.sqrt(1 / 363) },
        'conv2.weight': { mean: 0, std: Math.sqrt(1 / 1200) },
        'fc8.weight': { mean: 0, std: Math.sqrt(1 / 4096) },
        'conv2.bias': { mean: 0, std: 0 },
        'fc8.bias': { mean: 0, std: 0 },
      },
    ],
  ];

function momentsOf(values: Float32Array): Start {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, std: Math.sqrt(variance) };
}

forEachDevice('initial weights', (on) => {
  for (const [what, options, starts] of STARTS) {
    it(`of ${what} have the mean and the deviation of their source`, async () => {
      const of = parametersOf({ ...options, inputSize: 67 });
      for (const [name, expected] of Object.entries(starts)) {
        using parameter = of(name);
        parameter.initialize(on.device, { seed: 3, stream: 1 });
        const { mean, std } = momentsOf(await parameter.value.data());
        // Five standard errors, of the mean and of the deviation.
        const n = parameter.size;
        assert.ok(
          Math.abs(mean - expected.mean) <= (5 * expected.std) / Math.sqrt(n),
          `${name}: mean ${mean}`,
        );
        assert.ok(
          Math.abs(std - expected.std) <= (5 * expected.std) / Math.sqrt(2 * n),
          `${name}: std ${std}`,
        );
      }
    });
  }

  it('of every parameter are drawn on their own', async () => {
    using model = cifarNet({ net: '19pct' }).initialize(on.device, { seed: 1 });
    const [, , second, , third] = model.network.parameters;
    const [a, b] = [await second!.value.data(), await third!.value.data()];
    assert.notDeepEqual(a.slice(0, 8), b.slice(0, 8));
  });

  for (const name of Object.keys(presets) as PresetName[]) {
    it(`of ${name} are a function of the seed`, async () => {
      const weights = async (seed: number) => {
        using parameter = parametersOf({ preset: name })('conv1.weight');
        parameter.initialize(on.device, { seed, stream: 1000 });
        return await parameter.value.data();
      };
      const [first, again, other] = [await weights(1), await weights(1), await weights(2)];
      assert.deepEqual(first, again);
      assert.ok(first.every((value, i) => value !== other[i]));
    });
  }
});
