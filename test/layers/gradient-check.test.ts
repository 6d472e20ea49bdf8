// gradientCheck passes the layers of this package and right ones of users, and finds what is wrong in wrong ones.
// Invariant: users' layers here are written against the public interface alone.
import assert from 'node:assert/strict';
import {
  AvgPool2d,
  Conv2d,
  Dropout,
  Flatten,
  gradientCheck,
  Layer,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  ops,
  Parameter,
  ReLU,
  SavedTensors,
  Sequential,
  Sigmoid,
  Tanh,
  type Activations,
  type Forward,
  type Mode,
  type Shape,
  type Tensor,
} from '../../lib/index.js';
import { forEachDevice } from '../helpers/devices.js';

type Images = Tensor<'float32', readonly [number, number, number, number]>;
type Wanted = { readonly inputGradient: boolean };

const lrn = { alpha: 0.1, beta: 0.75, k: 2 } as const;
const PICTURES = [2, 6, 7, 5];

const BUILT_IN: readonly (readonly [what: string, layer: () => Layer, shape: Shape])[] = [
  [
    'Conv2d',
    () => new Conv2d({ inChannels: 6, outChannels: 4, kernelSize: 3, padding: 1, stride: 2 }),
    PICTURES,
  ],
  [
    'Conv2d in groups',
    () => new Conv2d({ inChannels: 6, outChannels: 4, kernelSize: [3, 2], groups: 2 }),
    PICTURES,
  ],
  [
    'Conv2d without bias',
    () => new Conv2d({ inChannels: 6, outChannels: 3, kernelSize: 2, bias: false }),
    PICTURES,
  ],
  ['Linear', () => new Linear({ inFeatures: 12, outFeatures: 5 }), [3, 12]],
  ['Linear without bias', () => new Linear({ inFeatures: 12, outFeatures: 5, bias: false }), [3, 12]],
  ['ReLU', () => new ReLU(), PICTURES],
  ['Tanh', () => new Tanh(), PICTURES],
  ['Sigmoid', () => new Sigmoid(), [3, 7]],
  ['LocalResponseNorm', () => new LocalResponseNorm({ size: 5, alphaOver: 'sum', ...lrn }), PICTURES],
  [
    'LocalResponseNorm in towers',
    () => new LocalResponseNorm({ size: 3, alphaOver: 'mean', channelGroups: 2, ...lrn }),
    PICTURES,
  ],
  [
    'LocalResponseNorm within',
    () => new LocalResponseNorm({ size: 3, alphaOver: 'mean', region: 'within', ...lrn }),
    PICTURES,
  ],
  ['MaxPool2d', () => new MaxPool2d({ kernelSize: 3, stride: 2, rounding: 'ceil' }), PICTURES],
  ['AvgPool2d', () => new AvgPool2d({ kernelSize: 3, stride: 2, rounding: 'ceil' }), PICTURES],
  [
    'AvgPool2d over the whole kernel',
    () => new AvgPool2d({ kernelSize: 3, stride: 2, padding: 1, divisor: 'full' }),
    PICTURES,
  ],
  ['Dropout', () => new Dropout({ stream: 1 }), PICTURES],
  ["the paper's Dropout", () => new Dropout({ stream: 1, convention: 'paper' }), PICTURES],
  ['Flatten', () => new Flatten(), PICTURES],
  [
    'a Sequential',
    () =>
      new Sequential([
        new Conv2d({ name: 'conv', inChannels: 6, outChannels: 20, kernelSize: 3 }),
        new ReLU(),
        new LocalResponseNorm({ size: 5, alphaOver: 'sum', ...lrn }),
        new MaxPool2d({ kernelSize: 3, stride: 2 }),
        new Flatten(),
        new Linear({ name: 'fc', inFeatures: 40, outFeatures: 3 }),
      ]),
    PICTURES,
  ],
];

/** y = x where x > 0, slope x elsewhere. */
class LeakyReLU extends Layer<SavedTensors<'x'>> {
  override readonly kind: string = 'LeakyReLU';
  readonly slope: number;

  constructor(slope: number) {
    super('leaky');
    this.slope = slope;
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  override forward(x: Activations, mode: Mode): Forward<SavedTensors<'x'>> {
    const y = x.device.scope(() => {
      const positive = ops.relu(x);
      const negative = ops.add(x, ops.affine(positive, { scale: -1 }));
      return ops.add(positive, ops.affine(negative, { scale: this.slope }));
    });
    return { y, saved: mode.gradient ? new SavedTensors({ x: x.share() }) : null };
  }

  override backward(
    dy: Activations,
    saved: SavedTensors<'x'>,
    { inputGradient }: Wanted,
  ): Activations | null {
    if (!inputGradient) return null;
    return dy.device.scope(() => {
      const positive = ops.reluBackward(dy, saved.get('x'));
      const negative = ops.add(dy, ops.affine(positive, { scale: -1 }));
      return ops.add(positive, ops.affine(negative, { scale: this.backwardSlope }));
    });
  }

  protected get backwardSlope(): number {
    return this.slope;
  }
}

/** y[n, c, h, w] = weight[c] x[n, c, h, w] */
class ChannelScale extends Layer<SavedTensors<'x'>> {
  override readonly kind: string = 'ChannelScale';
  readonly weight: Parameter;

