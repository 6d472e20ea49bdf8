// A command: its declaration and what it does.
// Invariant: arguments are checked before anything is done.

import { givenOptions, parse, type Options, type Positionals, type Values } from './args.js';
import { commandHelp } from './help.js';
import { print } from './output.js';

/** 0: done. 1: failed, with a message on stderr. 2: wrong usage. 130, 143: stopped by SIGINT, SIGTERM. */
export type ExitCode = 0 | 1 | 2 | 130 | 143;

export interface CommandSpec<P extends Positionals, O extends Options> {
  readonly name: string;
  readonly summary: string;
  /** In the order of the command line. */
  readonly positionals: P;
  readonly options: O;
  readonly details?: readonly string[];
  readonly examples: readonly string[];
  /** @param given  keys of the options that were typed, as opposed to their defaults */
  run(values: Values<P, O>, given: ReadonlySet<string>): Promise<ExitCode>;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** @param argv  what stands after the command's name; @throws UsageError, or whatever the command fails with */
  execute(argv: readonly string[]): Promise<ExitCode>;
}

export function command<P extends Positionals, O extends Options>(spec: CommandSpec<P, O>): Command {
  const { name, summary } = spec;
  return {
    name,
    summary,
    async execute(argv) {
      const values = parse(argv, spec);
      if (values !== 'help') return spec.run(values, givenOptions(argv, spec.options));
      print(commandHelp({ ...spec, details: spec.details ?? [] }));
      return 0;
    },
  };
}
