// How values are distributed, and the scale at which they are written as integers with the least error.
// Invariant: the range grows with the values seen; nothing is kept but counts.
import type { Quantization } from '../ops/index.js';

const BINS = 4096;
/** Ranges that are tried, as fractions of the bins. */
const CANDIDATES = 256;

/** Magnitudes of values; zero apart, which integers hold exactly. */
export class Histogram {
  #counts = new Float64Array(BINS);
  /** Upper end of the last bin; 0 before anything but zero was seen. */
  #range = 0;
  #negative = false;
  #finite = true;

  /** Whether all values were numbers. */
  get finite(): boolean {
    return this.#finite;
  }

  add(values: Float32Array): void {
    this.#cover(this.#largest(values));
    if (this.#range === 0) return;
    const counts = this.#counts;
    const perBin = BINS / this.#range;
    for (const value of values) {
      if (value === 0) continue;
      const bin = Math.min(BINS - 1, Math.floor(Math.abs(value) * perBin));
      counts[bin]! += 1;
    }
  }

  /** Notes signs on the way. */
  #largest(values: Float32Array): number {
    let low = 0;
    let high = 0;
    for (const value of values) {
      if (value > high) high = value;
      else if (value < low) low = value;
      else if (value !== value) this.#finite = false;
    }
    if (low < 0) this.#negative = true;
    const largest = Math.max(high, -low);
    if (!Number.isFinite(largest)) this.#finite = false;
    return this.#finite ? largest : 0;
  }

  /** Doubles the range, in which two bins become one, until it holds a value. */
  #cover(largest: number): void {
    if (this.#range === 0) this.#range = largest;
    while (this.#range < largest) {
      this.#range *= 2;
      this.#counts = this.#counts.map((_, i) =>
        i < BINS / 2 ? this.#counts[2 * i]! + this.#counts[2 * i + 1]! : 0,
      );
    }
  }

  /**
   * uint8 if no value was negative, else int8; and the scale with the least mean squared error: finer integers cost the
   * error of clipping the largest values.
   */
  quantization(): Quantization {
    const dtype = this.#negative ? 'int8' : 'uint8';
    const integers = dtype === 'int8' ? 127 : 255;
    if (this.#range === 0) return { dtype, scale: 1 };
    let best = { scale: 1, error: Infinity };
    for (let i = 1; i <= CANDIDATES; i++) {
      const bins = (i * BINS) / CANDIDATES;
      const scale = ((bins / BINS) * this.#range) / integers;
      const error = this.#squaredError(bins, scale);
      if (error < best.error) best = { scale, error };
    }
    return { dtype, scale: best.scale };
  }

  /**
   * Of values in the first `bins`, rounding's scale^2 / 12, or their square where they become 0; of the others, the square
   * of what is cut off.
   */
  #squaredError(bins: number, scale: number): number {
    const width = this.#range / BINS;
    let error = 0;
    for (const [i, count] of this.#counts.entries()) {
      const value = (i + 0.5) * width;
      const inside = value < scale / 2 ? value ** 2 : scale ** 2 / 12;
      error += count * (i < bins ? inside : (value - bins * width) ** 2);
    }
    return error;
  }
}
