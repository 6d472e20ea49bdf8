// Learning rates over time, against their formulas and PyTorch's numbers at whole epochs.
// Invariant: a schedule is data: it is the same after JSON.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import {
  checkSchedule,
  cosineSchedule,
  exponentialSchedule,
  factorAt,
  multiStepSchedule,
  stepSchedule,
  warmUp,
  type Schedule,
} from '../../lib/optim/index.js';
import { assertClose } from '../helpers/compare.js';

const CASES: readonly (readonly [what: string, Schedule, Readonly<Record<number, number>>])[] = [
  ['constant', { kind: 'constant' }, { 0: 1, 7.5: 1, 1000: 1 }],
  // torch.optim.lr_scheduler.StepLR(step_size=3, gamma=0.5)
  ['step', stepSchedule({ every: 3, factor: 0.5 }), { 0: 1, 2.99: 1, 3: 0.5, 5: 0.5, 6: 0.25, 9: 0.125 }],
  // MultiStepLR(milestones=[2, 5], gamma=0.1)
  [
    'multi-step',
    multiStepSchedule({ milestones: [2, 5] }),
    { 0: 1, 1.99: 1, 2: 0.1, 4: 0.1, 5: 0.01, 50: 0.01 },
  ],
  // ExponentialLR(gamma=0.9)
  ['exponential', exponentialSchedule({ factor: 0.9 }), { 0: 1, 1: 0.9, 2: 0.81, 2.5: 0.9 ** 2.5 }],
  // CosineAnnealingLR(T_max=10, eta_min=0.1) of a rate of 1
  [
    'cosine',
    cosineSchedule({ epochs: 10, floor: 0.1 }),
    { 0: 1, 1: 0.9779754323, 5: 0.55, 9: 0.1220245677, 10: 0.1, 30: 0.1 },
  ],
  // LinearLR(start_factor=0.2, total_iters=4), then StepLR(2, 0.5): SequentialLR
  [
    'warm-up, then steps',
    warmUp({ epochs: 4, from: 0.2, next: stepSchedule({ every: 2, factor: 0.5 }) }),
    { 0: 0.2, 1: 0.4, 2: 0.6, 3.5: 0.9, 4: 1, 5: 1, 6: 0.5, 8: 0.25 },
  ],
];

describe('a schedule', () => {
  for (const [what, schedule, factors] of CASES) {
    it(`that is ${what} has the factors of its formula, after JSON too`, () => {
      const stored = checkSchedule(JSON.parse(JSON.stringify(schedule)) as Schedule);
      for (const made of [schedule, stored]) {
        const found = Object.keys(factors).map((position) => factorAt(made, Number(position)));
        assertClose(found, Object.values(factors), { rtol: 1e-9, atol: 0, what });
      }
    });
  }

  it('is refused if it cannot be meant', () => {
    for (const make of [
      () => stepSchedule({ every: 0 }),
      () => stepSchedule({ factor: -1 }),
      () => multiStepSchedule({ milestones: [3, NaN] }),
      () => exponentialSchedule({ factor: 0 }),
      () => cosineSchedule({ epochs: Infinity }),
      () => cosineSchedule({ epochs: 3, floor: 2 }),
      () => warmUp({ from: -0.1 }),
      () => warmUp({ next: { kind: 'cosine', epochs: 0, floor: 0 } }),
      () => checkSchedule({ kind: 'linear' } as never),
    ]) {
      assert.throws(make, ArgumentError);
    }
  });
});
