// The vectors nearest to each of some queries, of any number that pass by.
// Invariant: only the nearest so far are kept.

export interface Neighbour {
  readonly index: number;
  /** Euclidean. */
  readonly distance: number;
}

export class NearestPictures {
  readonly #queries: readonly Float32Array[];
  readonly #most: number;
  /** For each query, the nearest first. */
  readonly found: Neighbour[][];
  /** Vectors that were compared. */
  seen = 0;

  /** @param most  neighbours of each query */
  constructor(queries: readonly Float32Array[], most: number) {
    this.#queries = queries;
    this.#most = most;
    this.found = queries.map(() => []);
  }

  /**
   * @param vectors  [n, size], size that of the queries
   * @param indices  [n], what the vectors are called
   */
  add(vectors: Float32Array, indices: Int32Array): void {
    const size = vectors.length / indices.length;
    for (const [n, index] of indices.entries()) {
      const vector = vectors.subarray(n * size, (n + 1) * size);
      for (const [q, query] of this.#queries.entries()) {
        this.#consider(this.found[q] as Neighbour[], { index, distance: distance(query, vector) });
      }
    }
    this.seen += indices.length;
  }

  #consider(list: Neighbour[], neighbour: Neighbour): void {
    if (list.length === this.#most && neighbour.distance >= (list.at(-1) as Neighbour).distance) return;
    const at = list.findIndex(({ distance }) => distance > neighbour.distance);
    list.splice(at < 0 ? list.length : at, 0, neighbour);
    list.length = Math.min(list.length, this.#most);
  }
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += ((a[i] as number) - (b[i] as number)) ** 2;
  return Math.sqrt(sum);
}
