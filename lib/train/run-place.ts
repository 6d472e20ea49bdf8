// Where a run of training is: epoch, step, the epoch's means so far, the best epoch, and the time it took.
// Invariant: counts only steps that were read; what is submitted and not read yet leaves no trace here.
import type { TrainingState } from './checkpoint.js';
import { MetricsMeter } from './metrics.js';

/** The part of a training's state that is kept here. */
export type PlaceState = Omit<TrainingState, 'plateauFactor' | 'plateau' | 'earlyStopping' | 'guard'>;

export class RunPlace {
  batchSize = 0;
  stepsPerEpoch = 0;
  best: TrainingState['best'] = null;
  #epoch = 1;
  #step = 0;
  #stepInEpoch = 0;
  #position = 0;
  #meter = new MetricsMeter();
  #started = performance.now();
  #epochStarted = this.#started;

  /** The epoch that is under way, from 1. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Steps since the beginning of training: the last one that was read. */
  get step(): number {
    return this.#step;
  }

  get stepInEpoch(): number {
    return this.#stepInEpoch;
  }

  /** Pictures of the epoch's order that are behind. */
  get position(): number {
    return this.#position;
  }

  /** Means of the epoch so far. */
  get meter(): MetricsMeter {
    return this.#meter;
  }

  /** Tells this place from every other one of the run. */
  get name(): string {
    return `${this.#epoch}/${this.#step}`;
  }

  get elapsedMs(): number {
    return performance.now() - this.#started;
  }

  get epochMs(): number {
    return performance.now() - this.#epochStarted;
  }

  /** The part of the epoch's steps that are behind after one of them, 0..1. */
  progress(stepInEpoch: number): number {
    return Math.min(1, Math.max(0, stepInEpoch) / this.stepsPerEpoch);
  }

  /** A step was read. */
  moveTo(place: { readonly step: number; readonly stepInEpoch: number; readonly position: number }): void {
    this.#step = place.step;
    this.#stepInEpoch = place.stepInEpoch;
    this.#position = place.position;
  }

  /** The epoch's time counts from now, unless a part of it is behind. */
  startEpochClock(): void {
    if (this.#stepInEpoch === 0) this.#epochStarted = performance.now();
  }

  beginEpoch(epoch: number): void {
    this.#epoch = epoch;
    this.#position = 0;
    this.#stepInEpoch = 0;
    this.#meter = new MetricsMeter();
    this.#epochStarted = performance.now();
  }

  /** Equal errors, which are common with few pictures, are told apart by their losses. */
  isBest(error: number, loss: number): boolean {
    const { best } = this;
    return !best || error < best.error || (error === best.error && loss < best.metrics.loss);
  }

  /** For a checkpoint. */
  get state(): PlaceState {
    return {
      step: this.#step,
      epoch: this.#epoch,
      position: this.#position,
      stepInEpoch: this.#stepInEpoch,
      batchSize: this.batchSize,
      stepsPerEpoch: this.stepsPerEpoch,
      meter: this.#meter.state,
      best: this.best,
      elapsedMs: this.elapsedMs,
      epochMs: this.epochMs,
    };
  }

  set state(state: PlaceState) {
    this.moveTo(state);
    this.#epoch = state.epoch;
    this.batchSize = state.batchSize;
    this.stepsPerEpoch = state.stepsPerEpoch;
    this.#meter = new MetricsMeter(state.meter);
    this.best = state.best;
    this.#started = performance.now() - state.elapsedMs;
    this.#epochStarted = performance.now() - state.epochMs;
  }
}
