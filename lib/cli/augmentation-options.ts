// Options that say how training pictures are changed, of `train` and `augment`.
// Invariant: the same options make the same list of steps in both.

import {
  brightness,
  contrast,
  pcaColour,
  randomCrop,
  randomErasing,
  randomFlip,
  randomMirror,
  randomResizedCrop,
  saturation,
  type Augmentation,
  type ColourStatistics,
} from '../index.js';
import { flag, option, type Values } from './args.js';
import { number } from './values.js';

export const augmentationOptions = {
  noMirror: flag('do not mirror half of the pictures: for text, digits, traffic signs'),
  flip: flag('turn half of the pictures upside down: for pictures from above or through a microscope'),
  resizedCrop: flag(
    'cut rectangles of random area and proportion, scaled to the input, instead of random crops',
  ),
  pcaColour: flag("noise along the principal components of the pictures' colours, as in the paper"),
  colourJitter: option({
    value: 'X',
    parse: number('a number above 0 and below 1, e.g. 0.4', (value) => value > 0 && value < 1),
    help: 'brightness, contrast and saturation times random factors from 1 - X to 1 + X',
  }),
  erasing: flag('erase a random rectangle of half of the pictures'),
};

export type AugmentationArguments = Values<Record<never, never>, typeof augmentationOptions>;

/**
 * @param options.size        side of the network's input, in pixels
 * @param options.statistics  of the colours; needed with --pca-colour
 */
export function augmentationFrom(
  wanted: AugmentationArguments,
  { size, statistics }: { readonly size: number; readonly statistics?: ColourStatistics | undefined },
): Augmentation {
  const { colourJitter: jitter } = wanted;
  const factors = jitter === undefined ? undefined : { range: [1 - jitter, 1 + jitter] as const };
  return [
    wanted.resizedCrop ? randomResizedCrop({ size }) : randomCrop({ size }),
    ...(wanted.noMirror ? [] : [randomMirror()]),
    ...(wanted.flip ? [randomFlip()] : []),
    ...(factors ? [brightness(factors), contrast(factors), saturation(factors)] : []),
    ...(wanted.pcaColour && statistics ? [pcaColour({ statistics })] : []),
    ...(wanted.erasing ? [randomErasing()] : []),
  ];
}
