// Quantised models: how close they are to what they were made of, what their files hold, and what they refuse.
// Invariant: the model that one is made of stays as it is.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ArgumentError, FileFormatError } from '../../lib/errors.js';
import { openSafetensors, writeSafetensors, type SafetensorsEntry } from '../../lib/io/safetensors.js';
import {
  AvgPool2d,
  Conv2d,
  Dropout,
  Flatten,
  Layer,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  planInt8,
  ReLU,
  Sequential,
  Tanh,
  type Activations,
  type Forward,
} from '../../lib/layers/index.js';
import { Histogram } from '../../lib/models/histogram.js';
import {
  alexnet,
  cifarNet,
  loadModel,
  loadPretrained,
  Model,
  Preprocessing,
  quantizeModel,
  saveModel,
} from '../../lib/models/index.js';
import { gaussian } from '../../lib/ops/index.js';
import type { Device } from '../../lib/tensor/device.js';
import { forEachDevice, supportOf } from '../helpers/devices.js';
import { hashUniform } from '../helpers/hash-values.js';

const hasInt8 = supportOf('cpu', 'int8') === 'fast';

function smallAlexNet(device: Device): Model {
  const model = alexnet({ classes: 10, inputSize: 67, initialization: 'lecun', preset: 'krizhevsky2012' });
  return model.initialize(device, { seed: 1 });
}

function inputs(device: Device, model: Model, seed = 2): Activations {
  return gaussian(device, { shape: [8, ...model.inputShape], std: 1, seed });
}

async function quantized(model: Model): Promise<Model> {
  using calibration = inputs(model.device, model, 3);
  return await quantizeModel(model, { calibration: [calibration] });
}

async function logits(model: Model, x: Activations): Promise<Float32Array> {
  using y = model.forward(x);
  return await y.data();
}

/** Signal to noise in decibel. */
function decibel(y: Float32Array, other: Float32Array): number {
  const signal = y.reduce((sum, value) => sum + value ** 2, 0);
  return 10 * Math.log10(signal / y.reduce((sum, value, i) => sum + (value - other[i]!) ** 2, 0));
}

/** A layer of a user's, with weights. */
class Scale extends Layer<never> {
  override readonly kind = 'Scale';
  override get weightCount(): number {
    return 1;
  }
  override outputShape(input: readonly number[]): readonly number[] {
    return input;
  }
  override forward(x: Activations): Forward<never> {
    return { y: x.share(), saved: null };
  }
  override backward(): null {
    return null;
  }
}

describe('a plan for 8-bit integers', () => {
  const kinds = (layers: readonly Layer[]) =>
    planInt8(layers).map((step) => (step.kind === 'quantize' ? `> ${step.name}` : step.layer.name));

  it('quantises before what only moves values, and once for each taker', () => {
    const layers = [
      new Conv2d({ name: 'conv', inChannels: 3, outChannels: 8, kernelSize: 3 }),
      new ReLU(),
      new LocalResponseNorm({ name: 'lrn', size: 5, alpha: 1, alphaOver: 'sum', beta: 0.75, k: 1 }),
      new MaxPool2d({ name: 'pool', kernelSize: 2 }),
      new Flatten(),
      new Dropout({ name: 'drop', stream: 1 }),
      new Linear({ name: 'fc', inFeatures: 8, outFeatures: 2 }),
    ];
    assert.deepEqual(kinds(layers), [
      ...['> conv.input', 'conv', 'relu', '> lrn.input', 'lrn', '> fc.input'],
      ...['pool', 'flatten', 'drop', 'fc'],
    ]);
  });

  it('leaves layers that have no form in integers in float32', () => {
    const layers = [
      new Tanh(),
      new AvgPool2d({ name: 'avg', kernelSize: 2 }),
      new Dropout({ name: 'drop', stream: 1, convention: 'paper' }),
      new Linear({ name: 'fc', inFeatures: 8, outFeatures: 2 }),
    ];
    assert.deepEqual(kinds(layers), ['tanh', 'avg', 'drop', '> fc.input', 'fc']);
  });
});

