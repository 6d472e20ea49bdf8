// Shape rules: what each op accepts and what it makes of it.
// Invariant: an error names the layer, what it expected, what it got, and what to do.
import { DTypeError, ShapeError } from '../errors.js';
import type { OutputSpec } from '../tensor/device.js';
import type { FloatDType } from '../tensor/dtype.js';
import { elementCount, formatShape, sameShape, type Shape } from '../tensor/shape.js';

/** What a shape rule sees of a call. */
export interface RuleContext {
  readonly label: string;
  /** By name; absent optional inputs are left out. */
  readonly inputs: Readonly<Record<string, OutputSpec>>;
  readonly attributes: Readonly<Record<string, number>>;
  /** The output's shape or type, for ops whose inputs do not determine it. */
  readonly result: OutputSpec | undefined;
}

type Context = RuleContext;

export function input(context: Context, name: string): OutputSpec {
  const found = context.inputs[name];
  if (!found) throw new ShapeError(`${context.label}: input '${name}' is missing.`);
  return found;
}

export function expectDType(context: Context, name: string, dtype: string): void {
  const found = input(context, name).dtype;
  if (found !== dtype) {
    const hint =
      dtype === 'float32' ? 'Convert it with cast(x, { dtype: "float32" }).' : `Make it of ${dtype}.`;
    throw new DTypeError(`${context.label}: ${name} is ${found}, expected ${dtype}. ${hint}`);
  }
}

/** The type that an op computes in: that of its first input. */
function expectFloat(context: Context, name: string): FloatDType {
  const found = input(context, name).dtype;
  if (found !== 'float32' && found !== 'bfloat16' && found !== 'float16') {
    throw new DTypeError(
      `${context.label}: ${name} is ${found}, expected float32, bfloat16 or float16. Convert it with cast(x, { dtype }).`,
    );
  }
  return found;
}

/** A gradient or second operand, of the type that the first input has. */
function expectSameType(context: Context, name: string, dtype: FloatDType): void {
  const found = input(context, name).dtype;
  if (found !== dtype) {
    throw new DTypeError(
      `${context.label}: ${name} is ${found}, expected ${dtype} as the other operand. Convert it with cast(x, { dtype: "${dtype}" }).`,
    );
  }
}

export function expectRank(context: Context, name: string, rank: number, meaning: string): Shape {
  const { shape } = input(context, name);
  if (shape.length !== rank) {
    throw new ShapeError(
      `${context.label}: ${name} is ${formatShape(shape)}, expected rank ${rank}: ${meaning}.`,
    );
  }
  return shape;
}

export function expectShape(context: Context, name: string, expected: Shape, why: string): void {
  const { shape } = input(context, name);
  if (!sameShape(shape, expected)) {
    throw new ShapeError(
      `${context.label}: ${name} is ${formatShape(shape)}, expected ${formatShape(expected)}: ${why}.`,
    );
  }
}

export function float32(shape: Shape): OutputSpec {
  return { dtype: 'float32', shape };
}

export function given(context: Context): OutputSpec {
  if (!context.result) throw new ShapeError(`${context.label}: the result's shape is missing.`);
  return context.result;
}

export function asGiven(context: Context): OutputSpec[] {
  return [given(context)];
}

function expectValues(context: Context, name: string): void {
  if (input(context, name).dtype === 'opaque') {
    throw new DTypeError(
      `${context.label}: ${name} is the state that an op saves for its backward op; it can only be given to that.`,
    );
  }
}

export function castLike(context: Context): OutputSpec[] {
  expectValues(context, 'x');
  return [{ dtype: given(context).dtype, shape: input(context, 'x').shape }];
}

export function reshape(context: Context): OutputSpec[] {
  expectValues(context, 'x');
  const { dtype, shape, scale } = input(context, 'x');
  const target = given(context).shape;
  if (elementCount(shape) !== elementCount(target)) {
    throw new ShapeError(
      `${context.label}: ${formatShape(shape)} has ${elementCount(shape)} elements, ` +
        `${formatShape(target)} has ${elementCount(target)}. A reshape keeps the number of elements.`,
    );
  }
  return [{ dtype, shape: target, scale }];
}

