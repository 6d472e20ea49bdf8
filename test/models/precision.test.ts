// Networks of lower precision: where values are rounded, that they learn, and what is saved of them.
// Invariant: weights, logits and losses are float32 in every precision.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  Conv2d,
  CrossEntropyLoss,
  Dropout,
  Flatten,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Sequential,
  type Activations,
} from '../../lib/layers/index.js';
import { alexnet, cifarNet, loadModel, Model, saveModel } from '../../lib/models/index.js';
import { LossScaler, SGD } from '../../lib/optim/index.js';
import { gaussian, labelRank } from '../../lib/ops/index.js';
import type { Device } from '../../lib/tensor/device.js';
import type { Precision } from '../../lib/tensor/dtype.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice, supportOf } from '../helpers/devices.js';

const LOWER = ['bfloat16', 'float16'] as const;
const CLASSES = 4;
const BATCH = 16;

function smallAlexNet(device: Device, precision: Precision): Model {
  const model = alexnet({ classes: CLASSES, inputSize: 67, initialization: 'lecun', precision });
  return model.initialize(device, { seed: 1 });
}

/** Every kind of layer of AlexNet, small. */
function tinyNet(precision: Precision): Model {
  const network = new Sequential(
    [
      new Conv2d({ name: 'conv1', inChannels: 3, outChannels: 32, kernelSize: 5, padding: 2 }),
      new ReLU(),
      new LocalResponseNorm({ size: 5, alpha: 1e-4, alphaOver: 'mean', beta: 0.75, k: 1 }),
      new MaxPool2d({ kernelSize: 3, stride: 2 }),
      new Conv2d({ name: 'conv2', inChannels: 32, outChannels: 32, kernelSize: 3, padding: 1, groups: 2 }),
      new ReLU(),
      new Flatten(),
      new Linear({ name: 'fc1', inFeatures: 32 * 7 * 7, outFeatures: 64 }),
      new ReLU(),
      new Dropout({ rate: 0.2, stream: 1 }),
      new Linear({ name: 'fc2', inFeatures: 64, outFeatures: CLASSES }),
    ],
    { precision },
  );
  return new Model({ network, inputShape: [3, 15, 15] });
}

interface Batch {
  readonly x: Activations;
  readonly labels: Tensor<'int32', readonly [number]>;
}

function makeBatch(device: Device, model: Model): Batch {
  const x = gaussian(device, { shape: [BATCH, ...model.inputShape], std: 1, seed: 401 });
  const values = Int32Array.from({ length: BATCH }, (_, i) => i % CLASSES);
  return { x, labels: device.tensor(values, { shape: [BATCH] }) };
}

/** Losses of so many steps; float16 with a loss scale, as it needs one. */
async function train(
  device: Device,
  model: Model,
  steps: number,
): Promise<{ losses: number[]; wrong: number }> {
  const { x, labels } = makeBatch(device, model);
  const criterion = new CrossEntropyLoss();
  using optimizer = new SGD(model.network.parameters, { learningRate: 0.003, weightDecay: 0 });
  using lossScaler =
    model.precision === 'float16' ? new LossScaler(device, { initialScale: 1024 }) : undefined;
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    const { y, saved } = model.network.forward(x, { training: true, gradient: true, seed: 3, step });
    using logits = y;
    using state = saved!;
    const { loss, saved: lossSaved } = criterion.forward(logits, labels);
    using value = loss;
    using lossState = lossSaved;
    using plain = criterion.backward(lossState);
    using gradient = lossScaler ? lossScaler.scale(plain) : plain.share();
    model.network.backward(gradient, state, { inputGradient: false });
    optimizer.step({ lossScaler });
    losses.push(await value.item());
  }
  using logits = model.forward(x);
  using ranks = labelRank(logits, labels);
  const wrong = (await ranks.data()).filter((rank) => rank > 0).length;
  x.dispose();
  labels.dispose();
  return { losses, wrong };
}