describe('a histogram of activations', () => {
  const scaleOf = (values: Float32Array) => {
    const histogram = new Histogram();
    histogram.add(values);
    return histogram.quantization();
  };

  it('takes the whole range of evenly spread values, in the type that their signs need', () => {
    const even = scaleOf(hashUniform(71, 50_000, 0, 4));
    assert.equal(even.dtype, 'uint8');
    assert.ok(Math.abs(even.scale - 4 / 255) < 1e-3 * even.scale + 4 / 255 / 200, `${even.scale}`);
    assert.equal(scaleOf(hashUniform(71, 50_000, -4, 4)).dtype, 'int8');
  });

  it('finds the least squared error, which cuts off what is rare and far away', () => {
    const values = hashUniform(72, 20_000, 0, 0.999999).map((u) => Math.log(1 - u) ** 3);
    const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const errorOf = (scale: number) =>
      values.reduce((sum, value) => {
        const q = Math.min(127, Math.max(-127, Math.round(value / scale)));
        return sum + (value - q * scale) ** 2;
      }, 0);
    const found = scaleOf(values).scale;
    const tried = Array.from({ length: 100 }, (_, i) => errorOf((((i + 1) / 100) * largest) / 127));
    assert.ok(errorOf(found) < 1.05 * Math.min(...tried));
    assert.ok(errorOf(found) < errorOf(largest / 127));
  });

  it('finds the same scale whatever the order in which the range grows', () => {
    const small = hashUniform(73, 20_000, 0, 1);
    const large = hashUniform(74, 20_000, 0, 7.9);
    const scales = [
      [small, large],
      [large, small],
    ].map((parts) => {
      const histogram = new Histogram();
      for (const part of parts) histogram.add(part);
      return histogram.quantization().scale;
    });
    assert.ok(Math.abs(scales[0]! / scales[1]! - 1) < 0.02, `${scales.join(', ')}`);
  });

  it('has a scale for zeros alone, and notices what is no number', () => {
    assert.deepEqual(scaleOf(new Float32Array(10)), { dtype: 'uint8', scale: 1 });
    for (const value of [NaN, Infinity, -Infinity]) {
      const histogram = new Histogram();
      histogram.add(Float32Array.of(1, value));
      assert.equal(histogram.finite, false);
    }
  });
});

