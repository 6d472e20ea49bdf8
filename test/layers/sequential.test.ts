// Chains of layers: fusion changes nothing but speed, names keep parameters apart, and nothing is left behind.
// Invariant: a fused chain is held against the same layers run one after another.
import assert from 'node:assert/strict';
import { ArgumentError, ShapeError } from '../../lib/errors.js';
import {
  Conv2d,
  Dropout,
  Flatten,
  inference,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Sequential,
  Tanh,
  type Activations,
  type Layer,
  type Mode,
} from '../../lib/layers/index.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice, type TestDevice } from '../helpers/devices.js';
import { hashNdArray } from '../helpers/reference.js';

const TRAINING: Mode = { training: true, gradient: true, seed: 5, step: 2 };

const X = hashNdArray({ shape: [3, 3, 11, 9], seed: 171, low: -1, high: 1 });
const DY = hashNdArray({ shape: [3, 5], seed: 172, low: -1, high: 1 });

/** Every kind of layer that AlexNet has, three of them ready to fuse. */
function layers(): Layer[] {
  return [
    new Conv2d({ name: 'conv1', inChannels: 3, outChannels: 20, kernelSize: 3, padding: 1 }),
    new ReLU({ name: 'relu1' }),
    new LocalResponseNorm({ name: 'lrn1', size: 5, alpha: 0.1, alphaOver: 'sum', beta: 0.75, k: 2 }),
    new MaxPool2d({ name: 'pool1', kernelSize: 3, stride: 2 }),
    new Conv2d({ name: 'conv2', inChannels: 20, outChannels: 6, kernelSize: 3, groups: 2, bias: false }),
    new ReLU({ name: 'relu2' }),
    new Flatten(),
    new Linear({ name: 'fc3', inFeatures: 6 * 3 * 2, outFeatures: 8 }),
    new ReLU({ name: 'relu3' }),
    new Dropout({ name: 'drop3', rate: 0.5, stream: 3 }),
    new Linear({ name: 'fc4', inFeatures: 8, outFeatures: 5 }),
  ];
}

function initialize(layer: Layer, device: Device): void {
  layer.parameters.forEach((parameter, i) => parameter.initialize(device, { seed: 7, stream: i }));
}

interface Result {
  readonly y: Float32Array;
  readonly dx: Float32Array;
  readonly gradients: readonly Float32Array[];
}

async function resultOf(network: Sequential, out: Activations, dIn: Activations): Promise<Result> {
  const [y, dx] = [out, dIn] as Tensor<'float32'>[] as [Tensor<'float32'>, Tensor<'float32'>];
  const gradients: Float32Array[] = [];
  for (const parameter of network.parameters) {
    gradients.push(await parameter.gradient!.data());
    parameter.clearGradient();
  }
  return { y: await y.data(), dx: await dx.data(), gradients };
}

/** Forward and backward through the chain. */
async function throughChain(on: TestDevice, network: Sequential): Promise<Result> {
  using x: Activations = on.tensor(X);
  using dy: Activations = on.tensor(DY);
  const forward = network.forward(x, TRAINING);
  using y = forward.y;
  using saved = forward.saved!;
  using dx = network.backward(dy, saved, { inputGradient: true })!;
  return await resultOf(network, y, dx);
}

/** Forward and backward through the layers that the user wrote, one by one. */
async function throughLayers(on: TestDevice, network: Sequential): Promise<Result> {
  let current: Activations = on.tensor(X);
  const states: Disposable[] = [];
  for (const layer of network.layers) {
    using x = current;
    const forward = layer.forward(x, TRAINING);
    current = forward.y;
    states.push(forward.saved!);
  }
  using y = current;
  let gradient: Activations = on.tensor(DY);
  for (const layer of network.layers.toReversed()) {
    using dy = gradient;
    using state = states.pop()!;
    gradient = layer.backward(dy, state, { inputGradient: true })!;
  }
  using dx = gradient;
  return await resultOf(network, y, dx);
}