forEachDevice('a network of lower precision', (on) => {
  for (const precision of LOWER) {
    if (supportOf(on.target, precision) !== 'fast') {
      it(`${precision} is refused before the model has weights: this device is not faster in it`, () => {
        using model = cifarNet({ net: '80sec', precision });
        assert.throws(() => model.initialize(on.device, { seed: 1 }), {
          code: 'ERR_DEVICE',
          message: /(does not compute in|is slower in) b?float16.*: use precision 'float32'\.$/,
        });
        assert.equal(model.network.parameters[0]!.initialized, false);
      });
      continue;
    }

    describe(precision, () => {
      it('computes in it from the first layer to the last, and gives float32', async () => {
        const seen: string[] = [];
        class Spy extends Linear {
          override forward(...[x, mode]: Parameters<Linear['forward']>) {
            const result = super.forward(x, mode);
            seen.push(x.dtype, result.y.dtype);
            return result;
          }
        }
        using network = new Sequential([new Spy({ inFeatures: 3, outFeatures: 2 })], { precision });
        network.parameters.forEach((parameter, i) => parameter.initialize(on.device, { seed: 1, stream: i }));
        using x = gaussian(on.device, { shape: [2, 3], std: 1, seed: 402 });
        const { y, saved } = network.forward(x, { training: true, gradient: true, seed: 0, step: 0 });
        using dx = network.backward(y, saved!, { inputGradient: true });
        assert.deepEqual([...seen, y.dtype, dx!.dtype], [precision, precision, 'float32', 'float32']);
        for (const { value, gradient } of network.parameters) {
          assert.deepEqual([value.dtype, gradient!.dtype], ['float32', 'float32']);
        }
        y.dispose();
        saved![Symbol.dispose]();
        await on.device.synchronize();
      });

      it('gives logits near those of float32', async () => {
        const [exact, rounded] = [smallAlexNet(on.device, 'float32'), smallAlexNet(on.device, precision)];
        using x = gaussian(on.device, { shape: [4, ...exact.inputShape], std: 1, seed: 403 });
        using a = exact.forward(x);
        using b = rounded.forward(x);
        const [expected, actual] = [await a.data(), await b.data()];
        exact.dispose();
        rounded.dispose();
        const largest = Math.max(...expected.map(Math.abs));
        const worst = Math.max(...expected.map((value, i) => Math.abs(value - actual[i]!))) / largest;
        // Eight layers, each of which rounds to 8 bits: a few hundredths; exact equality would mean it never rounded.
        assert.ok(worst > 1e-6 && worst < 0.05, `off by ${worst} of the largest logit`);
      });

      it('follows the losses of float32, and learns as well', async () => {
        using exact = tinyNet('float32').initialize(on.device, { seed: 1 });
        using rounded = tinyNet(precision).initialize(on.device, { seed: 1 });
        const expected = await train(on.device, exact, 60);
        const actual = await train(on.device, rounded, 60);
        const apart = expected.losses.map((loss, i) => Math.abs(loss - actual.losses[i]!));
        assert.ok(
          Math.max(...apart) < 0.1,
          `losses ${actual.losses.join(', ')}; ${expected.losses.join(', ')}`,
        );
        assert.deepEqual([expected.wrong, actual.wrong], [0, 0]);
      });

      it('is remembered by its file, whose weights stay float32, and can be changed on loading', async () => {
        const dir = await mkdtemp(path.join(tmpdir(), 'alexnet-precision-'));
        try {
          const file = path.join(dir, 'model.safetensors');
          using model = cifarNet({ net: '80sec', precision }).initialize(on.device, { seed: 1 });
          await saveModel(model, file);
          using same = await loadModel(file, { device: on.device });
          using exact = await loadModel(file, { device: on.device, precision: 'float32' });
          assert.deepEqual([same.precision, exact.precision], [precision, 'float32']);
          const weights = (of: Model) => of.network.parameters[0]!.value.data();
          assert.deepEqual(await weights(exact), await weights(model));
          assert.deepEqual(await weights(same), await weights(model));
        } finally {
          await rm(dir, { recursive: true });
        }
      });
    });
  }

  it('does not exist by another name', () => {
    assert.throws(() => alexnet({ precision: 'half' as Precision }), {
      code: 'ERR_ARGUMENT',
      message: "alexnet: no precision 'half'; there are float32, bfloat16, float16.",
    });
  });
});