forEachDevice('a quantised model', (on) => {
  if (on.target !== 'cpu' || !hasInt8) return;
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'alexnet-test-'));
  });
  after(() => rm(folder, { recursive: true }));

  it('predicts nearly what it was made of does, which stays as it was', async () => {
    using model = smallAlexNet(on.device);
    using x = inputs(on.device, model);
    const before = await logits(model, x);
    using int8 = await quantized(model);
    assert.equal(int8.precision, 'int8');
    const ratio = decibel(before, await logits(int8, x));
    assert.ok(ratio > 25 && ratio < 80, `${ratio} dB`);
    assert.deepEqual(await logits(model, x), before);
  });

  it('gives the output of every layer as float32', async () => {
    using model = smallAlexNet(on.device);
    using int8 = await quantized(model);
    using x = inputs(on.device, model);
    for (const { name } of model.network.layers) {
      using y = model.forwardTo(x, { layer: name });
      using z = int8.forwardTo(x, { layer: name });
      assert.deepEqual([z.dtype, z.scale, z.shape], ['float32', undefined, y.shape], name);
      const ratio = decibel(await y.data(), await z.data());
      assert.ok(ratio > 20, `${name}: ${ratio} dB`);
    }
  });

  it('outlives what it was made of', async () => {
    const model = smallAlexNet(on.device);
    using x = inputs(on.device, model);
    using int8 = await quantized(model);
    const before = await logits(int8, x);
    model.dispose();
    assert.deepEqual(await logits(int8, x), before);
    assert.equal(int8.summary().parameters, model.summary().parameters);
    assert.equal(int8.summary().macs, model.summary().macs);
  });

  it('is made of the CIFAR nets too, whose other layers compute in float32', async () => {
    for (const net of ['80sec', '18pct'] as const) {
      using model = cifarNet({ net }).initialize(on.device, { seed: 1 });
      for (const parameter of model.network.parameters) {
        // Their own initial weights are so small that logits are rounding errors.
        if (parameter.shape.length > 1) {
          parameter.assign(gaussian(on.device, { shape: parameter.shape, std: 0.05, seed: 5 }));
        }
      }
      using x = inputs(on.device, model);
      using int8 = await quantized(model);
      const ratio = decibel(await logits(model, x), await logits(int8, x));
      assert.ok(ratio > 20, `${net}: ${ratio} dB`);
    }
  });

  it('comes back from its file bit for bit, with classes and preprocessing, in a quarter of the bytes', async () => {
    using model = smallAlexNet(on.device);
    model.classNames = Array.from({ length: 10 }, (_, i) => `class ${i}`);
    const numbers = { side: 72, crop: 67, mean: Float32Array.of(1, 2, 3), std: [1, 1, 1] as const };
    model.preprocessing = new Preprocessing(numbers);
    using int8 = await quantized(model);
    const [file, whole] = ['int8', 'float32'].map((name) => path.join(folder, name)) as [string, string];
    await saveModel(int8, file);
    await saveModel(model, whole);
    const bytes = async (name: string) => {
      await using opened = await openSafetensors(name);
      const sizes = { int8: 1, float32: 4 };
      return opened.entries.reduce(
        (sum, { dtype, shape }) => sum + sizes[dtype as 'int8'] * shape.reduce((a, b) => a * b, 1),
        0,
      );
    };
    assert.ok((await bytes(file)) < 0.26 * (await bytes(whole)));
    for (const precision of [undefined, 'int8'] as const) {
      using again = await loadModel(file, { device: on.device, ...(precision && { precision }) });
      assert.equal(again.precision, 'int8');
      assert.deepEqual(again.classNames, model.classNames);
      assert.deepEqual(again.preprocessing?.options, numbers);
      using x = inputs(on.device, model);
      assert.deepEqual(await logits(again, x), await logits(int8, x));
    }
    await assert.rejects(loadModel(file, { device: on.device, precision: 'float32' }), /computes in int8/);
    await assert.rejects(loadModel(whole, { device: on.device, precision: 'int8' }), /no quantised model/);
    const { classNames } = model;
    await assert.rejects(
      loadPretrained(file, { device: on.device, classNames }),
      /conv1.weight as int8.*needs float32/,
    );
  });

  it('is refused where its file lacks a tensor or a scale', async () => {
    using model = smallAlexNet(on.device);
    using int8 = await quantized(model);
    const file = path.join(folder, 'whole');
    await saveModel(int8, file);
    await using whole = await openSafetensors(file);
    const entries: SafetensorsEntry[] = whole.entries.map((entry) => ({
      ...entry,
      data: () => whole.read(entry.name),
    }));
    const without = (name: string) => entries.filter((entry) => entry.name !== name);
    const scales = JSON.parse(whole.metadata['quantization']!) as Record<string, unknown>;
    const damage = async (name: string, parts: SafetensorsEntry[], quantization: string) => {
      const damaged = path.join(folder, 'damaged');
      await writeSafetensors(damaged, parts, { ...whole.metadata, quantization });
      await assert.rejects(
        loadModel(damaged, { device: on.device }),
        (error: Error) => error instanceof FileFormatError && error.message.includes(name),
      );
    };
    const good = JSON.stringify(scales);
    for (const name of ['fc6.weight', 'conv2.weight.scales', 'fc8.bias']) {
      await damage(name, without(name), good);
    }
    for (const bad of [
      null,
      { dtype: 'int8', scale: 0 },
      { dtype: 'float32', scale: 1 },
      { dtype: 'uint8' },
    ]) {
      await damage('conv3.input', entries, JSON.stringify({ ...scales, 'conv3.input': bad }));
    }
    await damage('conv1.input', entries, '[]');
    await damage('quantization', entries, '{');
  });

  it('refuses to learn', async () => {
    using model = smallAlexNet(on.device);
    using int8 = await quantized(model);
    using x = inputs(on.device, model);
    assert.equal(int8.network.parameters.length, 0);
    const step = () => int8.network.forward(x, { training: true, gradient: true, seed: 1, step: 1 });
    assert.throws(step, { name: /ArgumentError/, message: /conv1.input: 8-bit integers have no gradient/ });
    await assert.rejects(quantized(int8), ArgumentError);
  });

  it('refuses to be made of nothing, of what is not finite, and of weights without a form in integers', async () => {
    using model = smallAlexNet(on.device);
    await assert.rejects(quantizeModel(model, { calibration: [] }), /no calibration batch/);
    using x = inputs(on.device, model);
    using nan = on.device.tensor(new Float32Array(x.size).fill(NaN), { shape: x.shape });
    await assert.rejects(quantizeModel(model, { calibration: [nan] }), /conv1.input are NaN or infinite/);
    const [fc8] = model.parametersOf(['fc8.weight']);
    const values = new Float32Array(fc8!.size);
    values[5] = Infinity;
    fc8!.assign(on.device.tensor(values, { shape: fc8!.shape }));
    await assert.rejects(quantizeModel(model, { calibration: [x] }), /weights of fc8 are NaN or infinite/);

    const network = new Sequential([new Scale('own'), new Flatten()]);
    using custom = new Model({ network, inputShape: [3, 2, 2] }).initialize(on.device, { seed: 1 });
    await assert.rejects(quantizeModel(custom, { calibration: [] }), /own, a Scale, has weights but no form/);
  });
});

forEachDevice('quantising on a device without 8-bit integers', (on) => {
  if (on.target === 'cpu') return;
  it('is refused before anything is computed', async () => {
    using model = smallAlexNet(on.device);
    await assert.rejects(quantizeModel(model, { calibration: [] }), {
      name: /DeviceError/,
      message: /does not compute in int8: use precision 'float32'/,
    } as never);
  });
});
