#!/usr/bin/env node
// The command line `alexnet`: finds the command, runs it, and turns failures into messages and exit codes.
// Invariant: a failure that this package foresees is a message without a stack; every other one shows its stack.

import { AlexnetError } from '../index.js';
import { augment } from './augment.js';
import { bench } from './bench.js';
import type { Command, ExitCode } from './command.js';
import { evaluate } from './evaluate.js';
import { exportCommand } from './export.js';
import { EXIT_CODES, sections, table, wrap } from './help.js';
import { info } from './info.js';
import { note, print, tolerateClosedPipes } from './output.js';
import { predict } from './predict.js';
import { prepare } from './prepare.js';
import { quantize } from './quantize.js';
import { nearest } from './suggest.js';
import { train } from './train.js';
import { UsageError } from './usage-error.js';
import { packageVersion } from './version.js';

const commands: readonly Command[] = [
  train,
  evaluate,
  predict,
  quantize,
  exportCommand,
  prepare,
  augment,
  bench,
  info,
];

const help = sections([
  ['Usage: alexnet COMMAND [arguments] [options]'],
  ['Trains AlexNet on folders of pictures and predicts with what it learned.'],
  ['Commands:', ...table(commands.map(({ name, summary }) => [name, summary]))],
  [
    'Options:',
    ...table([
      ['-h, --help', "this text, or a command's"],
      ['-v, --version', 'the version'],
    ]),
  ],
  [
    'Begin with:',
    '  alexnet train pictures            pictures/<class>/<picture>',
    '  alexnet predict run picture.jpg',
  ],
  wrap(EXIT_CODES, 80),
  ['With ALEXNET_DEBUG=1 in the environment, every failure shows its stack.'],
]);

async function dispatch(argv: readonly string[]): Promise<ExitCode> {
  const [first, ...rest] = argv;
  if (
    first === undefined ||
    first === '--help' ||
    first === '-h' ||
    (first === 'help' && rest.length === 0)
  ) {
    print(help);
    return 0;
  }
  if (first === '--version' || first === '-v') {
    print(packageVersion());
    return 0;
  }
  if (first === 'help') return find(rest[0] as string).execute(['--help']);
  return find(first).execute(rest);
}

function find(name: string): Command {
  const found = commands.find((command) => command.name === name);
  if (found) return found;
  const isOption = name.startsWith('-');
  const names = isOption ? ['--help', '--version'] : commands.map((command) => command.name);
  const meant = nearest(name, names);
  const there = meant === undefined ? `there are ${names.join(', ')}` : `did you mean ${meant}?`;
  throw new UsageError(`unknown ${isOption ? 'option' : 'command'} '${name}'; ${there}`);
}

function report(error: unknown, argv: readonly string[]): ExitCode {
  const debug = ![undefined, '', '0'].includes(process.env['ALEXNET_DEBUG']);
  if (error instanceof UsageError) {
    const command = commands.find(({ name }) => name === argv[0]);
    note(`error: ${error.message}`);
    note(`'alexnet ${command ? `${command.name} ` : ''}--help' shows what there is.`);
    return 2;
  }
  if (error instanceof AlexnetError && !debug) note(`error: ${error.message}`);
  else note(error instanceof Error ? describe(error) : `error: ${String(error)}`);
  return 1;
}

/** The stack, and those of the errors that caused it. */
function describe(error: Error): string {
  const own = error.stack ?? String(error);
  return error.cause instanceof Error ? `${own}\ncaused by: ${describe(error.cause)}` : own;
}

tolerateClosedPipes();
const argv = process.argv.slice(2);
const code = await dispatch(argv).catch((error: unknown) => report(error, argv));
// Not process.exit(): what was written to a pipe may still be on its way.
process.exitCode ||= code;
