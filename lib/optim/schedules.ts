// Learning rates over time, as factors on a rate: plain data that can be stored, and one function that evaluates them.
// Invariant: a schedule is a pure function of the position in training; what depends on results is plateau.ts.
import { ArgumentError } from '../errors.js';

/** By position in training, counted in epochs; between two whole ones it is a fraction. */
export type Schedule =
  | { readonly kind: 'constant' }
  | { readonly kind: 'step'; readonly every: number; readonly factor: number }
  | { readonly kind: 'multi-step'; readonly milestones: readonly number[]; readonly factor: number }
  | { readonly kind: 'exponential'; readonly factor: number }
  | { readonly kind: 'cosine'; readonly epochs: number; readonly floor: number }
  | { readonly kind: 'warm-up'; readonly epochs: number; readonly from: number; readonly next: Schedule };

/** Times `factor` every so many epochs. `every` default 30, `factor` default 0.1. */
export function stepSchedule({ every = 30, factor = 0.1 } = {}): Schedule {
  return checkSchedule({ kind: 'step', every, factor });
}

/** Times `factor` after each of the epochs `milestones`, counted from the start: [30, 60]. `factor` default 0.1. */
export function multiStepSchedule({
  milestones,
  factor = 0.1,
}: {
  readonly milestones: readonly number[];
  readonly factor?: number;
}): Schedule {
  return checkSchedule({ kind: 'multi-step', milestones, factor });
}

/** Times `factor` an epoch, a little each step. */
export function exponentialSchedule({ factor }: { readonly factor: number }): Schedule {
  return checkSchedule({ kind: 'exponential', factor });
}

/** Half a cosine from 1 to `floor` over so many epochs (Loshchilov and Hutter 2017). `floor` default 0. */
export function cosineSchedule({
  epochs,
  floor = 0,
}: {
  readonly epochs: number;
  readonly floor?: number;
}): Schedule {
  return checkSchedule({ kind: 'cosine', epochs, floor });
}

/**
 * Evenly from `from` to 1 over so many epochs (Goyal et al. 2017), then `next`, whose time begins there. `epochs`
 * default 5, `from` default 0.1, `next` default constant.
 */
export function warmUp({
  epochs = 5,
  from = 0.1,
  next = { kind: 'constant' },
}: { readonly epochs?: number; readonly from?: number; readonly next?: Schedule } = {}): Schedule {
  return checkSchedule({ kind: 'warm-up', epochs, from, next });
}

/** What the rate is multiplied with at a position, in epochs. */
export function factorAt(schedule: Schedule, position: number): number {
  switch (schedule.kind) {
    case 'constant':
      return 1;
    case 'step':
      return schedule.factor ** Math.floor(position / schedule.every);
    case 'multi-step':
      return schedule.factor ** schedule.milestones.filter((epoch) => position >= epoch).length;
    case 'exponential':
      return schedule.factor ** position;
    case 'cosine': {
      const { epochs, floor } = schedule;
      return floor + ((1 - floor) / 2) * (1 + Math.cos(Math.PI * Math.min(1, position / epochs)));
    }
    case 'warm-up': {
      const { epochs, from, next } = schedule;
      if (position >= epochs) return factorAt(next, position - epochs);
      return (from + (1 - from) * (position / epochs)) * factorAt(next, 0);
    }
  }
}

/** @throws ArgumentError if it is not one */
export function checkSchedule(schedule: Schedule): Schedule {
  const fail = (what: string, found: unknown): never => {
    throw new ArgumentError(`schedule '${schedule.kind}': ${what}, got ${String(found)}.`);
  };
  const positive = (name: string, value: number): void => {
    if (!(value > 0 && value < Infinity)) fail(`${name} must be above 0`, value);
  };
  switch (schedule.kind) {
    case 'constant':
      return schedule;
    case 'step':
      positive('every', schedule.every);
      positive('factor', schedule.factor);
      return schedule;
    case 'multi-step':
      for (const epoch of schedule.milestones) positive('every milestone', epoch);
      positive('factor', schedule.factor);
      return schedule;
    case 'exponential':
      positive('factor', schedule.factor);
      return schedule;
    case 'cosine':
      positive('epochs', schedule.epochs);
      if (!(schedule.floor >= 0 && schedule.floor <= 1)) fail('floor must lie from 0 to 1', schedule.floor);
      return schedule;
    case 'warm-up':
      positive('epochs', schedule.epochs);
      if (!(schedule.from >= 0 && schedule.from <= 1)) fail('from must lie from 0 to 1', schedule.from);
      checkSchedule(schedule.next);
      return schedule;
    default:
      throw new ArgumentError(`schedule: there is no kind '${String((schedule as Schedule).kind)}'.`);
  }
}