forEachDevice('a Sequential', (on) => {
  it('gives what its layers give one after another, forwards and backwards', async () => {
    using network = new Sequential(layers());
    initialize(network, on.device);
    assert.deepEqual(await throughChain(on, network), await throughLayers(on, network));
  });

  it('lists the layers that the user wrote', () => {
    const written = layers();
    using network = new Sequential(written);
    assert.deepEqual(network.layers, written);
    const names = [
      'conv1.weight',
      'conv1.bias',
      'conv2.weight',
      'fc3.weight',
      'fc3.bias',
      'fc4.weight',
      'fc4.bias',
    ];
    assert.deepEqual(
      network.parameters.map(({ name }) => name),
      names,
    );
  });

  it('adds up the gradients of several passes', async () => {
    using network = new Sequential(layers());
    initialize(network, on.device);
    const once = await throughChain(on, network);
    for (let i = 0; i < 2; i++) {
      using x: Activations = on.tensor(X);
      using dy: Activations = on.tensor(DY);
      const { y, saved } = network.forward(x, TRAINING);
      y.dispose();
      using state = saved!;
      network.backward(dy, state, { inputGradient: false });
    }
    const twice: Float32Array[] = [];
    for (const { gradient } of network.parameters) twice.push(await gradient!.data());
    assert.deepEqual(
      twice,
      once.gradients.map((gradient) => gradient.map((value) => 2 * value)),
    );
  });

  it('keeps nothing but the output without a gradient to come', () => {
    using network = new Sequential(layers());
    initialize(network, on.device);
    using x: Activations = on.tensor(X);
    const before = on.device.memory().tensors;
    const { y, saved } = network.forward(x, inference);
    assert.equal(saved, null);
    assert.equal(on.device.memory().tensors, before + 1);
    y.dispose();
  });

  it('leaves nothing behind when a layer refuses its input', () => {
    using network = new Sequential([
      ...layers().slice(0, 7),
      new Linear({ name: 'fc3', inFeatures: 7, outFeatures: 8 }),
    ]);
    initialize(network, on.device);
    using x: Activations = on.tensor(X);
    const before = on.device.memory().tensors;
    assert.throws(() => network.forward(x, TRAINING), { message: /^fc3: 36 input features, expected 7/ });
    assert.equal(on.device.memory().tensors, before);
  });

  it('releases its states once, even if they are disposed again', () => {
    using network = new Sequential(layers());
    initialize(network, on.device);
    using x: Activations = on.tensor(X);
    const { y, saved } = network.forward(x, TRAINING);
    y.dispose();
    saved![Symbol.dispose]();
    saved![Symbol.dispose]();
  });

  it('stops at the first layer that learns if nobody wants the gradient of its input', () => {
    class Unlearned extends Flatten {
      override backward(): never {
        throw new Error('nobody asked');
      }
    }
    using network = new Sequential([new Unlearned(), new Linear({ inFeatures: 4, outFeatures: 2 })]);
    initialize(network, on.device);
    on.device.scope(() => {
      const { saved } = network.forward(
        on.tensor(hashNdArray({ shape: [1, 4], seed: 1, low: 0, high: 1 })),
        TRAINING,
      );
      const dy: Activations = on.tensor(hashNdArray({ shape: [1, 2], seed: 2, low: 0, high: 1 }));
      assert.equal(network.backward(dy, saved!, { inputGradient: false }), null);
    });
    assert.deepEqual(network.parameters[0]!.gradient!.shape, [2, 4]);
  });

  it('may be nested, and may be empty', async () => {
    using flat = new Sequential(layers());
    using nested = new Sequential([
      new Sequential(layers().slice(0, 4)),
      new Sequential([]),
      new Sequential(layers().slice(4)),
    ]);
    initialize(flat, on.device);
    initialize(nested, on.device);
    assert.deepEqual(await throughChain(on, nested), await throughChain(on, flat));
    assert.deepEqual(nested.outputShape(X.shape), [3, 5]);
    assert.equal(nested.macs(X.shape), flat.macs(X.shape));
  });
});

