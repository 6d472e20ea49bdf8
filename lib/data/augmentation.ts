// How pictures are changed on their way into the network: a list of steps, and the record that it makes of a picture.
// Invariant: a record is a pure function of (seed, epoch, picture, list): the same for any batch, order or number of threads.

import { ArgumentError } from '../errors.js';
import { RECORD_LENGTH, AugmentedView } from './augmentation/record.js';
import { StepRandom, type AugmentationStep, type PictureDraw } from './augmentation/step.js';
import type { PictureSize } from './picture-size.js';
import type { RgbImage } from './types.js';

export * from './augmentation/colour.js';
export * from './augmentation/components.js';
export * from './augmentation/geometry.js';
export { RECORD_LENGTH } from './augmentation/record.js';
export type { Rectangle, AugmentedView } from './augmentation/record.js';
export type { AugmentationStep, PictureDraw, StepContext, StepRandom } from './augmentation/step.js';

/**
 * Steps in the order in which they are applied; exactly one decides the size of the network's input. Colours are
 * composed in the order of the list; cutting, mirroring, colours and erasing do not disturb each other.
 */
export type Augmentation = readonly AugmentationStep[];

/** What an augmentation makes of a picture. */
export interface AugmentationShape {
  /** Side of the network's input, in pixels. */
  readonly size: number;
  /** Inputs a picture; more than one with `tenCrop`. */
  readonly views: number;
}

/**
 * A function of the user's own on the stored picture, on the host, before everything that the device does.
 * @param fn  gets the picture ([height, width, 3]; it may be changed in place, or another one returned) and a function that
 *            draws 0 <= x < 1, a pure function of (seed, epoch, picture, position in the list); must keep the size
 */
export function pictureTransform(fn: (image: RgbImage, random: () => number) => RgbImage): AugmentationStep {
  return { name: 'pictureTransform', transform: fn };
}

/**
 * Checks the list against the pictures, once, before any is read.
 * @param side  the stored pictures' shorter side, in pixels
 * @throws ArgumentError if not exactly one step decides the size, or a step does not fit the pictures
 */
export function checkAugmentation(augmentation: Augmentation, side: number): AugmentationShape {
  const sized = augmentation.filter(({ size }) => size !== undefined);
  const [decides] = sized;
  if (sized.length !== 1 || decides?.size === undefined) {
    const found = sized.length === 0 ? 'none' : sized.map(({ name }) => name).join(' and ');
    throw new ArgumentError(
      `augmentation [${namesOf(augmentation)}]: ${found} decides the size of the input, expected exactly one step that does: ` +
        'randomCrop, centreCrop, randomResizedCrop or tenCrop',
    );
  }
  if (augmentation.filter(({ name }) => name === 'randomErasing').length > 1) {
    throw new ArgumentError(
      `augmentation [${namesOf(augmentation)}]: randomErasing may stand once, it erases one rectangle`,
    );
  }
  for (const step of augmentation) step.check?.(side);
  return { size: decides.size, views: augmentation.reduce((views, step) => views * (step.views ?? 1), 1) };
}

function namesOf(augmentation: Augmentation): string {
  return augmentation.map(({ name }) => name).join(', ');
}

/**
 * What is to be done to one picture: [views * 22], a record a view, as `ops.augment` takes them.
 * @param options.height  of the stored picture, in pixels; as `options.width`
 * @throws ArgumentError as `checkAugmentation`
 */
export function planAugmentation(
  augmentation: Augmentation,
  options: PictureDraw & PictureSize,
): Float32Array<ArrayBuffer> {
  const { height, width } = options;
  const { size, views } = checkAugmentation(augmentation, Math.min(height, width));
  const records = new Float32Array(views * RECORD_LENGTH);
  for (let at = 0; at < views; at++) {
    const view = new AugmentedView({ height, width });
    for (const [position, step] of augmentation.entries()) {
      step.apply?.(view, { height, width, size, view: at, random: new StepRandom(options, position) });
    }
    view.writeTo(records.subarray(at * RECORD_LENGTH));
  }
  return records;
}

/** Applies the steps that work on the host, in place. `name` is for errors. */
export function transformPicture(
  augmentation: Augmentation,
  image: RgbImage,
  options: PictureDraw & { readonly pictureName: string },
): void {
  for (const [position, { name, transform }] of augmentation.entries()) {
    if (!transform) continue;
    const random = new StepRandom(options, position);
    const result = transform(image, () => random.uniform());
    checkTransformed(result, image, `${name} of ${options.pictureName}`);
    if (result.data !== image.data) image.data.set(result.data);
  }
}

function checkTransformed(result: RgbImage, { width, height, data }: RgbImage, what: string): void {
  const expected = `expected the picture's own ${width}x${height} with ${data.length} bytes of RGB`;
  if (!((result as RgbImage | undefined)?.data instanceof Uint8Array)) {
    throw new ArgumentError(`${what} returned no picture, ${expected}`);
  }
  if (result.width !== width || result.height !== height || result.data.length !== data.length) {
    throw new ArgumentError(
      `${what} returned ${result.width}x${result.height} with ${result.data.length} bytes, ${expected}`,
    );
  }
}
