// Response normalisation across channels and max pooling in one pass.
// Invariant: gives what the two ops give one after another; what lies between them is never written to memory.
import type { FloatDType } from '../tensor/dtype.js';
import type { Tensor } from '../tensor/tensor.js';
import { acrossAttributes, type LrnOptions } from './lrn.js';
import { poolAttributes, type Pool2dOptions } from './pool2d.js';
import { run, run1 } from './run.js';

type Images<D extends FloatDType> = Tensor<D, readonly [number, number, number, number]>;

export interface LrnMaxPool2dOptions {
  readonly lrn: Omit<LrnOptions, 'label'>;
  readonly pool: Omit<Pool2dOptions, 'label'>;
  /** Named in errors. */
  readonly label?: string;
}

function attributesOf({ lrn, pool, label }: LrnMaxPool2dOptions, x: readonly number[]) {
  return { ...acrossAttributes(lrn), ...poolAttributes({ ...pool, ...(label && { label }) }, x) };
}

/**
 * `maxPool2d(lrn(x))`. x: [N, C, H, W] -> y: [N, C, OH, OW]. The caller owns y and, with `training`, the opaque
 * `argmax` that {@link lrnMaxPool2dBackward} needs beside x. In bfloat16 maxima are taken before rounding.
 * @throws ShapeError as `lrn` and `maxPool2d` do
 */
export function lrnMaxPool2d<D extends FloatDType>(
  x: Images<D>,
  options: LrnMaxPool2dOptions & { readonly training?: boolean },
): { y: Images<D>; argmax: Tensor | null } {
  const [y, argmax] = run('lrnMaxPool2dForward', {
    inputs: { x },
    attributes: attributesOf(options, x.shape),
    without: options.training ? [] : ['argmax'],
    label: options.label,
  }) as [Images<D>, Tensor | null];
  return { y, argmax };
}

/**
 * Gradient of {@link lrnMaxPool2d}; x is the forward op's input. dy: [N, C, OH, OW] -> dx: the shape of x; the caller
 * owns it.
 * @param options.relu  x is what a ReLU gave: its gradient is taken too, so that dx is 0 where x is. Default false
 */
export function lrnMaxPool2dBackward<D extends FloatDType>(
  dy: Tensor<D>,
  { x, argmax }: { readonly x: Images<D>; readonly argmax: Tensor },
  options: LrnMaxPool2dOptions & { readonly relu?: boolean },
): Images<D> {
  return run1('lrnMaxPool2dBackward', {
    inputs: { x, argmax, dy },
    attributes: { ...attributesOf(options, x.shape), relu: options.relu ? 1 : 0 },
    label: options.label,
  }) as Images<D>;
}
