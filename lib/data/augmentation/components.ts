// Principal components of a dataset's colours, for noise along the directions in which they vary.
// Invariant: sums are exact (integers in float64) up to 10^11 pixels; every eigenvector's largest value is positive.

import { setImmediate } from 'node:timers/promises';
import { DataError } from '../../errors.js';
import { MEAN_BATCH, sampleEvenly, type MeanOptions } from '../mean.js';
import type { ImageDataset } from '../types.js';

type Triple = readonly [number, number, number];

/** Directions of colours and the standard deviations along them, on the scale 0..255. */
export interface ColourComponents {
  /** Of length 1, (R, G, B), the one with the largest deviation first. */
  readonly vectors: readonly [Triple, Triple, Triple];
  readonly deviations: Triple;
}

/** Over all pixels of a dataset, on the scale 0..255. */
export interface ColourStatistics {
  /** [3], R G B. */
  readonly mean: readonly number[];
  /** [3, 3], row-major. */
  readonly covariance: readonly number[];
}

/**
 * Mean and covariance of a dataset's pixels. Pictures that cannot be read are left out.
 * @throws DataError if no picture can be read; ArgumentError; AbortedError
 */
export async function computeColourStatistics(
  dataset: ImageDataset,
  options: MeanOptions = {},
): Promise<ColourStatistics> {
  const indices = sampleEvenly(dataset.length, options.maxPictures ?? dataset.length);
  const bytes = dataset.side * dataset.side * 3;
  const buffer = new Uint8Array(Math.min(MEAN_BATCH, indices.length) * bytes);
  const sums = new ColourSums();
  for (let done = 0; done < indices.length;) {
    const part = indices.slice(done, done + MEAN_BATCH);
    const readable = await dataset.read(part, buffer.subarray(0, part.length * bytes), options.signal);
    for (const position of part.keys()) {
      if (readable[position]) sums.add(buffer.subarray(position * bytes, (position + 1) * bytes));
    }
    done += part.length;
    await setImmediate();
    options.onProgress?.({ done, total: indices.length });
  }
  if (sums.pixels === 0) throw new DataError(`none of ${indices.length} pictures can be read`);
  return sums.statistics();
}

class ColourSums {
  pixels = 0;
  readonly #sums = [0, 0, 0];
  /** RR, RG, RB, GG, GB, BB. */
  readonly #products = [0, 0, 0, 0, 0, 0];

  /** picture: [pixels, 3]. */
  add(picture: Uint8Array): void {
    let [r, g, b, rr, rg, rb, gg, gb, bb] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < picture.length; i += 3) {
      const [red, green, blue] = [picture[i]!, picture[i + 1]!, picture[i + 2]!];
      r += red;
      g += green;
      b += blue;
      rr += red * red;
      rg += red * green;
      rb += red * blue;
      gg += green * green;
      gb += green * blue;
      bb += blue * blue;
    }
    [r, g, b].forEach((value, i) => (this.#sums[i]! += value));
    [rr, rg, rb, gg, gb, bb].forEach((value, i) => (this.#products[i]! += value));
    this.pixels += picture.length / 3;
  }

  statistics(): ColourStatistics {
    const mean = this.#sums.map((sum) => sum / this.pixels);
    const at = [0, 1, 2, 1, 3, 4, 2, 4, 5];
    const covariance = at.map(
      (from, i) => this.#products[from]! / this.pixels - mean[Math.floor(i / 3)]! * mean[i % 3]!,
    );
    return { mean, covariance };
  }
}

/**
 * Eigenvectors of the covariance and the square roots of its eigenvalues, largest first, by Jacobi's rotations.
 * @throws DataError if the covariance is not a finite, symmetric 3x3 matrix without negative directions
 */
export function principalComponents({ covariance }: ColourStatistics): ColourComponents {
  checkCovariance(covariance);
  const a = [0, 1, 2].map((i) => [...covariance.slice(i * 3, i * 3 + 3)]);
  const v = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  // Converges quadratically; a sweep is three rotations.
  for (let sweep = 0; sweep < 20; sweep++) {
    for (const [p, q] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      rotate(a, v, p, q);
    }
  }
  const order = [0, 1, 2].sort((i, j) => a[j]![j]! - a[i]![i]!);
  return {
    vectors: order.map((i) => oriented(v.map((row) => row[i]!))) as unknown as ColourComponents['vectors'],
    deviations: order.map((i) => Math.sqrt(Math.max(0, a[i]![i]!))) as unknown as Triple,
  };
}

/** a <- J' a J, v <- v J with the rotation J of axes p and q that makes a[p][q] zero. */
function rotate(a: number[][], v: number[][], p: number, q: number): void {
  if (a[p]![q] === 0) return;
  const theta = (a[q]![q]! - a[p]![p]!) / (2 * a[p]![q]!);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const cos = 1 / Math.hypot(t, 1);
  const sin = t * cos;
  const turn = (x: number, y: number): [number, number] => [cos * x - sin * y, sin * x + cos * y];
  for (const row of [...a, ...v]) [row[p], row[q]] = turn(row[p]!, row[q]!);
  for (let k = 0; k < 3; k++) [a[p]![k], a[q]![k]] = turn(a[p]![k]!, a[q]![k]!);
}

/** The sign of an eigenvector is free. */
function oriented(vector: readonly number[]): number[] {
  const largest = vector.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  return vector.map((value) => (largest < 0 ? -value : value));
}

function checkCovariance(covariance: readonly number[]): void {
  const symmetric = covariance.every((value, i) => value === covariance[(i % 3) * 3 + Math.floor(i / 3)]);
  const [rr = -1, , , , gg = -1, , , , bb = -1] = covariance;
  if (
    covariance.length !== 9 ||
    !symmetric ||
    !covariance.every(Number.isFinite) ||
    Math.min(rr, gg, bb) < 0
  ) {
    throw new DataError(
      `the covariance of colours is [${covariance.join(', ')}], expected a finite, symmetric 3x3 matrix`,
    );
  }
}
