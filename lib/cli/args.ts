// What a command takes: options and arguments, declared once; parsing and --help are both made from the declaration.
// Invariant: what parse() returns has every declared key, checked; everything else is a UsageError.

import { parseArgs } from 'node:util';
import { nearest } from './suggest.js';
import { UsageError } from './usage-error.js';
import type { Parser } from './values.js';

/** An option, `--batch-size N` or a flag without a value. */
export interface Option<T> {
  /** What --help calls the value; undefined for a flag. */
  readonly value: string | undefined;
  readonly help: string;
  /** Where it is not the key in kebab case. */
  readonly name: string | undefined;
  readonly parse: Parser<T>;
  readonly absent: T;
  /** What the option means without a value, where it may be left out: `--dashboard`, `--dashboard=8080`. */
  readonly bare?: T;
}

/** An argument that is known by its position. */
export interface Positional<T> {
  /** What --help calls it. */
  readonly name: string;
  readonly help: string;
  /** Whether it takes all arguments that the others leave, at least one. One of a command may. */
  readonly many: boolean;
  /** Whether it may be missing. */
  readonly optional: boolean;
  /** Never set; carries the type. */
  readonly type?: T;
}

export type Options = Readonly<Record<string, Option<unknown>>>;
export type Positionals = Readonly<Record<string, Positional<unknown>>>;

/** What parse() makes of declarations: keys and types of the values. */
export type Values<P extends Positionals, O extends Options> = {
  readonly [K in keyof P]: P[K] extends Positional<infer T> ? T : never;
} & { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never };

interface OptionOptions<T> {
  readonly value: string;
  readonly parse: Parser<T>;
  readonly help: string;
  readonly name?: string;
}

/** An option with a value. With a default, --help names it. */
export function option<T>(spec: OptionOptions<T> & { readonly absent: NoInfer<T> }): Option<T>;
export function option<T>(spec: OptionOptions<T>): Option<T | undefined>;
export function option<T>(spec: OptionOptions<T> & { readonly absent?: T }): Option<T | undefined> {
  const { absent, help, name, parse, value } = spec;
  const said = absent === undefined ? help : `${help} (default ${String(absent)})`;
  return { value, help: said, name, parse, absent };
}

/** An option whose value may be left out, and is joined with = where it is not. */
export function optional<T>(spec: OptionOptions<T> & { readonly bare: NoInfer<T> }): Option<T | undefined> {
  return { ...option<T>(spec), bare: spec.bare };
}

/** An option without a value. */
export function flag(help: string): Option<boolean> {
  return { value: undefined, help, name: undefined, parse: () => true, absent: false };
}

export function positional(name: string, help: string): Positional<string> {
  return { name, help, many: false, optional: false };
}

/** One that may be missing; only the last one may. */
export function optionalPositional(name: string, help: string): Positional<string | undefined> {
  return { name, help, many: false, optional: true };
}

export function remaining(name: string, help: string): Positional<readonly string[]> {
  return { name, help, many: true, optional: false };
}

/** `batchSize` -> `batch-size`. */
export function optionName(key: string, { name }: Option<unknown>): string {
  return name ?? key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Every command has it. */
const HELP = 'help';

/**
 * Reads a command's arguments.
 * @returns 'help' if help is asked for, whatever else is wrong
 * @throws UsageError
 */
export function parse<P extends Positionals, O extends Options>(
  argv: readonly string[],
  declared: { readonly positionals: P; readonly options: O },
): Values<P, O> | 'help' {
  const named = byName(declared.options);
  const tokens = tokensOf(argv, named);
  if (tokens.some((token) => token.kind === 'option' && token.name === HELP)) return 'help';
  const values: Record<string, unknown> = {};
  for (const { key, option } of named.values()) values[key] = option.absent;
  const found: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') found.push(token.value);
    if (token.kind !== 'option') continue;
    const known = named.get(token.name);
    if (!known) throw unknownOption(token.rawName, [...named.keys(), HELP]);
    values[known.key] = readOption(known.option, token);
  }
  return { ...values, ...readPositionals(found, declared.positionals) } as Values<P, O>;
}

/** Keys of the options that a command line has, whatever their values. */
export function givenOptions(argv: readonly string[], options: Options): ReadonlySet<string> {
  const named = byName(options);
  const keys = tokensOf(argv, named).map((token) =>
    token.kind === 'option' ? named.get(token.name)?.key : undefined,
  );
  return new Set(keys.filter((key) => key !== undefined));
}

type Named = ReadonlyMap<string, { readonly key: string; readonly option: Option<unknown> }>;

function byName(options: Options): Named {
  return new Map(Object.entries(options).map(([key, option]) => [optionName(key, option), { key, option }]));
}

function tokensOf(argv: readonly string[], named: Named) {
  return parseArgs({
    args: [...argv],
    // Not strict: its messages do not say what to type instead.
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: {
      ...Object.fromEntries(
        [...named].map(
          ([name, { option }]) => [name, { type: takesNext(option) ? 'string' : 'boolean' }] as const,
        ),
      ),
      [HELP]: { type: 'boolean', short: 'h' },
    },
  }).tokens;
}

/** Whether what stands after the option is its value. */
function takesNext({ value, bare }: Option<unknown>): boolean {
  return value !== undefined && bare === undefined;
}

interface OptionToken {
  readonly rawName: string;
  readonly value: string | undefined;
  readonly inlineValue: boolean | undefined;
}

function readOption(option: Option<unknown>, { rawName, value, inlineValue }: OptionToken): unknown {
  if (option.value === undefined) {
    if (value !== undefined) throw new UsageError(`${rawName} takes no value, got '${value}'`);
    return true;
  }
  if (value === undefined && option.bare !== undefined) return option.bare;
  // Of `--out --quiet` the second is an option that was meant to be one; a value like it has to be joined with =.
  if (value === undefined || (inlineValue !== true && /^(--|-[a-z])/i.test(value))) {
    const got = value === undefined ? '' : `, got ${value}; write ${rawName}=${value} if that is the value`;
    throw new UsageError(`${rawName} needs a value (${option.value})${got}`);
  }
  try {
    return option.parse(value);
  } catch (error) {
    throw error instanceof UsageError ? new UsageError(`${rawName}: ${error.message}`) : error;
  }
}

function readPositionals(found: readonly string[], declared: Positionals): Record<string, unknown> {
  const entries = Object.entries(declared);
  const missing = entries[found.length];
  if (missing && !missing[1].optional) {
    const [, { name, help }] = missing;
    throw new UsageError(`${name} is missing: ${help}`);
  }
  const many = entries.findIndex(([, positional]) => positional.many);
  const extra = found[entries.length];
  if (extra !== undefined && many < 0) {
    const most =
      entries.length === 0 ? 'no arguments are' : `only ${entries.map(([, { name }]) => name).join(' ')} is`;
    throw new UsageError(`unexpected argument '${extra}': ${most} expected`);
  }
  const left = found.length - entries.length;
  const valueAt = (i: number): unknown => {
    if (i === many) return found.slice(i, i + left + 1);
    return found[many >= 0 && i > many ? i + left : i];
  };
  return Object.fromEntries(entries.map(([key], i) => [key, valueAt(i)]));
}

function unknownOption(rawName: string, names: readonly string[]): UsageError {
  const meant = nearest(rawName.replace(/^-+/, ''), names);
  return new UsageError(
    `unknown option ${rawName}${meant === undefined ? '' : `; did you mean --${meant}?`}`,
  );
}
