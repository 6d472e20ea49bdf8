// Runs a program for a script and gives what it printed.
// Invariant: a program that fails or is not there is an error with its own words.
import { spawnSync } from 'node:child_process';

/** Runs a program; its standard output. */
export function output(program, args, options = {}) {
  const { status, signal, stdout, stderr, error } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
    ...options,
  });
  if (error) throw new Error(`${program} could not be run: ${error.message}`);
  if (status === 0) return stdout;
  const end = signal === null ? `exit code ${status}` : signal;
  throw new Error(`${program} ${args.join(' ')}: ${end}\n${(stdout ?? '') + (stderr ?? '')}`);
}
