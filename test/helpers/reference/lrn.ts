// Local response normalisation across channels and within a channel.
// Invariant: alpha weighs the plain sum of squares; PyTorch, cuDNN, oneDNN, Caffe take n (or n^2) times it.
import { dims4, type NdArray, zeros } from './nd-array.js';

export interface LrnOptions {
  /** Window: channels, or rows and columns; odd. */
  readonly size: number;
  /** Weight of the window's plain sum of squares. */
  readonly alpha: number;
  readonly beta: number;
  readonly k: number;
}

export interface LrnAcrossOptions extends LrnOptions {
  /** Consecutive parts of the channels that windows do not cross: the paper's two towers. Default 1. */
  readonly channelGroups?: number;
}

/** The elements of element i's window. Odd windows are symmetric: j in window(i) iff i in window(j). */
type Window = (index: number) => readonly number[];

function reach(size: number): number {
  if (size % 2 !== 1) throw new RangeError(`reference lrn: window ${size} is not odd`);
  return (size - 1) / 2;
}

/** Channels c - r .. c + r of the same pixel, clipped at the first and last channel of c's group. */
function acrossChannels(shape: readonly number[], { size, channelGroups = 1 }: LrnAcrossOptions): Window {
  const [, channels, height, width] = dims4(shape);
  const plane = height * width;
  const groupChannels = channels / channelGroups;
  if (!Number.isInteger(groupChannels)) {
    throw new RangeError(`reference lrn: ${channels} channels, ${channelGroups} groups`);
  }
  const r = reach(size);
  return (index) => {
    const channel = Math.floor(index / plane) % channels;
    const first = channel - (channel % groupChannels);
    const from = Math.max(channel - r, first);
    const to = Math.min(channel + r, first + groupChannels - 1);
    return Array.from({ length: to - from + 1 }, (_, i) => index + (from + i - channel) * plane);
  };
}

/** The size x size pixels around a pixel of the same channel, clipped at the edges. */
function withinChannel(shape: readonly number[], { size }: LrnOptions): Window {
  const [, , height, width] = dims4(shape);
  const r = reach(size);
  return (index) => {
    const column = index % width;
    const row = Math.floor(index / width) % height;
    const members: number[] = [];
    for (let i = Math.max(row - r, 0); i <= Math.min(row + r, height - 1); i++) {
      for (let j = Math.max(column - r, 0); j <= Math.min(column + r, width - 1); j++) {
        members.push(index + (i - row) * width + (j - column));
      }
    }
    return members;
  };
}

/** s_i = k + alpha sum_{j in window(i)} x_j^2. */
function scales(x: NdArray, window: Window, { alpha, k }: LrnOptions): Float64Array {
  return x.data.map((_, i) => k + alpha * window(i).reduce((sum, j) => sum + x.data[j]! ** 2, 0));
}

/** y_i = x_i s_i^-beta. */
function normalise(x: NdArray, window: Window, options: LrnOptions): NdArray {
  const s = scales(x, window, options);
  const y = zeros(x.shape);
  for (let i = 0; i < s.length; i++) y.data[i] = x.data[i]! * s[i]! ** -options.beta;
  return y;
}

/** dx_i = dy_i s_i^-beta - 2 alpha beta x_i sum_{j : i in window(j)} dy_j x_j s_j^(-beta - 1). */
function normaliseBackward(x: NdArray, dy: NdArray, window: Window, options: LrnOptions): NdArray {
  const { alpha, beta } = options;
  const s = scales(x, window, options);
  const dx = zeros(x.shape);
  for (let i = 0; i < s.length; i++) {
    const others = window(i).reduce((sum, j) => sum + dy.data[j]! * x.data[j]! * s[j]! ** (-beta - 1), 0);
    dx.data[i] = dy.data[i]! * s[i]! ** -beta - 2 * alpha * beta * x.data[i]! * others;
  }
  return dx;
}

/**
 * Across channels (Krizhevsky et al. 2012, section 3.3): the window is `size` channels of one pixel.
 * x: [N, C, H, W] -> y: the same shape.
 */
export function lrnAcrossChannels(x: NdArray, options: LrnAcrossOptions): NdArray {
  return normalise(x, acrossChannels(x.shape, options), options);
}

/** The gradient of {@link lrnAcrossChannels}. */
export function lrnAcrossChannelsBackward(x: NdArray, dy: NdArray, options: LrnAcrossOptions): NdArray {
  return normaliseBackward(x, dy, acrossChannels(x.shape, options), options);
}

/**
 * Within a channel (cuda-convnet's rnorm, Caffe's WITHIN_CHANNEL): the window is size x size pixels of one
 * channel. Both configure size^2 times this alpha. x: [N, C, H, W] -> y: the same shape.
 */
export function lrnWithinChannel(x: NdArray, options: LrnOptions): NdArray {
  return normalise(x, withinChannel(x.shape, options), options);
}

/** The gradient of {@link lrnWithinChannel}. */
export function lrnWithinChannelBackward(x: NdArray, dy: NdArray, options: LrnOptions): NdArray {
  return normaliseBackward(x, dy, withinChannel(x.shape, options), options);
}