describe('fusion', () => {
  /** The ops that a chain ran, by their plans. */
  async function opsOf(written: Layer[]): Promise<string[]> {
    using device = openDevice('cpu');
    using network = new Sequential(written);
    initialize(network, device);
    using x = device.tensor(Float32Array.from(X.data), { shape: X.shape });
    network.forward(x, inference).y.dispose();
    return (await device.plans()).map(({ op }) => op).reverse();
  }
  const conv = (name: string, inChannels = 3) =>
    new Conv2d({ name, inChannels, outChannels: 4, kernelSize: 3 });

  it('takes a ReLU into the convolution before it', async () => {
    assert.deepEqual(await opsOf([conv('conv'), new ReLU()]), ['conv2dForward']);
  });

  it('takes a ReLU into the fully connected layer before it', async () => {
    const fc = new Linear({ inFeatures: 297, outFeatures: 4 });
    assert.deepEqual(await opsOf([new Flatten(), fc, new ReLU()]), ['linearForward']);
  });

  it('takes one ReLU only', async () => {
    assert.deepEqual(await opsOf([conv('conv'), new ReLU(), new ReLU()]), ['conv2dForward', 'reluForward']);
  });

  it('takes the max pooling behind a response normalisation into it', async () => {
    const normal = () => new LocalResponseNorm({ size: 5, alpha: 1, alphaOver: 'sum', beta: 0.75, k: 2 });
    const pool = () => new MaxPool2d({ kernelSize: 3, stride: 2 });
    const wide = () => new Conv2d({ name: 'conv', inChannels: 3, outChannels: 16, kernelSize: 3 });
    const fused = ['conv2dForward', 'lrnMaxPool2dForward'];
    assert.deepEqual(await opsOf([wide(), new ReLU(), normal(), pool()]), fused);
    assert.deepEqual(await opsOf([wide(), normal(), pool(), pool()]), [...fused, 'maxPool2dForward']);
    const other = ['conv2dForward', 'maxPool2dForward', 'lrnForward'];
    assert.deepEqual(await opsOf([wide(), new ReLU(), pool(), normal()]), other);
  });

  it('leaves other activations, and a ReLU before a convolution, alone', async () => {
    const written = [new ReLU(), conv('conv1'), new Tanh()];
    assert.deepEqual(await opsOf(written), ['reluForward', 'conv2dForward', 'tanhForward']);
  });

  it('uses the parameters of the layer that the user wrote', () => {
    const written = conv('conv');
    const fused = written.fuse(new ReLU()) as Conv2d;
    assert.equal(fused.weight, written.weight);
    assert.equal(fused.bias, written.bias);
  });
});

describe('a Sequential refuses', () => {
  it('two layers whose parameters have the same name', () => {
    const twins = () =>
      new Sequential([
        new Linear({ inFeatures: 2, outFeatures: 2 }),
        new Linear({ inFeatures: 2, outFeatures: 2 }),
      ]);
    assert.throws(twins, (error: Error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(
        error.message,
        /^Two layers have a parameter 'linear\.weight': give layers different names/,
      );
      return true;
    });
  });

  it('no two layers of one name that have no parameters', () => {
    assert.equal(new Sequential([new ReLU(), new Flatten(), new ReLU()]).layers.length, 3);
  });

  it('pictures for a fully connected layer, and says what to put in front', () => {
    const network = new Sequential([new Linear({ name: 'fc6', inFeatures: 48, outFeatures: 2 })]);
    assert.throws(
      () => network.outputShape([1, 3, 4, 4]),
      (error: Error) => {
        assert.ok(error instanceof ShapeError);
        assert.equal(
          error.message,
          'fc6: x is [1, 3, 4, 4], expected [N, 48]. Put a Flatten layer in front.',
        );
        return true;
      },
    );
  });
});
