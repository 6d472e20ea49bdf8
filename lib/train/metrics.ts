// Running means of losses and accuracies, and the pace of training.
// Invariant: means weigh every picture the same, whatever the sizes of batches.
import type { Metrics } from './events.js';
import type { BatchResult } from './step.js';

/** Loss and accuracies alone. */
export function metricsOf({ images, loss, top1, top5 }: Metrics): Metrics {
  return { images, loss, top1, top5 };
}

/** Sums over the pictures so far. */
export interface MeterState {
  readonly images: number;
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
}

export class MetricsMeter {
  #images = 0;
  #loss = 0;
  #top1 = 0;
  #top5 = 0;

  /** @param state  goes on from these sums; default: from nothing */
  constructor(state?: MeterState) {
    if (!state) return;
    this.#images = state.images;
    this.#loss = state.loss;
    this.#top1 = state.top1;
    this.#top5 = state.top5;
  }

  /** For a checkpoint. */
  get state(): MeterState {
    return { images: this.#images, loss: this.#loss, top1: this.#top1, top5: this.#top5 };
  }

  add({ images, loss, top1, top5 }: Omit<BatchResult, 'ranks'>): void {
    this.#images += images;
    this.#loss += loss * images;
    this.#top1 += top1;
    this.#top5 += top5;
  }

  /** NaN loss and accuracies before the first batch. */
  get value(): Metrics {
    const images = this.#images;
    return { images, loss: this.#loss / images, top1: this.#top1 / images, top5: this.#top5 / images };
  }
}

/** Images a second over the last steps. */
export class PaceMeter {
  readonly #window: number;
  readonly #marks: { readonly at: number; readonly images: number }[] = [];

  /** @param window  steps to average over; default 20 */
  constructor(window = 20) {
    this.#window = window;
  }

  /** A step over `images` ended at time `at`, in milliseconds. */
  add(images: number, at: number): void {
    this.#marks.push({ at, images });
    if (this.#marks.length > this.#window + 1) this.#marks.shift();
  }

  /** Forget what was before a pause, e.g. a validation. */
  restart(at: number): void {
    this.#marks.length = 0;
    this.#marks.push({ at, images: 0 });
  }

  /** 0 before it can be known. */
  get imagesPerSecond(): number {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    if (!first || !last || last.at <= first.at) return 0;
    const images = this.#marks.slice(1).reduce((sum, mark) => sum + mark.images, 0);
    return (images / (last.at - first.at)) * 1000;
  }
}
