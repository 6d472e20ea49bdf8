// AlexNet: five convolutions, three fully connected layers, in every preset.
// Invariant: with the paper's shape it has 60,965,224 parameters and 724,406,816 multiply-accumulates.
import { ArgumentError } from '../errors.js';
import {
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Sequential,
  type Layer,
} from '../layers/index.js';
import type { Precision } from '../tensor/dtype.js';
import { elementCount } from '../tensor/shape.js';
import { explain } from './explain.js';
import { Model } from './model.js';
import { checkPrecisionName } from './precision.js';
import { initializerOf, presets, unitVariance, type Preset, type PresetName } from './presets.js';

export interface AlexNetOptions {
  /** Number of classes. Default 1000, or the number of `classNames`. */
  readonly classes?: number;
  /** In the order of the logits. */
  readonly classNames?: readonly string[];
  /** Default 'bvlc', which starts reliably on small data; 'krizhevsky2012' is the paper's. */
  readonly preset?: PresetName;
  /**
   * Initial weights: the preset's, or 'lecun': Gaussian of variance 1 / fan-in (LeCun et al. 1998), biases of 0, pixels
   * of unit variance. That starts to learn within dozens of steps, where the preset's small weights take hundreds.
   * Default 'preset'.
   */
  readonly initialization?: 'preset' | 'lecun';
  /** 1 joins what the paper splits over two GPUs. Default: the preset's. */
  readonly groups?: 1 | 2;
  /** Side of the square input, in pixels. Default: the preset's, 224 or 227. */
  readonly inputSize?: number;
  /** Probability that dropout drops; 0 leaves the layers out. Default 0.5. */
  readonly dropout?: number;
  /** Dropout's convention. Default: the preset's. */
  readonly dropoutConvention?: 'inverted' | 'paper';
  /** What the network computes in; its weights are float32 whatever it is. Default 'float32'. */
  readonly precision?: Precision;
}

/** LeCun et al. 1998, section 4.6: activations of unit variance in, the same out; so the input's must be about 1. */
function withLeCunInitialization(preset: Preset): Preset {
  const recipe = { ...preset.recipe, std: unitVariance };
  return { ...preset, weights: { conv: 'lecun', hidden: 'lecun', output: 'lecun' }, biases: 0, recipe };
}

/** Random streams of the dropout layers. */
const dropoutStreams = { fc6: 6, fc7: 7 } as const;

/**
 * AlexNet without weights yet: `initialize(device, { seed })` draws them.
 * @throws ArgumentError for a preset that does not exist; ShapeError if the input is too small
 */
export function alexnet(options: AlexNetOptions = {}): Model {
  const { preset: name = 'bvlc', classNames } = options;
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (!preset) {
    throw new ArgumentError(`alexnet: no preset '${name}'; there are ${Object.keys(presets).join(', ')}.`);
  }
  const classes = options.classes ?? classNames?.length ?? 1000;
  if (!Number.isInteger(classes) || classes < 2) {
    throw new ArgumentError(`alexnet: classes must be an integer of 2 or more, got ${classes}.`);
  }
  if (classNames && classNames.length !== classes) {
    throw new ArgumentError(`alexnet: ${classNames.length} class names for ${classes} classes.`);
  }
  const { initialization = 'preset' } = options;
  if (initialization !== 'preset' && initialization !== 'lecun') {
    throw new ArgumentError(
      `alexnet: initialization is 'preset' or 'lecun', got '${String(initialization)}'.`,
    );
  }
  const { precision = 'float32' } = options;
  checkPrecisionName('alexnet', precision);
  const size = options.inputSize ?? preset.inputSize;
  const groups = options.groups ?? preset.groups;
  const rate = options.dropout ?? 0.5;
  const convention = options.dropoutConvention ?? preset.dropout.convention;
  const asPublished = { ...preset, groups };
  const built = initialization === 'lecun' ? withLeCunInitialization(asPublished) : asPublished;
  const features = convolutions(built);
  const inputShape = [3, size, size] as const;
  const flat = elementCount(new Sequential(features).outputShape([1, ...inputShape]));
  const build: HeadOptions = { flat, classes, rate, convention };
  const layers = [...features, new Flatten(), ...head(built, build)];
  const network = new Sequential(layers, { name: 'alexnet', precision });
  const { classNames: _, ...rebuild } = options;
  return new Model({
    network,
    inputShape,
    architecture: { builder: 'alexnet', options: { ...rebuild, preset: name, classes } },
    ...(classNames && { classNames }),
    recipe: built.recipe,
    explanation: explain(name, { ...built, inputSize: size, dropout: { ...preset.dropout, convention } }),
  });
}

