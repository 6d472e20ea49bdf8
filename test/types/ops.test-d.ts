// The types of ops: what comes out follows from what goes in, and misuse does not compile.
// Invariant: compiled with everything else, never run; each refusal is one that run time would make too.
import { ops, type Device, type Tensor } from '../../lib/index.js';
import type { Equal, Expect } from './expect.js';

type Floats<S extends readonly number[]> = Tensor<'float32', S>;
type Images = Floats<readonly [number, number, number, number]>;

declare const device: Device;
declare const batch: number;
declare const pictures: Floats<readonly [8, 3, 32, 32]>;
declare const kernels: Floats<readonly [16, 3, 5, 5]>;
declare const features: Floats<readonly [8, 100]>;
declare const weights: Floats<readonly [10, 100]>;
declare const logits: Floats<readonly [8, 10]>;
declare const labels: Tensor<'int32', readonly [8]>;
declare const square: Floats<readonly [2, 3]>;
declare const turned: Floats<readonly [3, 2]>;
declare const integers: Tensor<'int32', readonly [2, 3]>;
declare const bytes: Tensor<'uint8', readonly [4, 32, 32, 3]>;
declare const records: Tensor<'float32', readonly [4, 22]>;
declare const colour: Floats<readonly [3]>;

export const activated = ops.relu(square);
export const added = ops.add(square, square);
export const total = ops.sum(square);
export const filled = ops.fill(device, { shape: [2, 3], value: 1, dtype: 'uint8' });
export const filledAsUsual = ops.fill(device, { shape: [batch, 3], value: 1 });
export const drawn = ops.gaussian(device, { shape: [4, 5], std: 1, seed: 1 });
export const converted = ops.cast(integers, { dtype: 'bfloat16' });
export const reshaped = ops.reshape(integers, { shape: [6] });
export const flat = ops.flatten(pictures);
export const convolved = ops.conv2d(pictures, kernels, { padding: 2 });
export const { y: pooled, argmax } = ops.maxPool2d(pictures, { kernelSize: 3, training: true });
export const normal = ops.lrn(pictures, { size: 5, alpha: 1e-4, alphaOver: 'sum', beta: 0.75, k: 2 });
export const projected = ops.linear(features, weights);
export const { loss, probabilities } = ops.crossEntropy(logits, labels);
export const { values, indices } = ops.topK(logits, { k: 5 });
export const cropped = ops.augment(bytes, { records, mean: colour, std: colour, crop: 28 });

export type Results = [
  Expect<Equal<typeof activated, Floats<readonly [2, 3]>>>,
  Expect<Equal<typeof added, Floats<readonly [2, 3]>>>,
  Expect<Equal<typeof total, Floats<readonly []>>>,
  Expect<Equal<typeof filled, Tensor<'uint8', readonly [2, 3]>>>,
  Expect<Equal<typeof filledAsUsual, Floats<readonly [number, 3]>>>,
  Expect<Equal<typeof drawn, Floats<readonly [4, 5]>>>,
  Expect<Equal<typeof converted, Tensor<'bfloat16', readonly [2, 3]>>>,
  Expect<Equal<typeof reshaped, Tensor<'int32', readonly [6]>>>,
  Expect<Equal<typeof flat, Floats<readonly [number, number]>>>,
  Expect<Equal<typeof convolved, Images>>,
  Expect<Equal<typeof pooled, Images>>,
  Expect<Equal<typeof argmax, Tensor | null>>,
  Expect<Equal<typeof normal, Floats<readonly [8, 3, 32, 32]>>>,
  Expect<Equal<typeof projected, Floats<readonly [8, 10]>>>,
  Expect<Equal<typeof loss, Floats<readonly []>>>,
  Expect<Equal<typeof probabilities, Floats<readonly [8, number]>>>,
  Expect<Equal<typeof values, Floats<readonly [8, 5]>>>,
  Expect<Equal<typeof indices, Tensor<'int32', readonly [8, 5]>>>,
  Expect<Equal<typeof cropped, Floats<readonly [4, 3, 28, 28]>>>,
];

// @ts-expect-error a convolution takes pictures, not rows
ops.conv2d(features, kernels);
// @ts-expect-error its weights have four dimensions
ops.conv2d(pictures, weights);
// @ts-expect-error a fully connected layer takes rows: flatten pictures first
ops.linear(pictures, weights);
// @ts-expect-error pooling takes pictures
ops.maxPool2d(features, { kernelSize: 3 });
// @ts-expect-error activations are floats
ops.relu(integers);
// @ts-expect-error the shapes differ
ops.add(square, turned);
// @ts-expect-error the ranks differ
ops.multiply(square, colour);
// @ts-expect-error the gradient has the shape of the output
ops.tanhBackward(turned, square);
// @ts-expect-error labels are int32
ops.crossEntropy(logits, colour);
// @ts-expect-error logits are rows
ops.crossEntropy(pictures, labels);
// @ts-expect-error pictures are stored as bytes
ops.augment(pictures, { records, mean: colour, std: colour, crop: 28 });
// @ts-expect-error fill writes no bfloat16
ops.fill(device, { shape: [1], value: 1, dtype: 'bfloat16' });
// @ts-expect-error the convention of alpha has to be said
ops.lrn(pictures, { size: 5, alpha: 1e-4, beta: 0.75, k: 2 });
// @ts-expect-error random numbers need a seed
ops.gaussian(device, { shape: [1], std: 1 });
// @ts-expect-error weights and gradient have one shape
ops.sgdStep(square, square, turned, { learningRate: 1, momentum: 0, weightDecay: 0, form: 'paper' });
// @ts-expect-error there are two forms of momentum
ops.sgdStep(square, square, square, { learningRate: 1, momentum: 0, weightDecay: 0, form: 'nesterov' });
