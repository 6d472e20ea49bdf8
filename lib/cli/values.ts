// Texts from the command line to values, with limits.
// Invariant: every character counts; what is not wholly understood is refused, with what was expected and what was got.

import { UsageError } from './usage-error.js';

/** Turns an option's text into its value. @throws UsageError that says what was expected */
export type Parser<T> = (text: string) => T;

/** Any text but an empty one. */
export const text: Parser<string> = (given) => (given === '' ? refuse('some text', given) : given);

/** An integer between two limits, both included. */
export function integer({
  from,
  to = Number.MAX_SAFE_INTEGER,
}: {
  from: number;
  to?: number;
}): Parser<number> {
  return (given) => {
    const value = /^[+-]?\d+$/.test(given) ? Number(given) : NaN;
    if (value >= from && value <= to) return value;
    if (to !== Number.MAX_SAFE_INTEGER) return refuse(`an integer from ${from} to ${to}`, given);
    return refuse(from === 1 ? 'a positive integer' : `an integer of ${from} or more`, given);
  };
}

/** A decimal number that `accepts`. */
export function number(expected: string, accepts: (value: number) => boolean): Parser<number> {
  return (given) => {
    const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(given) ? Number(given) : NaN;
    return Number.isFinite(value) && accepts(value) ? value : refuse(expected, given);
  };
}

/** One of a few words or numbers. */
export function oneOf<const T extends string | number>(choices: readonly T[]): Parser<T> {
  return (given) =>
    choices.find((choice) => String(choice) === given) ?? refuse(alternatives(choices), given);
}

/** Several values with commas between them. */
export function list<T>(parse: Parser<T>): Parser<T[]> {
  return (given) => given.split(',').map((part) => parse(part.trim()));
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
};

/** A size in bytes: `2GiB`, `1.5G` (the same unit), `500MB`, `0`. */
export const bytes: Parser<number> = (given) => {
  const [, amount, unit] = /^(\d+\.?\d*|\.\d+)\s*([a-z]*)$/i.exec(given) ?? [];
  const factor = UNITS[unit?.toLowerCase() ?? ''];
  const size = amount === undefined || factor === undefined ? NaN : Math.round(Number(amount) * factor);
  return Number.isSafeInteger(size) ? size : refuse('a size such as 2GiB, 500MB or 0', given);
};

function alternatives(choices: readonly (string | number)[]): string {
  return `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}`;
}

function refuse(expected: string, given: string): never {
  throw new UsageError(`expected ${expected}, got '${given}'`);
}