interface ConvolutionShape {
  readonly kernelSize: number;
  readonly stride?: number;
  readonly padding?: Preset['conv1Padding'];
  readonly groups?: number;
  readonly bias: Preset['biases'];
}

function convolution(preset: Preset, number: 1 | 2 | 3 | 4 | 5, shape: ConvolutionShape): Layer[] {
  const { channels, weights, biasMultipliers } = preset;
  const inChannels = number === 1 ? 3 : (channels[number - 2] as number);
  const { kernelSize, stride = 1, padding = 0, groups = 1, bias } = shape;
  const fanIn = (inChannels / groups) * kernelSize ** 2;
  return [
    new Conv2d({
      name: `conv${number}`,
      inChannels,
      outChannels: channels[number - 1] as number,
      kernelSize,
      stride,
      padding,
      groups,
      weightInitializer: initializerOf(weights.conv, fanIn),
      biasInitializer: bias === 'fan-in' ? initializerOf(bias, fanIn) : { kind: 'constant', value: bias },
      biasMultipliers,
    }),
    new ReLU({ name: `relu${number}` }),
  ];
}

/** Response normalisation and pooling after conv1 and conv2. */
function normAndPool(preset: Preset, number: 1 | 2): Layer[] {
  const pool = maxPool(number);
  if (!preset.lrn) return [pool];
  const norm = new LocalResponseNorm({ name: `lrn${number}`, ...preset.lrn });
  return preset.order === 'lrn-pool' ? [norm, pool] : [pool, norm];
}

function maxPool(number: 1 | 2 | 5): MaxPool2d {
  return new MaxPool2d({ name: `pool${number}`, kernelSize: 3, stride: 2 });
}

function convolutions(preset: Preset): Layer[] {
  const { groups, biases: one, conv1Padding } = preset;
  const zero = one === 'fan-in' ? one : 0;
  return [
    ...convolution(preset, 1, { kernelSize: 11, stride: 4, padding: conv1Padding, bias: zero }),
    ...normAndPool(preset, 1),
    ...convolution(preset, 2, { kernelSize: 5, padding: 2, groups, bias: one }),
    ...normAndPool(preset, 2),
    ...convolution(preset, 3, { kernelSize: 3, padding: 1, bias: zero }),
    ...convolution(preset, 4, { kernelSize: 3, padding: 1, groups, bias: one }),
    ...convolution(preset, 5, { kernelSize: 3, padding: 1, groups, bias: one }),
    maxPool(5),
  ];
}

interface HeadOptions {
  readonly flat: number;
  readonly classes: number;
  readonly rate: number;
  readonly convention: 'inverted' | 'paper';
}

const HIDDEN = 4096;

function head(preset: Preset, { flat, classes, rate, convention }: HeadOptions): Layer[] {
  const linear = (name: string, inFeatures: number, outFeatures: number, last = false) =>
    new Linear({
      name,
      inFeatures,
      outFeatures,
      weightInitializer: initializerOf(last ? preset.weights.output : preset.weights.hidden, inFeatures),
      biasInitializer:
        preset.biases === 'fan-in'
          ? initializerOf('fan-in', inFeatures)
          : { kind: 'constant', value: last ? 0 : preset.biases },
      biasMultipliers: preset.biasMultipliers,
    });
  const drop = (number: 6 | 7): Layer[] =>
    rate === 0
      ? []
      : [new Dropout({ name: `drop${number}`, rate, convention, stream: dropoutStreams[`fc${number}`] })];
  const fc6 = [linear('fc6', flat, HIDDEN), new ReLU({ name: 'relu6' })];
  const fc7 = [linear('fc7', HIDDEN, HIDDEN), new ReLU({ name: 'relu7' })];
  const fc8 = linear('fc8', HIDDEN, classes, true);
  return preset.dropout.position === 'outputs'
    ? [...fc6, ...drop(6), ...fc7, ...drop(7), fc8]
    : [...drop(6), ...fc6, ...drop(7), ...fc7, fc8];
}
