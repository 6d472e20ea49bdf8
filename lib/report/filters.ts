// The kernels of the first convolution as pictures, as Figure 3 of the paper shows them.
// Invariant: all kernels share one scale, as in the authors' shownet.py: the smallest weight is black, the largest 255.
import { Conv2d } from '../layers/index.js';
import type { RgbImage } from '../data/index.js';
import type { Model } from '../models/index.js';

/** Kernels in a row: the figure has six rows of 16, the upper three those of the first GPU. */
const COLUMNS = 16;
/** Between kernels, in pixels of a kernel. */
const GAP = 1;

export interface FilterSheet {
  /** The layer's name. */
  readonly layer: string;
  readonly kernels: number;
  /** Pixels of a kernel's side. */
  readonly kernelSize: number;
  readonly sheet: RgbImage;
}

/**
 * The kernels as they are after all that was submitted so far.
 * @returns undefined if the network does not begin with a convolution of three channels
 */
export async function filterSheet(model: Model): Promise<FilterSheet | undefined> {
  const conv = model.network.layers.find((layer) => layer instanceof Conv2d);
  const [kernels = 0, channels, height = 0, width = 0] = conv?.weight.shape ?? [];
  if (!conv || channels !== 3) return undefined;
  const weights = await conv.weight.value.data();
  const sheet = drawKernels(weights, { kernels, height, width });
  return { layer: conv.name, kernels, kernelSize: width, sheet };
}

/** @param weights  [kernels, 3, height, width] */
export function drawKernels(
  weights: Float32Array,
  { kernels, height, width }: { readonly kernels: number; readonly height: number; readonly width: number },
): RgbImage {
  let [low, high] = [Infinity, -Infinity];
  for (const weight of weights) {
    low = Math.min(low, weight);
    high = Math.max(high, weight);
  }
  const scale = high > low ? 255 / (high - low) : 0;
  const columns = Math.min(COLUMNS, kernels);
  const rows = Math.ceil(kernels / columns);
  const sheetWidth = columns * (width + GAP) + GAP;
  const sheetHeight = rows * (height + GAP) + GAP;
  const data = new Uint8Array(sheetWidth * sheetHeight * 3).fill(255);
  const plane = height * width;
  for (let k = 0; k < kernels; k++) {
    const left = GAP + (k % columns) * (width + GAP);
    const top = GAP + Math.floor(k / columns) * (height + GAP);
    for (let i = 0; i < 3 * plane; i++) {
      const [channel, pixel] = [Math.floor(i / plane), i % plane];
      const at = (top + Math.floor(pixel / width)) * sheetWidth + left + (pixel % width);
      data[at * 3 + channel] = Math.round(((weights[k * 3 * plane + i] as number) - low) * scale);
    }
  }
  return { width: sheetWidth, height: sheetHeight, data };
}
