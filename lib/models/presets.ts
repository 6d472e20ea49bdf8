// AlexNet in the variants that are in use: every choice on which sources disagree, spelled out.
// Invariant: a preset is data; alexnet.ts builds from it and explain() prints it.
import type { Padding2d } from '../ops/geometry.js';
import type { Initializer, LocalResponseNormOptions, Multipliers } from '../layers/index.js';

export type PresetName = 'krizhevsky2012' | 'cuda-convnet2' | 'bvlc' | 'caffenet' | 'owt';

/** Where gradients meet weights: how a preset's authors trained it. */
export interface Recipe {
  /** See `SGD`. */
  readonly momentumForm: 'paper' | 'pytorch';
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly batchSize: number;
  /** What is subtracted from a picture: its training set's mean picture, or mean colour. */
  readonly mean: 'image' | 'colour';
  /** Standard deviation by which colours are divided, on the scale 0..255. */
  readonly std: readonly [number, number, number];
}

/** Standard deviation of a Gaussian; 'fan-in': uniform over 1 / sqrt(fan-in); 'lecun': Gaussian of variance 1 / fan-in. */
export type WeightScale = number | 'fan-in' | 'lecun';

export interface Preset {
  readonly description: string;
  /** Side of the input that the source uses, in pixels. */
  readonly inputSize: number;
  readonly conv1Padding: Padding2d;
  /** Output channels of conv1 to conv5. */
  readonly channels: readonly [number, number, number, number, number];
  /** Groups of conv2, conv4 and conv5. */
  readonly groups: 1 | 2;
  readonly lrn: Omit<LocalResponseNormOptions, 'name'> | null;
  /** Which comes first after the ReLU of conv1 and conv2. */
  readonly order: 'lrn-pool' | 'pool-lrn';
  readonly dropout: {
    readonly convention: 'inverted' | 'paper';
    /** On the outputs of fc6 and fc7, or on their inputs. */
    readonly position: 'outputs' | 'inputs';
  };
  /** Initial weights of the convolutions; of fc6 and fc7; of fc8. */
  readonly weights: {
    readonly conv: WeightScale;
    readonly hidden: WeightScale;
    readonly output: WeightScale;
  };
  /** Initial biases of conv2, conv4, conv5, fc6 and fc7; those of conv1, conv3 and fc8 start at 0. */
  readonly biases: number | 'fan-in';
  readonly biasMultipliers: Multipliers;
  readonly recipe: Recipe;
}

const acrossChannels = { size: 5, alpha: 1e-4, beta: 0.75 } as const;
const unscaled = [1, 1, 1] as const;

/** Standard deviation of ImageNet's R, G and B on the scale 0..255: dividing by it gives pixels unit variance. */
export const unitVariance = [58.395, 57.12, 57.375] as const;

/** The paper's optimisation: section 5 of Krizhevsky et al. 2012. */
const paperRecipe: Recipe = {
  momentumForm: 'paper',
  learningRate: 0.01,
  momentum: 0.9,
  weightDecay: 5e-4,
  batchSize: 128,
  mean: 'image',
  std: unscaled,
};

/** cuda-convnet and Caffe: biases learn twice as fast and do not decay. */
const fastBiases: Multipliers = { learningRateMultiplier: 2, weightDecayMultiplier: 0 };

/** 224 pixels and 3 zeros at the right and bottom: 55 windows of 11 with stride 4, as the authors' code rounds up. */
const roundedUp: Padding2d = { right: 3, bottom: 3 };

const krizhevsky2012: Preset = {
  description: 'the paper, read literally (Krizhevsky, Sutskever, Hinton 2012)',
  inputSize: 224,
  conv1Padding: roundedUp,
  channels: [96, 256, 384, 384, 256],
  groups: 2,
  lrn: { ...acrossChannels, alphaOver: 'sum', k: 2 },
  order: 'lrn-pool',
  dropout: { convention: 'paper', position: 'outputs' },
  weights: { conv: 0.01, hidden: 0.01, output: 0.01 },
  biases: 1,
  biasMultipliers: {},
  recipe: paperRecipe,
};

export const presets: Readonly<Record<PresetName, Preset>> = {
  krizhevsky2012,
  'cuda-convnet2': {
    ...krizhevsky2012,
    description: "the authors' code: two towers, LRN within a tower and averaged over its window",
    lrn: { ...acrossChannels, alphaOver: 'mean', k: 2, channelGroups: 2 },
    dropout: { convention: 'inverted', position: 'outputs' },
    biasMultipliers: fastBiases,
  },
  bvlc: {
    ...krizhevsky2012,
    description: "Caffe's bvlc_alexnet, the replication most results refer to",
    inputSize: 227,
    conv1Padding: 0,
    lrn: { ...acrossChannels, alphaOver: 'mean', k: 1 },
    dropout: { convention: 'inverted', position: 'outputs' },
    weights: { conv: 0.01, hidden: 0.005, output: 0.01 },
    biases: 0.1,
    biasMultipliers: fastBiases,
    recipe: { ...paperRecipe, batchSize: 256 },
  },
  caffenet: {
    ...krizhevsky2012,
    description: "Caffe's bvlc_reference_caffenet: pooling before normalisation, which is cheaper",
    inputSize: 227,
    conv1Padding: 0,
    lrn: { ...acrossChannels, alphaOver: 'mean', k: 1 },
    order: 'pool-lrn',
    dropout: { convention: 'inverted', position: 'outputs' },
    weights: { conv: 0.01, hidden: 0.005, output: 0.01 },
    biases: 1,
    biasMultipliers: fastBiases,
    recipe: { ...paperRecipe, batchSize: 256 },
  },
  owt: {
    description:
      '"One weird trick" (Krizhevsky 2014) as torchvision has it: one tower, fewer kernels, no LRN',
    inputSize: 224,
    conv1Padding: 2,
    channels: [64, 192, 384, 256, 256],
    groups: 1,
    lrn: null,
    order: 'lrn-pool',
    dropout: { convention: 'inverted', position: 'inputs' },
    weights: { conv: 'fan-in', hidden: 'fan-in', output: 'fan-in' },
    biases: 'fan-in',
    biasMultipliers: {},
    recipe: {
      momentumForm: 'pytorch',
      learningRate: 0.01,
      momentum: 0.9,
      weightDecay: 1e-4,
      batchSize: 128,
      mean: 'colour',
      std: unitVariance,
    },
  },
};

/** Initial weights or biases of a layer with `fanIn` inputs to each output. */
export function initializerOf(scale: WeightScale, fanIn: number): Initializer {
  if (scale === 'fan-in') return { kind: 'uniform', bound: 1 / Math.sqrt(fanIn) };
  return { kind: 'gaussian', std: scale === 'lecun' ? Math.sqrt(1 / fanIn) : scale };
}