export function unary(context: Context): OutputSpec[] {
  return [{ dtype: expectFloat(context, 'x'), shape: input(context, 'x').shape }];
}

export function binary(context: Context): OutputSpec[] {
  const [first = '', second = ''] = Object.keys(context.inputs);
  const dtype = expectFloat(context, first);
  expectSameType(context, second, dtype);
  expectShape(context, second, input(context, first).shape, `it must have the shape of ${first}`);
  return [{ dtype, shape: input(context, first).shape }];
}

export function scaleBy(context: Context): OutputSpec[] {
  expectDType(context, 's', 'float32');
  expectShape(context, 's', [], 'one factor for all elements');
  return unary(context);
}

export function toScalar(context: Context): OutputSpec[] {
  expectDType(context, 'x', 'float32');
  return [float32([])];
}

/** Softmax works on rows of the last dimension. */
export function rows(context: Context): OutputSpec[] {
  if (input(context, 'x').shape.length === 0) {
    throw new ShapeError(`${context.label}: x is a scalar, expected rows of classes: [..., classes].`);
  }
  expectDType(context, 'x', 'float32');
  return unary(context);
}

export function rowsBackward(context: Context): OutputSpec[] {
  expectDType(context, 'y', 'float32');
  return binary(context);
}

/**
 * Extent of a convolution's or pooling's output along one axis: floor((extent + padding - kernel) / stride) + 1.
 * @throws ShapeError if the window does not fit in once
 */
export function windowCount(
  context: Pick<Context, 'label'>,
  axis: 'height' | 'width',
  extent: number,
  window: { kernel: number; stride: number; padLow: number; padHigh: number },
): number {
  const padded = extent + window.padLow + window.padHigh;
  if (padded < window.kernel) {
    throw new ShapeError(
      `${context.label}: the window of ${window.kernel} is larger than the input's ${axis} of ${extent}` +
        `${padded > extent ? ` with ${padded - extent} of padding` : ''}. ` +
        'The input is too small for this network: use larger pictures, or fewer strided layers before this one.',
    );
  }
  return Math.floor((padded - window.kernel) / window.stride) + 1;
}

function spatial(context: Context, shape: Shape, kernelH: number, kernelW: number): [number, number] {
  const a = context.attributes;
  const [, , height = 0, width = 0] = shape;
  return [
    windowCount(context, 'height', height, {
      kernel: kernelH,
      stride: a['strideH'] ?? 1,
      padLow: a['padTop'] ?? 0,
      padHigh: a['padBottom'] ?? 0,
    }),
    windowCount(context, 'width', width, {
      kernel: kernelW,
      stride: a['strideW'] ?? 1,
      padLow: a['padLeft'] ?? 0,
      padHigh: a['padRight'] ?? 0,
    }),
  ];
}

export function conv2dOutput(context: Context, x: Shape, w: Shape): Shape {
  const groups = context.attributes['groups'] ?? 1;
  const [n = 0, channels = 0] = x;
  const [outChannels = 0, groupChannels = 0, kernelH = 0, kernelW = 0] = w;
  if (outChannels % groups !== 0) {
    throw new ShapeError(
      `${context.label}: ${outChannels} output channels do not divide into ${groups} groups. w is ${formatShape(w)}.`,
    );
  }
  if (channels !== groupChannels * groups) {
    const expected = groups === 1 ? '' : ` (${groups} groups of ${groupChannels})`;
    throw new ShapeError(
      `${context.label}: ${channels} input channels, expected ${groupChannels * groups}${expected}. ` +
        `x is ${formatShape(x)}, weights are ${formatShape(w)}.` +
        (groups === 1 ? '' : ' Weights hold the channels of one group; pass the channels of all.'),
    );
  }
  return [n, outChannels, ...spatial(context, x, kernelH, kernelW)];
}

