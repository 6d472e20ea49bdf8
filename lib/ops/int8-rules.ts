// Shape rules of the ops on quantised values.
// Invariant: what is quantised says its scale; a sum of products always fits into 32 bits.
import { ArgumentError, DTypeError, ShapeError } from '../errors.js';
import type { OutputSpec } from '../tensor/device.js';
import { formatShape, type Shape } from '../tensor/shape.js';
import * as rules from './rules.js';

type Context = rules.RuleContext;

/** 255 * 127 times as many, with room for oneDNN's shift of int8 to uint8, are below 2^31. */
const MOST_PRODUCTS = 65_536;

function expectQuantized(context: Context, name: string): void {
  const { dtype, scale } = rules.input(context, name);
  if (scale !== undefined && (dtype === 'uint8' || dtype === 'int8')) return;
  throw new DTypeError(
    `${context.label}: ${name} is ${dtype}${scale === undefined ? ' without a scale' : ''}, expected quantised values, ` +
      'uint8 or int8 with a scale. Make them with quantize(x, { dtype, scale }).',
  );
}

function expectScale(context: Context, scale: number | undefined): void {
  if (scale !== undefined && scale > 0 && Number.isFinite(scale)) return;
  throw new ArgumentError(
    `${context.label}: the scale is ${scale}, expected a positive number: the value that the integer 1 stands for.`,
  );
}

export function quantize(context: Context): OutputSpec[] {
  rules.expectDType(context, 'x', 'float32');
  const { dtype, scale } = rules.given(context);
  expectScale(context, scale);
  return [{ dtype, shape: rules.input(context, 'x').shape, scale }];
}

export function dequantize(context: Context): OutputSpec[] {
  expectQuantized(context, 'x');
  return [rules.float32(rules.input(context, 'x').shape)];
}

export function quantizeWeights(context: Context): OutputSpec[] {
  rules.expectDType(context, 'w', 'float32');
  const { shape } = rules.input(context, 'w');
  const [outputs] = shape;
  if (outputs === undefined) {
    throw new ShapeError(`${context.label}: w is a scalar, expected [outputs, ...inputs of one output].`);
  }
  return [{ dtype: 'int8', shape }, rules.float32([outputs])];
}

/** Checks weights, scales and bias, and what is to be written. */
function sums(context: Context, w: Shape, y: Shape): OutputSpec[] {
  const [outputs = 0, ...inputs] = w;
  rules.expectDType(context, 'scales', 'float32');
  rules.expectShape(context, 'scales', [outputs], 'one scale for each output');
  rules.expectBias(context, outputs);
  const products = inputs.reduce((a, b) => a * b, 1);
  if (products > MOST_PRODUCTS) {
    throw new ShapeError(
      `${context.label}: sums of ${products} products, of w ${formatShape(w)}, may not fit into 32 bits; ` +
        `8-bit integers take up to ${MOST_PRODUCTS}. Compute this layer in float32.`,
    );
  }
  const { dtype, scale } = rules.given(context);
  if (dtype === 'float32') return [rules.float32(y)];
  expectScale(context, scale);
  return [{ dtype, shape: y, scale }];
}

export function conv2dInt8(context: Context): OutputSpec[] {
  expectQuantized(context, 'x');
  rules.expectDType(context, 'w', 'int8');
  const x = rules.expectRank(context, 'x', 4, '[N, C, H, W]');
  const w = rules.expectRank(context, 'w', 4, '[outChannels, inChannels / groups, kernelH, kernelW]');
  return sums(context, w, rules.conv2dOutput(context, x, w));
}

export function linearInt8(context: Context): OutputSpec[] {
  expectQuantized(context, 'x');
  rules.expectDType(context, 'w', 'int8');
  const x = rules.expectRank(context, 'x', 2, '[N, features]; flatten pictures first');
  const w = rules.expectRank(context, 'w', 2, '[outFeatures, inFeatures]');
  return sums(context, w, rules.linearOutput(context, x, w));
}

export function lrnInt8(context: Context): OutputSpec[] {
  rules.expectDType(context, 'x', 'uint8');
  const { scale } = rules.given(context);
  expectScale(context, scale);
  return [{ dtype: 'uint8', shape: rules.lrnShape(context), scale }];
}
