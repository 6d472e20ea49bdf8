// The least time that each operation of a network can take: what it computes and moves, at the ceilings of a machine.
// Invariant: nothing is assumed to stay in a cache.
import {
  Conv2d,
  Int8Layer,
  Int8Lrn,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  Quantize,
  ReLU,
  type InferencePrecision,
  type Layer,
  type Sequential,
} from '../lib/index.js';
import type { Ceilings } from './compare/floors.js';

/** A millisecond. */
export interface Rates {
  /** Multiply-accumulates. */
  readonly macs: number;
  /** Bytes of what is partly read and partly written. */
  readonly moved: number;
  /** Bytes of what is read alone. */
  readonly read: number;
}

export function ratesOf(ceilings: Ceilings, precision: InferencePrecision): Rates {
  const { float32GFlops, bfloat16GFlops, int8GOps, copyGBps, readGBps } = ceilings;
  const operations = { float32: float32GFlops, bfloat16: bfloat16GFlops, float16: 0, int8: int8GOps };
  return { macs: (operations[precision] / 2) * 1e6, moved: copyGBps * 1e6, read: readGBps * 1e6 };
}

/** What an operation computes and moves, at least. */
export interface Work {
  readonly macs: number;
  /** Bytes of inputs and outputs. */
  readonly moved: number;
  /** Bytes of weights that are only read. */
  readonly read: number;
}

export function floorMs({ macs, moved, read }: Work, rates: Rates): number {
  return Math.max(macs / rates.macs, moved / rates.moved + read / rates.read);
}

export interface WorkOptions {
  /** [N, C, H, W] */
  readonly inputShape: readonly number[];
  readonly precision: InferencePrecision;
  readonly mode: 'train' | 'infer';
}

/** By `layer op`: operations of the layers, and in training the updates of their parameters. */
export function workOf(network: Sequential, options: WorkOptions): Map<string, Work> {
  return options.precision === 'int8' ? int8Work(network, options) : floatWork(network, options);
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

function floatWork(network: Sequential, { inputShape, precision, mode }: WorkOptions): Map<string, Work> {
  const work = new Map<string, Work>();
  const size = precision === 'float32' ? 4 : 2;
  let shape = inputShape;
  network.layers.forEach((layer, i) => {
    const [x, y] = [count(shape), count(layer.outputShape(shape))];
    const names = opsOf(layer);
    const weights = layer.parameters.reduce((sum, parameter) => sum + parameter.size, 0);
    const macs = layer.macs(shape);
    if (names) {
      const [forward, ...backward] = names;
      work.set(`${layer.name} ${forward}`, { macs, moved: size * (x + y), read: size * weights });
      for (const op of backward) {
        const moved = size * backwardElements(op, { x, y, weights, perFloat32: 4 / size });
        const read = op.endsWith('BackwardData') ? size * weights : 0;
        work.set(`${layer.name} ${op}`, { macs: op === 'reluBackward' ? 0 : macs, moved, read });
      }
    }
    const next = network.layers[i + 1];
    if (layer instanceof LocalResponseNorm && next instanceof MaxPool2d) {
      const pooled = count(next.outputShape(layer.outputShape(shape)));
      const both = `${layer.name}+${next.name}`;
      // Where the maxima were takes a byte each, if a gradient will follow.
      const argmax = mode === 'train' ? pooled : 0;
      work.set(`${both} lrnMaxPool2dForward`, { macs: 0, moved: size * (x + pooled) + argmax, read: 0 });
      work.set(`${both} lrnMaxPool2dBackward`, { macs: 0, moved: size * (2 * x + pooled) + pooled, read: 0 });
    }
    for (const { name, shape: extents, size: elements } of layer.parameters) {
      // With the copy that a fully connected layer computes with.
      const copy = layer instanceof Linear && extents.length === 2 && size === 2 ? size : 0;
      work.set(`${name} sgd`, { macs: 0, moved: (20 + copy) * elements, read: 0 });
    }
    shape = layer.outputShape(shape);
  });
  return work;
}

interface Elements {
  readonly x: number;
  readonly y: number;
  readonly weights: number;
  /** Elements in the space of a float32. */
  readonly perFloat32: number;
}

function backwardElements(op: string, { x, y, weights, perFloat32 }: Elements): number {
  if (op.endsWith('BackwardWeights')) return x + y + weights * perFloat32;
  if (op === 'lrnBackward') return 3 * x;
  if (op === 'reluBackward') return 3 * y;
  return x + y;
}

function opsOf(layer: Layer): readonly string[] | undefined {
  if (layer instanceof Conv2d) {
    return ['conv2dForward', 'conv2dBackwardData', 'conv2dBackwardWeights', 'reluBackward'];
  }
  if (layer instanceof Linear) {
    return ['linearForward', 'linearBackwardData', 'linearBackwardWeights', 'reluBackward'];
  }
  if (layer instanceof LocalResponseNorm) return ['lrnForward', 'lrnBackward'];
  if (layer instanceof MaxPool2d) return ['maxPool2dForward', 'maxPool2dBackward'];
  return undefined;
}

/** Of a quantised network: values are bytes from where they are quantised until weights make sums of them. */
function int8Work(network: Sequential, { inputShape }: WorkOptions): Map<string, Work> {
  const work = new Map<string, Work>();
  let shape = inputShape;
  let size = 4;
  network.layers.forEach((layer, i) => {
    const [x, y] = [count(shape), count(layer.outputShape(shape))];
    const input = size * x;
    size = bytesOfOutput(network.layers, i, size);
    const moved = input + size * y;
    const macs = layer.macs(shape);
    if (layer instanceof Int8Layer) {
      const op = layer.kind === 'Int8Conv2d' ? 'conv2dInt8' : 'linearInt8';
      const { q, scales, bias } = layer.weights;
      const read = q.size + 4 * (scales.size + (bias?.size ?? 0));
      work.set(`${layer.name} ${op}`, { macs, moved, read });
    }
    const op = movingOp(layer);
    if (op) work.set(`${layer.name} ${op}`, { macs: 0, moved, read: 0 });
    shape = layer.outputShape(shape);
  });
  return work;
}

/** The operation of a layer without weights. */
function movingOp(layer: Layer): string | undefined {
  if (layer instanceof Quantize) return 'quantize';
  if (layer instanceof Int8Lrn) return 'lrnInt8';
  return layer instanceof MaxPool2d ? 'maxPool2dForward' : undefined;
}

/** What layer i writes an element in, given what it reads one in. */
function bytesOfOutput(layers: readonly Layer[], i: number, size: number): number {
  const layer = layers[i];
  if (layer instanceof Quantize) return 1;
  if (!(layer instanceof Int8Layer || layer instanceof Int8Lrn)) return size;
  const next = layers[i + 1] instanceof ReLU && layer instanceof Int8Layer ? layers[i + 2] : layers[i + 1];
  return next instanceof Quantize ? 1 : 4;
}