export function expectBias(context: Context, outputs: number): void {
  if (!context.inputs['b']) return;
  expectDType(context, 'b', 'float32');
  expectShape(context, 'b', [outputs], 'one value for each output channel');
}

export function conv2dForward(context: Context): OutputSpec[] {
  const dtype = expectFloat(context, 'x');
  expectDType(context, 'w', 'float32');
  const x = expectRank(context, 'x', 4, '[N, C, H, W]');
  const w = expectRank(context, 'w', 4, '[outChannels, inChannels / groups, kernelH, kernelW]');
  const y = conv2dOutput(context, x, w);
  expectBias(context, w[0] ?? 0);
  return [{ dtype, shape: y }];
}

export function conv2dBackwardData(context: Context): OutputSpec[] {
  expectDType(context, 'w', 'float32');
  const dtype = expectFloat(context, 'dy');
  const dx = given(context).shape;
  expectShape(context, 'dy', conv2dOutput(context, dx, input(context, 'w').shape), 'the shape of the output');
  return [{ dtype, shape: dx }];
}

export function conv2dBackwardWeights(context: Context): OutputSpec[] {
  expectSameType(context, 'dy', expectFloat(context, 'x'));
  const dw = given(context).shape;
  expectShape(context, 'dy', conv2dOutput(context, input(context, 'x').shape, dw), 'the shape of the output');
  return [float32(dw), float32([dw[0] ?? 0])];
}

export function linearOutput(context: Context, x: Shape, w: Shape): Shape {
  const [n = 0, features] = x;
  const [outFeatures = 0, inFeatures] = w;
  if (features !== inFeatures) {
    throw new ShapeError(
      `${context.label}: ${features} input features, expected ${inFeatures}. ` +
        `x is ${formatShape(x)}, weights are ${formatShape(w)}.`,
    );
  }
  return [n, outFeatures];
}

export function linearForward(context: Context): OutputSpec[] {
  const dtype = expectFloat(context, 'x');
  expectDType(context, 'w', 'float32');
  const x = expectRank(context, 'x', 2, '[N, features]; flatten pictures first');
  const w = expectRank(context, 'w', 2, '[outFeatures, inFeatures]');
  const y = linearOutput(context, x, w);
  expectBias(context, w[0] ?? 0);
  return [{ dtype, shape: y }];
}

export function linearBackwardData(context: Context): OutputSpec[] {
  expectDType(context, 'w', 'float32');
  const dtype = expectFloat(context, 'dy');
  const dy = expectRank(context, 'dy', 2, '[N, outFeatures]');
  const w = expectRank(context, 'w', 2, '[outFeatures, inFeatures]');
  expectShape(context, 'dy', [dy[0] ?? 0, w[0] ?? 0], 'the shape of the output');
  return [{ dtype, shape: [dy[0] ?? 0, w[1] ?? 0] }];
}

export function linearBackwardWeights(context: Context): OutputSpec[] {
  expectSameType(context, 'dy', expectFloat(context, 'x'));
  const x = expectRank(context, 'x', 2, '[N, inFeatures]');
  const dy = expectRank(context, 'dy', 2, '[N, outFeatures]');
  expectShape(context, 'dy', [x[0] ?? 0, dy[1] ?? 0], 'one row for each row of x');
  return [float32([dy[1] ?? 0, x[1] ?? 0]), float32([dy[1] ?? 0])];
}

export function lrn(context: Context): OutputSpec[] {
  const x = expectNormalisable(context);
  if (context.inputs['dy']) {
    expectSameType(context, 'dy', x.dtype);
    expectShape(context, 'dy', x.shape, 'it must have the shape of x');
  }
  return [x];
}

