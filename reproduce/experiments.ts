// What is trained, how long, and what was published about it.
// Invariant: every run is an experiment of this table and a seed; whatever else a run depends on stands here.
import type { Variant } from './nets.js';

export interface Experiment {
  readonly name: string;
  /** For plots and tables. */
  readonly title: string;
  readonly variant: Variant;
  /** Epochs at the learning rate, at a tenth of it, at a hundredth ... */
  readonly stages: readonly number[];
  /** Default: the authors' 0.001. */
  readonly learningRate?: number;
  /** Default: the authors'. */
  readonly weightDecay?: number;
  /** Training ends with the first epoch whose training error is this or less. */
  readonly untilTrainError?: number;
  /** Whether the test pictures are evaluated after every epoch. */
  readonly test: boolean;
  /** Test error in per cent that the authors published. */
  readonly published?: number;
}

const QUICK = [8, 2];
const LONG = [120, 10, 10];

/** The nets with their published errors, and what overlapping pooling and normalisation do to them. */
export const CIFAR: readonly Experiment[] = [
  {
    name: '80sec',
    title: '80sec',
    variant: { net: '80sec' },
    stages: QUICK,
    test: true,
    published: 26,
  },
  {
    name: '80sec-plain-pooling',
    title: '80sec, pooling that does not overlap',
    variant: { net: '80sec', pooling: 'plain' },
    stages: QUICK,
    test: true,
  },
  {
    name: '80sec-lrn',
    title: '80sec with LRN',
    variant: { net: '80sec', normalization: 'within' },
    stages: QUICK,
    test: true,
  },
  {
    name: '18pct',
    title: '18pct (with LRN)',
    variant: { net: '18pct' },
    stages: LONG,
    test: true,
    published: 18,
  },
  {
    name: '18pct-no-lrn',
    title: '18pct without LRN',
    variant: { net: '18pct', normalization: 'none' },
    stages: LONG,
    test: true,
  },
  {
    name: '18pct-plain-pooling',
    title: '18pct, pooling that does not overlap',
    variant: { net: '18pct', pooling: 'plain' },
    stages: LONG,
    test: true,
  },
];

export type Activation = 'relu' | 'tanh';

/** Figure 1: a four-layer net without any regularisation, to 25 % training error. */
export const FIGURE1 = { trainError: 0.25, published: { relu: 6, tanh: 36 } as const, mostEpochs: 60 };

/** The learning rate is doubled from here as long as two epochs learn more with it: the paper took the fastest, too. */
export const SLOWEST_RATE = 0.0005;
const TRIAL_EPOCHS = 2;

function figure1(activation: Activation, learningRate: number) {
  const variant: Variant = activation === 'tanh' ? { net: '19pct', activation } : { net: '19pct' };
  return { variant, learningRate, weightDecay: 0, test: false };
}

/** Two epochs with one learning rate. */
export function figure1Trial(activation: Activation, learningRate: number): Experiment {
  return {
    ...figure1(activation, learningRate),
    name: `trial-${activation}-lr${learningRate}`,
    title: `${activation}, learning rate ${learningRate}`,
    stages: [TRIAL_EPOCHS],
  };
}

/** With the chosen learning rate, until the training error is reached. */
export function figure1Run(activation: Activation, learningRate: number): Experiment {
  return {
    ...figure1(activation, learningRate),
    name: `${activation}-lr${learningRate}`,
    title: activation === 'relu' ? 'ReLU' : 'tanh',
    stages: [FIGURE1.mostEpochs],
    untilTrainError: FIGURE1.trainError,
  };
}

/** The same with every stage divided, rounded up, for a first look. */
export function shortened(experiment: Experiment, divisor: number): Experiment {
  return { ...experiment, stages: experiment.stages.map((epochs) => Math.ceil(epochs / divisor)) };
}
