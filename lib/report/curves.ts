// Curves of steps, of any length of training, in a bounded number of points.
// Invariant: a point is the mean over `stride` steps in a row; when there are too many, neighbours are merged.
import type { StepColumn, StepColumns } from './state.js';

export type StepValues = Readonly<Record<StepColumn, number>>;

export function emptyColumns(): StepColumns {
  return {
    step: [],
    loss: [],
    top1: [],
    top5: [],
    learningRate: [],
    imagesPerSecond: [],
    dataWaitMs: [],
    submitMs: [],
    deviceWaitMs: [],
    handlersMs: [],
    inUseBytes: [],
  };
}

export const stepColumns = Object.keys(emptyColumns()) as readonly StepColumn[];

/** The last point alone. */
export function lastOf(columns: StepColumns): StepColumns {
  const last = emptyColumns();
  for (const name of stepColumns) last[name] = columns[name].slice(-1);
  return last;
}

export class Curves {
  readonly #most: number;
  #columns = emptyColumns();
  #sums: Record<string, number> = {};
  #pending = 0;
  #stride = 1;

  /** @param most  points; even; default 2000, more than a screen has columns */
  constructor(most = 2000) {
    this.#most = most;
  }

  get columns(): StepColumns {
    return this.#columns;
  }

  /** @returns 'point' when the values completed one, 'merged' when all points are new, null when they are kept for later */
  add(values: StepValues): 'point' | 'merged' | null {
    for (const name of stepColumns) this.#sums[name] = (this.#sums[name] ?? 0) + values[name];
    if (++this.#pending < this.#stride) return null;
    for (const name of stepColumns) this.#columns[name].push(this.#sums[name]! / this.#pending);
    this.#sums = {};
    this.#pending = 0;
    if (this.#columns.step.length < this.#most) return 'point';
    this.#merge();
    return 'merged';
  }

  #merge(): void {
    const merged = emptyColumns();
    for (const name of stepColumns) {
      const values = this.#columns[name];
      for (let i = 0; i + 1 < values.length; i += 2) merged[name].push((values[i]! + values[i + 1]!) / 2);
    }
    this.#columns = merged;
    this.#stride *= 2;
  }
}