/** The type and shape of x, and of what it becomes. */
function expectNormalisable(context: Context): { readonly dtype: FloatDType; readonly shape: Shape } {
  return { dtype: expectFloat(context, 'x'), shape: lrnShape(context) };
}

/** Checks input and window. */
export function lrnShape(context: Context): Shape {
  const x = expectRank(context, 'x', 4, '[N, C, H, W]');
  const { size = 0, beta = 0, k = 0, channelGroups = 1 } = context.attributes;
  if (!Number.isInteger(size) || size < 1 || size % 2 === 0) {
    throw new ShapeError(`${context.label}: the window's size is ${size}, expected an odd number.`);
  }
  if (!(k > 0) || !(beta > 0)) {
    throw new ShapeError(`${context.label}: k is ${k} and beta ${beta}; both must be positive.`);
  }
  if (!Number.isInteger(channelGroups) || channelGroups < 1) {
    throw new ShapeError(`${context.label}: channelGroups is ${channelGroups}, expected a positive integer.`);
  }
  if ((x[1] ?? 0) % channelGroups !== 0) {
    throw new ShapeError(
      `${context.label}: ${x[1]} channels do not divide into ${channelGroups} groups. x is ${formatShape(x)}.`,
    );
  }
  return x;
}

function pool2dOutput(context: Context, x: Shape): Shape {
  const {
    kernelH = 1,
    kernelW = 1,
    padTop = 0,
    padBottom = 0,
    padLeft = 0,
    padRight = 0,
  } = context.attributes;
  if (Math.max(padTop, padBottom) >= kernelH || Math.max(padLeft, padRight) >= kernelW) {
    throw new ShapeError(
      `${context.label}: padding must be smaller than the window of ${kernelH}x${kernelW}, ` +
        'or a window would lie in padding alone.',
    );
  }
  return [x[0] ?? 0, x[1] ?? 0, ...spatial(context, x, kernelH, kernelW)];
}

function pool2dForward(context: Context): Shape {
  return pool2dOutput(context, expectRank(context, 'x', 4, '[N, C, H, W]'));
}

export function avgPool2dForward(context: Context): OutputSpec[] {
  return [{ dtype: expectFloat(context, 'x'), shape: pool2dForward(context) }];
}

/** The largest of quantised values is quantised as they are. */
export function maxPool2dForward(context: Context): OutputSpec[] {
  const { dtype, scale } = input(context, 'x');
  if (scale === undefined) expectFloat(context, 'x');
  const shape = pool2dForward(context);
  return [
    { dtype, shape, scale },
    { dtype: 'opaque', shape },
  ];
}

export function lrnMaxPool2dForward(context: Context): OutputSpec[] {
  expectNormalisable(context);
  return maxPool2dForward(context);
}

export function lrnMaxPool2dBackward(context: Context): OutputSpec[] {
  const x = expectNormalisable(context);
  expectSameType(context, 'dy', x.dtype);
  expectShape(context, 'dy', pool2dOutput(context, x.shape), 'the shape of the output');
  return [x];
}

export function pool2dBackward(context: Context): OutputSpec[] {
  const dtype = expectFloat(context, 'dy');
  const dx = given(context).shape;
  expectShape(context, 'dy', pool2dOutput(context, dx), 'the shape of the output');
  return [{ dtype, shape: dx }];
}

function expectLabels(context: Context, scores: 'logits' | 'probabilities'): readonly [number, number] {
  expectDType(context, scores, 'float32');
  expectDType(context, 'labels', 'int32');
  const [n = 0, classes = 0] = expectRank(context, scores, 2, '[N, classes]');
  expectShape(context, 'labels', [n], 'one class index for each row');
  return [n, classes];
}

export function crossEntropyForward(context: Context): OutputSpec[] {
  return [float32([]), float32(expectLabels(context, 'logits'))];
}

export function crossEntropyBackward(context: Context): OutputSpec[] {
  return [float32(expectLabels(context, 'probabilities'))];
}