  constructor(channels: number) {
    super('scale');
    this.weight = new Parameter({
      name: 'scale.weight',
      shape: [channels, 1, 1, 1],
      initializer: { kind: 'gaussian', std: 1 },
    });
  }

  override get parameters(): readonly Parameter[] {
    return [this.weight];
  }

  override outputShape(input: Shape): Shape {
    return input;
  }

  override forward(x: Activations, mode: Mode): Forward<SavedTensors<'x'>> {
    const y = ops.conv2d(x as Images, this.weight.value as Images, { groups: this.weight.size });
    return { y, saved: mode.gradient ? new SavedTensors({ x: x.share() }) : null };
  }

  override backward(
    dy: Activations,
    saved: SavedTensors<'x'>,
    { inputGradient }: Wanted,
  ): Activations | null {
    const groups = this.weight.size;
    const options = { groups, weightShape: this.weight.shape, bias: false };
    this.weight.addGradient(ops.conv2dBackwardWeights(saved.get('x'), dy, options).dw);
    return inputGradient
      ? ops.conv2dBackwardData(dy, this.weight.value, { groups, inputShape: dy.shape })
      : null;
  }
}

/** Right but for a factor in the input's gradient. */
class WrongSlope extends LeakyReLU {
  protected override get backwardSlope(): number {
    return this.slope * 2;
  }
}

/** Right but for the weights' gradient, which has the sign of descent. */
class WrongSign extends ChannelScale {
  override backward(dy: Activations, saved: SavedTensors<'x'>, wanted: Wanted): Activations | null {
    const dx = super.backward(dy, saved, wanted);
    const negative = ops.affine(this.weight.gradient!, { scale: -1 });
    this.weight.clearGradient();
    this.weight.addGradient(negative);
    return dx;
  }
}

/** Forgets the weights. */
class Forgetful extends ChannelScale {
  override backward(dy: Activations, saved: SavedTensors<'x'>, wanted: Wanted): Activations | null {
    const dx = super.backward(dy, saved, wanted);
    this.weight.clearGradient();
    return dx;
  }
}

/** Returns no gradient although one was wanted. */
class Silent extends ReLU {
  override backward(): null {
    return null;
  }
}

/** Gives NaN for a gradient. */
class Undefined extends ReLU {
  override backward(...[dy]: Parameters<ReLU['backward']>): Activations {
    return ops.affine(dy, { scale: NaN });
  }
}

forEachDevice('gradientCheck', (on) => {
  function check(layer: Layer, inputShape: Shape) {
    layer.parameters.forEach((parameter, i) => parameter.initialize(on.device, { seed: 4, stream: i }));
    return gradientCheck(layer, { device: on.device, inputShape });
  }

  for (const [what, make, shape] of BUILT_IN) {
    it(`passes ${what}`, async () => {
      using layer = make();
      const report = await check(layer, shape);
      assert.deepEqual(report.mismatches, []);
      assert.equal(report.passed, true);
      assert.ok(report.checked > report.skipped, `checked ${report.checked}, skipped ${report.skipped}`);
    });
  }

  it('passes layers of users', async () => {
    using leaky = new LeakyReLU(0.2);
    using scale = new ChannelScale(6);
    assert.deepEqual((await check(leaky, PICTURES)).mismatches, []);
    assert.deepEqual((await check(scale, PICTURES)).mismatches, []);
  });

  for (const [what, make, of] of [
    ['a factor too many', () => new WrongSlope(0.2), 'input'],
    ['the wrong sign', () => new WrongSign(6), 'scale.weight'],
    ['a forgotten parameter', () => new Forgetful(6), 'scale.weight'],
    ['a gradient that is missing', () => new Silent(), 'input'],
    ['a gradient of NaN', () => new Undefined(), 'input'],
  ] as const) {
    it(`finds ${what} in a layer of a user`, async () => {
      using layer: Layer = make();
      const report = await check(layer, PICTURES);
      assert.equal(report.passed, false);
      assert.deepEqual([...new Set(report.mismatches.map((mismatch) => mismatch.of))], [of]);
    });
  }

  it('leaves the parameters as they were, without gradients', async () => {
    using layer = new Linear({ inFeatures: 4, outFeatures: 3 });
    layer.parameters.forEach((parameter, i) => parameter.initialize(on.device, { seed: 4, stream: i }));
    const before = await layer.weight.value.data();
    await gradientCheck(layer, { device: on.device, inputShape: [2, 4] });
    assert.deepEqual(await layer.weight.value.data(), before);
    assert.equal(layer.weight.gradient, undefined);
  });

  it('counts kinks instead of judging them', async () => {
    const options = { device: on.device, inputShape: [100], samples: 100, step: 0.1 };
    const report = await gradientCheck(new ReLU(), options);
    assert.ok(report.skipped > 0);
    assert.deepEqual(report.mismatches, []);
  });
});
