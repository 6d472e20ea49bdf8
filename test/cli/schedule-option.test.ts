// --schedule and --warm-up: from words to what the trainer is told.
// Invariant: every refusal lists the forms that there are.
import assert from 'node:assert/strict';
import { schedule, scheduleOptions } from '../../lib/cli/schedule-option.js';
import { UsageError } from '../../lib/cli/usage-error.js';

const CONSTANT = { kind: 'constant' };

function meaning(words: string | undefined, warmUp?: number) {
  const parsed = words === undefined ? undefined : schedule.parse(words);
  return scheduleOptions({ schedule: parsed, warmUp, epochs: 20 });
}

describe('--schedule', () => {
  for (const [words, expected] of [
    [undefined, { schedule: CONSTANT, plateau: {} }],
    ['plateau', { schedule: CONSTANT, plateau: {} }],
    ['constant', { schedule: CONSTANT, plateau: null }],
    ['step:5', { schedule: { kind: 'step', every: 5, factor: 0.1 }, plateau: null }],
    ['step:5:0.5', { schedule: { kind: 'step', every: 5, factor: 0.5 }, plateau: null }],
    [
      'multi-step:5,9.5:0.2',
      { schedule: { kind: 'multi-step', milestones: [5, 9.5], factor: 0.2 }, plateau: null },
    ],
    ['exponential:0.9', { schedule: { kind: 'exponential', factor: 0.9 }, plateau: null }],
    ['cosine', { schedule: { kind: 'cosine', epochs: 20, floor: 0 }, plateau: null }],
    ['cosine:0.01', { schedule: { kind: 'cosine', epochs: 20, floor: 0.01 }, plateau: null }],
  ] as const) {
    it(`${words ?? '(not given)'} is understood`, () => assert.deepEqual(meaning(words), expected));
  }

  it('comes after a warm-up, which takes its epochs from the cosine', () => {
    const next = { kind: 'cosine', epochs: 15, floor: 0 };
    assert.deepEqual(meaning('cosine', 5).schedule, { kind: 'warm-up', epochs: 5, from: 0.1, next });
    assert.deepEqual(meaning(undefined, 2), {
      schedule: { kind: 'warm-up', epochs: 2, from: 0.1, next: CONSTANT },
      plateau: {},
    });
    assert.throws(() => meaning('cosine', 20), /--warm-up: it takes all epochs/);
  });

  for (const words of [
    '',
    'linear',
    'step',
    'step:',
    'step:x',
    'step:1,2',
    'step:1:2:3',
    'cosine:-1',
    'plateau:3',
  ]) {
    it(`'${words}' is refused with the forms that there are`, () => {
      assert.throws(
        () => schedule.parse(words),
        (error: Error) => {
          assert.ok(error instanceof UsageError);
          assert.match(
            error.message,
            /^expected plateau, constant, step:EVERY\[:FACTOR\], .* or cosine\[:FLOOR\], got '/,
          );
          return true;
        },
      );
    });
  }
});