export function labelRank(context: Context): OutputSpec[] {
  return [{ dtype: 'int32', shape: [expectLabels(context, 'logits')[0]] }];
}

export function topK(context: Context): OutputSpec[] {
  expectDType(context, 'x', 'float32');
  const [n = 0, classes = 0] = expectRank(context, 'x', 2, '[N, classes]');
  const { k = 0 } = context.attributes;
  if (!Number.isInteger(k) || k < 1 || k > classes) {
    throw new ShapeError(`${context.label}: k is ${k}, expected 1 to ${classes}, the number of classes.`);
  }
  return [float32([n, k]), { dtype: 'int32', shape: [n, k] }];
}

/** Inputs of one shape, some of which are changed in place. */
function inPlace(context: Context, [first, ...others]: readonly [string, ...string[]]): OutputSpec[] {
  expectDType(context, first, 'float32');
  for (const name of others) {
    expectDType(context, name, 'float32');
    expectShape(context, name, input(context, first).shape, `it must have the shape of ${first}`);
  }
  return [];
}

export function sgd(context: Context): OutputSpec[] {
  if (context.inputs['scale']) expectScalars(context, ['scale']);
  return inPlace(context, ['w', 'v', 'dw']);
}

function expectScalars(context: Context, names: readonly string[]): void {
  for (const name of names) {
    expectDType(context, name, 'float32');
    expectShape(context, name, [], 'it is a scalar');
  }
}

export function updateLossScale(context: Context): OutputSpec[] {
  expectScalars(context, ['scale', 'factor', 'squares']);
  expectDType(context, 'counts', 'float32');
  expectShape(context, 'counts', [2], 'steps since the scale changed, and steps skipped');
  return [];
}

export function average(context: Context): OutputSpec[] {
  return inPlace(context, ['e', 'x']);
}

export function clipScale(context: Context): OutputSpec[] {
  expectDType(context, 'squares', 'float32');
  expectShape(context, 'squares', [], 'the sum of the squares of all gradients');
  return [float32([])];
}

/** Values of an augmentation record; see `augment`. */
const RECORD_LENGTH = 22;

export function augment(context: Context): OutputSpec[] {
  expectDType(context, 'images', 'uint8');
  for (const name of ['records', 'mean', 'std']) expectDType(context, name, 'float32');
  const n = augmentedPictures(context);
  const [count = 0] = expectRank(context, 'records', 2, `[N * views, ${RECORD_LENGTH}]`);
  expectShape(context, 'records', [count, RECORD_LENGTH], 'a record for each view of each picture');
  if (count % n !== 0) {
    throw new ShapeError(
      `${context.label}: ${count} records for ${n} pictures, expected the same number for each picture.`,
    );
  }
  expectShape(context, 'std', [3], 'one value a colour');
  const [, , side = 0] = given(context).shape;
  return [float32([count, 3, side, side])];
}

/** Checks images, frames and mean, and counts the pictures. */
function augmentedPictures(context: Context): number {
  if (context.inputs['frames']) {
    expectDType(context, 'frames', 'int32');
    expectRank(context, 'images', 1, '[bytes], the pictures that the frames point to');
    const [n = 0] = expectRank(context, 'frames', 2, '[N, 3]');
    expectShape(context, 'frames', [n, 3], 'offset, height and width of each picture');
    expectShape(context, 'mean', [3], 'one value a colour; pictures of several sizes have no mean image');
    return n;
  }
  const [n = 0, height = 0, width = 0, channels] = expectRank(context, 'images', 4, '[N, H, W, 3]');
  if (channels !== 3) throw new ShapeError(`${context.label}: images have ${channels} channels, expected 3.`);
  if (input(context, 'mean').shape.length !== 1) {
    expectShape(context, 'mean', [height, width, 3], 'a mean image has the size of the stored pictures');
  } else {
    expectShape(context, 'mean', [3], 'one value a colour, or an image [H, W, 3]');
  }
  return n;
}
