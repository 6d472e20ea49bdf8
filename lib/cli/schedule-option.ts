// --schedule: how the learning rate falls, in a few words.
// Invariant: what it means is the library's; here are only the words for it.

import {
  ArgumentError,
  cosineSchedule,
  exponentialSchedule,
  multiStepSchedule,
  stepSchedule,
  warmUp,
  type Schedule,
} from '../index.js';
import { option } from './args.js';
import { UsageError } from './usage-error.js';

/** What is typed: `cosine`, `step:30:0.1`. The cosine's length is known when all options are. */
export interface ScheduleWords {
  readonly kind: 'plateau' | 'constant' | 'step' | 'multi-step' | 'exponential' | 'cosine';
  readonly numbers: readonly (readonly number[])[];
}

const FORMS: Readonly<
  Record<ScheduleWords['kind'], { readonly form: string; readonly least: number; readonly most: number }>
> = {
  plateau: { form: 'plateau', least: 0, most: 0 },
  constant: { form: 'constant', least: 0, most: 0 },
  step: { form: 'step:EVERY[:FACTOR]', least: 1, most: 2 },
  'multi-step': { form: 'multi-step:EPOCH,EPOCH[:FACTOR]', least: 1, most: 2 },
  exponential: { form: 'exponential:FACTOR', least: 1, most: 1 },
  cosine: { form: 'cosine[:FLOOR]', least: 0, most: 1 },
};

function parseWords(given: string): ScheduleWords {
  const [name = '', ...rest] = given.split(':');
  const numbers = rest.map((part) => part.split(',').map((number) => (number === '' ? NaN : Number(number))));
  const known = Object.hasOwn(FORMS, name) ? FORMS[name as ScheduleWords['kind']] : undefined;
  const single = name === 'multi-step' ? numbers.slice(1) : numbers;
  const isWhole =
    known !== undefined &&
    numbers.length >= known.least &&
    numbers.length <= known.most &&
    single.every(({ length }) => length === 1) &&
    numbers.flat().every((number) => Number.isFinite(number) && number >= 0);
  if (isWhole) return checkedWords({ kind: name as ScheduleWords['kind'], numbers });
  const forms = Object.values(FORMS).map(({ form }) => form);
  throw new UsageError(`expected ${forms.slice(0, -1).join(', ')} or ${forms.at(-1)}, got '${given}'`);
}

/** The library knows which numbers are possible. */
function checkedWords(words: ScheduleWords): ScheduleWords {
  try {
    scheduleOf(words, { epochs: 1 });
    return words;
  } catch (error) {
    throw error instanceof ArgumentError ? new UsageError(error.message, { cause: error }) : error;
  }
}

export const schedule = option<ScheduleWords>({
  value: 'HOW',
  parse: parseWords,
  help:
    'how the learning rate falls: plateau (default: by 10 when the validation error stops falling, three times), constant, ' +
    'step:EVERY[:FACTOR], multi-step:EPOCH,EPOCH[:FACTOR], exponential:FACTOR (an epoch), cosine[:FLOOR]',
});

/** What the trainer is told. */
export function scheduleOptions({
  schedule: words = { kind: 'plateau', numbers: [] },
  warmUp: warmUpEpochs,
  epochs,
}: {
  readonly schedule: ScheduleWords | undefined;
  readonly warmUp: number | undefined;
  readonly epochs: number;
}): { readonly schedule?: Schedule; readonly plateau?: null | Record<string, never> } {
  const next = scheduleOf(words, { epochs: epochs - (warmUpEpochs ?? 0) });
  const whole = warmUpEpochs === undefined ? next : warmUp({ epochs: warmUpEpochs, next });
  return { schedule: whole, plateau: words.kind === 'plateau' ? {} : null };
}

function scheduleOf({ kind, numbers }: ScheduleWords, { epochs }: { readonly epochs: number }): Schedule {
  const [first = [], second = []] = numbers;
  const factor = second[0] === undefined ? {} : { factor: second[0] };
  switch (kind) {
    case 'plateau':
    case 'constant':
      return { kind: 'constant' };
    case 'step':
      return stepSchedule({ every: first[0]!, ...factor });
    case 'multi-step':
      return multiStepSchedule({ milestones: first, ...factor });
    case 'exponential':
      return exponentialSchedule({ factor: first[0]! });
    case 'cosine':
      if (epochs <= 0) throw new UsageError('--warm-up: it takes all epochs and leaves none for the cosine');
      return cosineSchedule({ epochs, floor: first[0] ?? 0 });
  }
}
