// All operations, for users who write layers of their own.
// Invariant: re-exports only.
export * from './activation.js';
export * from './augment.js';
export {
  conv2d,
  conv2dBackwardData,
  conv2dBackwardWeights,
  conv2dShape,
  type Conv2dOptions,
} from './conv2d.js';
export * from './elementwise.js';
export type { Padding2d, Size2d } from './geometry.js';
export * from './int8.js';
export * from './linear.js';
export * from './loss.js';
export { lrn, lrnBackward, lrnWithin, lrnWithinBackward, type LrnOptions } from './lrn.js';
export * from './lrn-max-pool2d.js';
export {
  avgPool2d,
  avgPool2dBackward,
  maxPool2d,
  maxPool2dBackward,
  pool2dShape,
  type AvgPool2dOptions,
  type Pool2dOptions,
} from './pool2d.js';
export * from './random.js';
export * from './sgd.js';
