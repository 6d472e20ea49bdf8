// Steps that decide which part of the stored picture the network sees.
// Invariant: rectangles have integer corners and lie inside the picture.

import { ArgumentError } from '../../errors.js';
import type { Rectangle } from './record.js';
import { checkProbability, checkRange, checkSize, type AugmentationStep, type StepRandom } from './step.js';

interface CropOptions {
  /** Side of the network's input, in pixels. */
  readonly size: number;
}

/** A square of `size` at a random place, every place equally likely (Krizhevsky et al. 2012, section 4.1). */
export function randomCrop({ size }: CropOptions): AugmentationStep {
  return croppingStep('randomCrop', {
    size,
    apply(view, { height, width, random }) {
      view.source = {
        top: random.below(height - size + 1),
        left: random.below(width - size + 1),
        height: size,
        width: size,
      };
    },
  });
}

/** The middle: floor((height - size) / 2) pixels are left at the top, floor((width - size) / 2) at the left. */
export function centreCrop({ size }: CropOptions): AugmentationStep {
  return croppingStep('centreCrop', {
    size,
    apply(view, { height, width }) {
      const [top, left] = [Math.floor((height - size) / 2), Math.floor((width - size) / 2)];
      view.source = { top, left, height: size, width: size };
    },
  });
}

/**
 * Ten views of each picture: the top left, top right, central, bottom left and bottom right crop, then the same
 * mirrored, in this order (Krizhevsky et al. 2012, section 4.1). The views of a picture share what is drawn for it.
 */
export function tenCrop({ size }: CropOptions): AugmentationStep {
  return croppingStep('tenCrop', {
    size,
    views: 10,
    apply(state, { height, width, view }) {
      const [bottom, right] = [height - size, width - size];
      const places = [
        [0, 0],
        [0, right],
        [Math.floor(bottom / 2), Math.floor(right / 2)],
        [bottom, 0],
        [bottom, right],
      ] as const;
      const [top, left] = places[view % 5]!;
      state.source = { top, left, height: size, width: size };
      if (view >= 5) state.mirror = !state.mirror;
    },
  });
}

/**
 * A rectangle of a random area and proportion at a random place, scaled to `size` (Szegedy et al. 2015; torchvision's
 * RandomResizedCrop: ten tries, then the middle with its proportion clamped). Sides are rounded to whole pixels.
 */
export function randomResizedCrop(
  options: CropOptions & {
    /** Smallest and largest area, as parts of the picture's. Default [0.08, 1]. */
    readonly scale?: readonly [number, number];
    /** Narrowest and widest proportion, width / height, drawn uniformly in its logarithm. Default [3/4, 4/3]. */
    readonly ratio?: readonly [number, number];
  },
): AugmentationStep {
  const { size, scale = [0.08, 1], ratio = [3 / 4, 4 / 3] } = options;
  checkSize('randomResizedCrop', size);
  checkAreas('randomResizedCrop', scale, ratio);
  return {
    name: 'randomResizedCrop',
    size,
    apply(view, { height, width, random }) {
      const found = drawRectangle(random, { height, width, scale, ratio });
      view.source = found ?? clampedCentre({ height, width }, ratio);
    },
  };
}

/** Left to right. @param probability  default 0.5 */
export function randomMirror({
  probability = 0.5,
}: { readonly probability?: number } = {}): AugmentationStep {
  checkProbability('randomMirror', probability);
  return {
    name: 'randomMirror',
    apply(view, { random }) {
      if (random.chance(probability)) view.mirror = !view.mirror;
    },
  };
}

/** Top to bottom: for pictures that have no up and down. @param probability  default 0.5 */
export function randomFlip({ probability = 0.5 }: { readonly probability?: number } = {}): AugmentationStep {
  checkProbability('randomFlip', probability);
  return {
    name: 'randomFlip',
    apply(view, { random }) {
      if (random.chance(probability)) view.flip = !view.flip;
    },
  };
}

/**
 * Replaces a rectangle of the network's input with the mean (Zhong et al. 2020; torchvision's RandomErasing with value
 * 0 after normalisation). It happens last, whatever its place in the list, and once at most.
 */
export function randomErasing(
  options: {
    /** That a picture is treated at all. Default 0.5. */
    readonly probability?: number;
    /** Smallest and largest area, as parts of the input's. Default [0.02, 0.33]. */
    readonly scale?: readonly [number, number];
    /** Flattest and tallest proportion, height / width, drawn uniformly in its logarithm. Default [0.3, 3.3]. */
    readonly ratio?: readonly [number, number];
  } = {},
): AugmentationStep {
  const { probability = 0.5, scale = [0.02, 0.33], ratio = [0.3, 3.3] } = options;
  checkProbability('randomErasing', probability);
  checkAreas('randomErasing', scale, ratio);
  const widthByHeight = [1 / ratio[1], 1 / ratio[0]] as const;
  return {
    name: 'randomErasing',
    apply(view, { size, random }) {
      if (!random.chance(probability)) return;
      const found = drawRectangle(random, { height: size, width: size, scale, ratio: widthByHeight });
      if (found) view.erase = found;
    },
  };
}

function croppingStep(
  name: string,
  step: { readonly size: number; readonly views?: number; readonly apply: AugmentationStep['apply'] & {} },
): AugmentationStep {
  checkSize(name, step.size);
  return {
    name,
    ...step,
    check(side) {
      if (step.size <= side) return;
      throw new ArgumentError(
        `${name}: size is ${step.size}, expected an integer from 1 to ${side}, the shorter side of the stored pictures; ` +
          'store larger pictures, take smaller crops, or enlarge with randomResizedCrop',
      );
    },
  };
}

function checkAreas(step: string, scale: readonly [number, number], ratio: readonly [number, number]): void {
  checkRange(`${step}: scale`, scale, { least: 0, most: 1 });
  checkRange(`${step}: ratio`, ratio, { least: Number.MIN_VALUE });
}

interface RectangleOptions {
  readonly height: number;
  readonly width: number;
  readonly scale: readonly [number, number];
  /** Width / height. */
  readonly ratio: readonly [number, number];
}

const TRIES = 10;

/** undefined if no try fits. */
function drawRectangle(random: StepRandom, options: RectangleOptions): Rectangle | undefined {
  const { height, width, scale, ratio } = options;
  for (let attempt = 0; attempt < TRIES; attempt++) {
    const area = height * width * random.between(scale);
    const proportion = Math.exp(random.between([Math.log(ratio[0]), Math.log(ratio[1])]));
    const w = Math.round(Math.sqrt(area * proportion));
    const h = Math.round(Math.sqrt(area / proportion));
    const fits = w >= 1 && h >= 1 && w <= width && h <= height;
    if (fits) {
      return { top: random.below(height - h + 1), left: random.below(width - w + 1), height: h, width: w };
    }
  }
  return undefined;
}

/** The largest central rectangle of a picture whose proportion is allowed. */
function clampedCentre(
  { height, width }: Pick<Rectangle, 'height' | 'width'>,
  [narrowest, widest]: readonly [number, number],
): Rectangle {
  const own = width / height;
  const w = own > widest ? Math.max(1, Math.round(height * widest)) : width;
  const h = own < narrowest ? Math.max(1, Math.round(width / narrowest)) : height;
  return { top: Math.floor((height - h) / 2), left: Math.floor((width - w) / 2), height: h, width: w };
}
