// The colours of a dataset: their mean, their covariance, and the directions along which they vary.
// Invariant: sums are exact whatever the number of pictures, so results do not depend on the order of adding.

/** R, G and B of something. */
export type Triple = readonly [number, number, number];

/** Statistics over all pixels of all pictures, on the scale 0..255. */
export interface ColourStatistics {
  /** Mean colour. */
  readonly mean: Triple;
  /** [3][3], of the channels, divided by the number of pixels. */
  readonly covariance: readonly [Triple, Triple, Triple];
  /**
   * Unit eigenvectors of the covariance, of the largest eigenvalue first: the principal components of Krizhevsky et al.
   * 2012, section 4.1. The largest coordinate of each is positive.
   */
  readonly components: readonly [Triple, Triple, Triple];
  /** Standard deviation along each component: the roots of the eigenvalues, on the scale 0..255. */
  readonly standardDeviations: Triple;
}

/** Exact sums of colours and of their products, to be continued later. */
export interface ColourSumsState {
  readonly pixels: string;
  /** R, G, B; decimal integers. */
  readonly sums: readonly string[];
  /** RR, RG, RB, GG, GB, BB; decimal integers. */
  readonly products: readonly string[];
}

/** Adds up the colours of pictures. */
export class ColourSums {
  #pixels = 0n;
  readonly #sums: bigint[] = [0n, 0n, 0n];
  readonly #products: bigint[] = [0n, 0n, 0n, 0n, 0n, 0n];

  static from(state: ColourSumsState): ColourSums {
    const sums = new ColourSums();
    sums.#pixels = BigInt(state.pixels);
    for (let i = 0; i < 3; i++) sums.#sums[i] = BigInt(state.sums[i]!);
    for (let i = 0; i < 6; i++) sums.#products[i] = BigInt(state.products[i]!);
    return sums;
  }

  get state(): ColourSumsState {
    return {
      pixels: String(this.#pixels),
      sums: this.#sums.map(String),
      products: this.#products.map(String),
    };
  }

  /** @param picture [pixels, 3], R G B; at most 2^37 pixels, so that its own sums are exact in float64 */
  add(picture: Uint8Array): void {
    let [r, g, b, rr, rg, rb, gg, gb, bb] = [0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < picture.length; i += 3) {
      const red = picture[i]!;
      const green = picture[i + 1]!;
      const blue = picture[i + 2]!;
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
    this.#pixels += BigInt(picture.length / 3);
    [r, g, b].forEach((sum, i) => (this.#sums[i]! += BigInt(sum)));
    [rr, rg, rb, gg, gb, bb].forEach((sum, i) => (this.#products[i]! += BigInt(sum)));
  }

  /** Of what was added; undefined if that is nothing. */
  get statistics(): ColourStatistics | undefined {
    const pixels = this.#pixels;
    if (pixels === 0n) return undefined;
    const sums = this.#sums as [bigint, bigint, bigint];
    const [rr, rg, rb, gg, gb, bb] = this.#products as [bigint, bigint, bigint, bigint, bigint, bigint];
    const mean = (i: 0 | 1 | 2): number => Number(sums[i]) / Number(pixels);
    // The numerator is exact: nothing cancels, however little the colours vary.
    const covariance = (product: bigint, i: 0 | 1 | 2, j: 0 | 1 | 2): number =>
      Number(product * pixels - sums[i] * sums[j]) / Number(pixels) ** 2;
    const [redGreen, redBlue, greenBlue] = [covariance(rg, 0, 1), covariance(rb, 0, 2), covariance(gb, 1, 2)];
    const matrix: [Triple, Triple, Triple] = [
      [covariance(rr, 0, 0), redGreen, redBlue],
      [redGreen, covariance(gg, 1, 1), greenBlue],
      [redBlue, greenBlue, covariance(bb, 2, 2)],
    ];
    const { values, vectors } = symmetricEigen3(matrix);
    return {
      mean: [mean(0), mean(1), mean(2)],
      covariance: matrix,
      components: vectors,
      standardDeviations: values.map((value) => Math.sqrt(Math.max(0, value))) as unknown as Triple,
    };
  }
}

/** Converges quadratically: a handful is enough, and more do nothing. */
const SWEEPS = 30;

/**
 * Eigenvalues, largest first, and unit eigenvectors of a symmetric 3 x 3 matrix, by cyclic Jacobi rotations (Golub and
 * Van Loan, Matrix Computations, section 8.5). The largest coordinate of each vector is positive.
 */
export function symmetricEigen3(matrix: readonly [Triple, Triple, Triple]): {
  readonly values: Triple;
  readonly vectors: readonly [Triple, Triple, Triple];
} {
  const a = matrix.map((row) => [...row]);
  const v = [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ];
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const [p, q] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      rotate(a, v, p, q);
    }
  }
  const pairs = [0, 1, 2]
    .map((k) => ({ value: a[k]![k]!, vector: upright(v.map((row) => row[k]!)) }))
    .sort((one, other) => other.value - one.value);
  return {
    values: pairs.map(({ value }) => value) as unknown as Triple,
    vectors: pairs.map(({ vector }) => vector) as unknown as [Triple, Triple, Triple],
  };
}

/** A <- J' A J and V <- V J, with the rotation J in the plane (p, q) that makes A[p][q] zero. */
function rotate(a: number[][], v: number[][], p: number, q: number): void {
  const off = a[p]![q]!;
  if (off === 0) return;
  const tau = (a[q]![q]! - a[p]![p]!) / (2 * off);
  const t = (tau >= 0 ? 1 : -1) / (Math.abs(tau) + Math.hypot(1, tau));
  const c = 1 / Math.hypot(1, t);
  const s = t * c;
  const columns = (m: number[][]): void => {
    for (const row of m) [row[p], row[q]] = [c * row[p]! - s * row[q]!, s * row[p]! + c * row[q]!];
  };
  columns(a);
  const [rowP, rowQ] = [a[p]!, a[q]!];
  a[p] = rowP.map((value, i) => c * value - s * rowQ[i]!);
  a[q] = rowP.map((value, i) => s * value + c * rowQ[i]!);
  a[p][q] = 0;
  a[q][p] = 0;
  columns(v);
}

function upright(vector: readonly number[]): Triple {
  const largest = vector.reduce((best, x) => (Math.abs(x) > Math.abs(best) ? x : best), 0);
  return vector.map((x) => (largest < 0 ? 0 - x : x)) as unknown as Triple;
}
