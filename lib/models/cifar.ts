// The CIFAR-10 nets of cuda-convnet, by the same authors: small enough to train on a CPU in minutes.
// Invariant: 80sec has 145,578 parameters, 19pct and 18pct have 89,578; pooling windows may run over the edge.
import { ArgumentError } from '../errors.js';
import {
  AvgPool2d,
  Conv2d,
  Flatten,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Sequential,
  type Layer,
  type Multipliers,
} from '../layers/index.js';
import type { Precision } from '../tensor/dtype.js';
import { Model } from './model.js';
import { checkPrecisionName } from './precision.js';
import type { Recipe } from './presets.js';

export type CifarNetName = '80sec' | '19pct' | '18pct';

export interface CifarNetOptions {
  /** '80sec' reaches about 26 % test error in 80 seconds of a 2011 GPU, '19pct' 19 %, '18pct' (with LRN) 18 %. */
  readonly net: CifarNetName;
  /** Default 10, or the number of `classNames`. */
  readonly classes?: number;
  readonly classNames?: readonly string[];
  /** What the network computes in; its weights are float32 whatever it is. Default 'float32'. */
  readonly precision?: Precision;
}

/** Learning rate .001, momentum .9, batch 128; biases learn twice as fast and do not decay; pixels minus mean image. */
const recipe: Recipe = {
  momentumForm: 'paper',
  learningRate: 0.001,
  momentum: 0.9,
  // cuda-convnet gives each layer a decay of its own: the layers' multipliers are relative to this one.
  weightDecay: 0.004,
  batchSize: 128,
  mean: 'image',
  std: [1, 1, 1],
};

const biasMultipliers: Multipliers = { learningRateMultiplier: 2, weightDecayMultiplier: 0 };
const pool = { kernelSize: 3, stride: 2, rounding: 'ceil' } as const;
/** Within a channel, alpha over the mean of 9 pixels, as cuda-convnet's response normalisation divides its scale. */
const sameMap = { region: 'within', size: 3, alpha: 5e-5, alphaOver: 'mean', beta: 0.75, k: 1 } as const;

function conv(number: 1 | 2 | 3, inChannels: number, outChannels: number): Conv2d {
  return new Conv2d({
    name: `conv${number}`,
    inChannels,
    outChannels,
    kernelSize: 5,
    padding: 2,
    weightInitializer: { kind: 'gaussian', std: number === 1 ? 1e-4 : 0.01 },
    biasMultipliers,
  });
}

function fc(
  name: string,
  options: { inFeatures: number; outFeatures: number; std: number; weightDecay: number },
): Linear {
  const { inFeatures, outFeatures, std, weightDecay } = options;
  return new Linear({
    name,
    inFeatures,
    outFeatures,
    weightInitializer: { kind: 'gaussian', std },
    weightMultipliers: { weightDecayMultiplier: weightDecay / recipe.weightDecay },
    biasMultipliers,
  });
}

function head(net: CifarNetName, classes: number): Layer[] {
  const inFeatures = 64 * 4 * 4;
  if (net !== '80sec') {
    const weightDecay = net === '19pct' ? 3 : 1;
    return [fc('fc10', { inFeatures, outFeatures: classes, std: 0.01, weightDecay })];
  }
  return [
    fc('fc64', { inFeatures, outFeatures: 64, std: 0.1, weightDecay: 0.03 }),
    new ReLU({ name: 'relu4' }),
    fc('fc10', { inFeatures: 64, outFeatures: classes, std: 0.1, weightDecay: 0.03 }),
  ];
}

/** A CIFAR-10 net for 32x32 RGB input, without weights yet. */
export function cifarNet(options: CifarNetOptions): Model {
  const { net, classNames, precision = 'float32' } = options;
  checkPrecisionName('cifarNet', precision);
  if (!['80sec', '19pct', '18pct'].includes(net)) {
    throw new ArgumentError(`cifarNet: no net '${String(net)}'; there are 80sec, 19pct and 18pct.`);
  }
  const classes = options.classes ?? classNames?.length ?? 10;
  const norm = (number: 1 | 2): Layer[] =>
    net === '18pct' ? [new LocalResponseNorm({ name: `lrn${number}`, ...sameMap })] : [];
  const network = new Sequential(
    [
      conv(1, 3, 32),
      new MaxPool2d({ name: 'pool1', ...pool }),
      new ReLU({ name: 'relu1' }),
      ...norm(1),
      conv(2, 32, 32),
      new ReLU({ name: 'relu2' }),
      new AvgPool2d({ name: 'pool2', ...pool }),
      ...norm(2),
      conv(3, 32, 64),
      new ReLU({ name: 'relu3' }),
      new AvgPool2d({ name: 'pool3', ...pool }),
      new Flatten(),
      ...head(net, classes),
    ],
    { name: net, precision },
  );
  return new Model({
    network,
    inputShape: [3, 32, 32],
    architecture: { builder: 'cifarNet', options: { net, classes, ...(options.precision && { precision }) } },
    ...(classNames && { classNames }),
    recipe,
    explanation: [`${net}: cuda-convnet's layers-${net} for CIFAR-10, a net of the same authors.`],
  });
}
