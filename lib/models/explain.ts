// Says in sentences how a preset differs from the paper.
// Invariant: derived from the preset's data; a difference that is not in the data is not claimed.
import { presets, type Preset, type PresetName, type WeightScale } from './presets.js';

type Topic = readonly [what: string, of: (preset: Preset) => string];

const topics: readonly Topic[] = [
  ['input', (p) => `${p.inputSize}x${p.inputSize} pixels, conv1 padded by ${JSON.stringify(p.conv1Padding)}`],
  ['kernels of conv1 to conv5', (p) => p.channels.join(', ')],
  ['groups of conv2, conv4, conv5', (p) => String(p.groups)],
  ['response normalisation', describeLrn],
  [
    'order after the ReLU of conv1 and conv2',
    (p) => (p.lrn === null ? 'pool' : p.order === 'lrn-pool' ? 'LRN, pool' : 'pool, LRN'),
  ],
  [
    'dropout',
    (p) =>
      `on the ${p.dropout.position} of fc6 and fc7, ` +
      (p.dropout.convention === 'paper' ? 'outputs halved at test time' : 'scaled up in training (inverted)'),
  ],
  [
    'initial weights',
    (p) =>
      `convolutions ${weights(p.weights.conv)}, fc6 and fc7 ${weights(p.weights.hidden)}, ` +
      `fc8 ${weights(p.weights.output)}`,
  ],
  ['initial biases of conv2, conv4, conv5, fc6, fc7', (p) => String(p.biases)],
  [
    'biases',
    (p) =>
      `learning rate x${p.biasMultipliers.learningRateMultiplier ?? 1}, ` +
      `weight decay x${p.biasMultipliers.weightDecayMultiplier ?? 1}`,
  ],
  [
    'momentum',
    (p) => (p.recipe.momentumForm === 'paper' ? 'learning rate inside the velocity' : "PyTorch's form"),
  ],
  ['weight decay', (p) => String(p.recipe.weightDecay)],
  ['batch', (p) => String(p.recipe.batchSize)],
  ['mean', (p) => `the training set's mean ${p.recipe.mean}; divided by ${p.recipe.std.join(', ')}`],
];

function describeLrn({ lrn }: Preset): string {
  if (!lrn) return 'none';
  const towers =
    lrn.channelGroups && lrn.channelGroups > 1 ? `, within each of ${lrn.channelGroups} towers` : '';
  return `n ${lrn.size}, alpha ${lrn.alpha} over the window's ${lrn.alphaOver}, beta ${lrn.beta}, k ${lrn.k}${towers}`;
}

function weights(scale: WeightScale): string {
  if (scale === 'fan-in') return 'uniform over 1 / sqrt(fan-in)';
  return scale === 'lecun' ? 'N(0, 1 / fan-in)' : `N(0, ${scale}^2)`;
}

/** The preset's description and its differences, one a line. */
export function explain(name: PresetName, actual: Preset): string[] {
  const paper = presets.krizhevsky2012;
  const differences = topics.flatMap(([what, of]) => {
    const [here, there] = [of(actual), of(paper)];
    return here === there ? [] : [`  ${what}: ${here} (the paper: ${there})`];
  });
  const heading = `${name}: ${presets[name].description}`;
  return differences.length > 0
    ? [heading, 'Differences from the paper:', ...differences]
    : [heading, 'As in the paper.'];
}
