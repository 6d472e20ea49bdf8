// Steps that change colours; all are affine in RGB, so that any number of them costs one matrix.
// Invariant: nothing is clamped to 0..255 between steps or after them: the network's input has no such limits.

import { ArgumentError } from '../../errors.js';
import type { ColourStatistics, Triple } from '../colour.js';
import type { ColourComponents } from './components.js';
import { checkRange, type AugmentationStep, type StepRandom } from './step.js';

/**
 * Components of the colours of ImageNet's pixels: eigenvectors (R, G, B) and the standard deviations along them, on the
 * scale 0..255. Source: the authors' cuda-convnet2 (`convdata.py`). The eigenvalues .2175, .0188 and .0045 that are
 * often quoted are on the scale 0..1, and are used as if they were deviations: that gives 2.2 times less noise.
 */
export const IMAGENET_COLOUR_COMPONENTS: ColourComponents = {
  vectors: [
    [-0.56351, -0.57618, -0.592],
    [-0.71258, -0.02354, 0.7012],
    [0.41796, -0.81698, 0.39731],
  ],
  deviations: [121.78, 37.09, 19.72],
};

/**
 * Adds sum_i a_i * deviation_i * vector_i to all pixels of a picture, a_i ~ N(0, std), drawn once a picture and epoch
 * (Krizhevsky et al. 2012, section 4.1). The authors' code then divides by 1.1; this does not.
 */
export function pcaColour(
  options: {
    /** Of a_i. Default 0.1. */
    readonly std?: number;
    /** Default: ImageNet's, {@link IMAGENET_COLOUR_COMPONENTS}. */
    readonly components?: ColourComponents;
    /** Instead of components: of the user's own pictures, see `computeColourStatistics`. */
    readonly statistics?: ColourStatistics;
  } = {},
): AugmentationStep {
  const { std = 0.1, components, statistics } = options;
  if (components && statistics) {
    throw new ArgumentError('pcaColour: components and statistics exclude each other; give one of them');
  }
  checkRange('pcaColour: the range [0, std]', [0, std], { least: 0 });
  const own = statistics && { vectors: statistics.components, deviations: statistics.standardDeviations };
  const { vectors, deviations } = components ?? own ?? IMAGENET_COLOUR_COMPONENTS;
  checkFinite('pcaColour: components', [...vectors.flat(), ...deviations]);
  return {
    name: 'pcaColour',
    apply(view, { random }) {
      const lengths = deviations.map((deviation) => random.gaussian() * std * deviation);
      view.addColour(
        [0, 1, 2].map((c) => vectors.reduce((sum, vector, i) => sum + lengths[i]! * vector[c]!, 0)),
      );
    },
  };
}

interface FactorOptions {
  /** Smallest and largest factor, drawn uniformly; 1 changes nothing. */
  readonly range: readonly [number, number];
}

/** colour <- factor * colour. */
export function brightness({ range }: FactorOptions): AugmentationStep {
  return blend('brightness', range, [0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

/**
 * colour <- factor * (colour - pivot) + pivot.
 * @param pivot  a grey or a colour, on the scale 0..255, e.g. the data's mean colour; default 128. torchvision takes
 *               the mean grey of each picture
 */
export function contrast({
  range,
  pivot = 128,
}: FactorOptions & { readonly pivot?: number | Triple }): AugmentationStep {
  const colour = typeof pivot === 'number' ? [pivot, pivot, pivot] : pivot;
  checkFinite('contrast: pivot', colour);
  return blend('contrast', range, [0, 0, 0, 0, 0, 0, 0, 0, 0], colour);
}

/** Weights of R, G, B in a colour's grey (ITU-R BT.601), as PIL and torchvision have them. */
const GREY = [0.299, 0.587, 0.114] as const;

/** colour <- factor * colour + (1 - factor) * grey; a factor of 0 makes grey pictures. */
export function saturation({ range }: FactorOptions): AugmentationStep {
  return blend('saturation', range, [...GREY, ...GREY, ...GREY]);
}

/** colour <- factor * colour + (1 - factor) * (matrix * colour + offset), factor uniform over the range. */
function blend(
  name: string,
  range: FactorOptions['range'],
  matrix: readonly number[],
  offset: readonly number[] = [0, 0, 0],
): AugmentationStep {
  checkRange(`${name}: range`, range, { least: 0 });
  return {
    name,
    apply(view, { random }: { readonly random: StepRandom }) {
      const factor = random.between(range);
      view.changeColour(
        matrix.map((value, i) => (1 - factor) * value + (i % 4 === 0 ? factor : 0)),
        offset.map((value) => (1 - factor) * value),
      );
    },
  };
}

function checkFinite(what: string, values: readonly number[]): void {
  if (!values.every(Number.isFinite)) {
    throw new ArgumentError(`${what} must be finite, got ${values.join(', ')}`);
  }
}
