// `alexnet prepare`: pictures are decoded once, into a store that train and evaluate read from.
// Invariant: the same command, run again, goes on where it was stopped; a complete store is left as it is.

import {
  AbortedError,
  DEFAULT_SIDE,
  formatBytes,
  formatCount,
  formatDuration,
  prepareStore,
  type PreparedStore,
  type PrepareProgress,
} from '../index.js';
import { flag, option, positional, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { defined } from './defined.js';
import { strict } from './options.js';
import { filesIn, sourceOptions } from './pictures.js';
import { counted, LiveLine, note, print, printJson, shellWord } from './output.js';
import { StopRequest } from './signals.js';
import { UsageError } from './usage-error.js';
import { integer, oneOf, text } from './values.js';

const positionals = {
  dir: positional(
    'DIR',
    'folder of pictures, a list of them, or a folder of ImageNet, as for train; train, val and test go into one store',
  ),
};

const options = {
  out: option({ value: 'STORE', parse: text, help: 'folder for the store; needed' }),
  side: option({
    value: 'N',
    parse: integer({ from: 1, to: 4096 }),
    absent: DEFAULT_SIDE,
    help: 'what the shorter side is scaled to, in pixels',
  }),
  frame: option({
    value: 'KIND',
    parse: oneOf(['centre', 'full']),
    absent: 'centre',
    help: 'what is kept of a scaled picture: the central square, or all of it, for crops over the whole picture',
  }),
  overwrite: flag('replace a store that is there'),
  ...sourceOptions,
  strict,
  workers: option({
    value: 'N',
    parse: integer({ from: 1, to: 256 }),
    help: 'threads that decode pictures (default: all that the process may use)',
  }),
  json: flag('the result as one JSON object'),
};

export const prepare = command({
  name: 'prepare',
  summary: 'Decode a folder of pictures once, into a store that train and evaluate take instead of DIR.',
  positionals,
  options,
  details: [
    'Stopped at any point, the same command goes on where it was. Pictures that cannot be decoded are left out, and ' +
      'listed in STORE/failures.json.',
  ],
  examples: ['alexnet prepare flowers --out flowers-store', 'alexnet train flowers-store'],
  run: runPreparation,
});

async function runPreparation(args: Values<typeof positionals, typeof options>): Promise<ExitCode> {
  const { dir, out, side, frame: framing, overwrite, workers } = args;
  if (out === undefined) throw new UsageError('--out is missing: give a folder for the store, --out STORE');
  using stop = new StopRequest(() => note('stopping; Ctrl-C again ends at once'));
  using line = new LiveLine();
  const pace = new Pace();
  try {
    const result = await prepareStore(await filesIn(dir, args), {
      ...{ out, side, framing, overwrite, strict: args.strict, signal: stop.signal },
      onProgress: (progress) => line.show(pace.text(progress)),
      ...defined({ workers }),
    });
    line[Symbol.dispose]();
    if (args.json) printJson({ store: out, ...result });
    else report(out, result);
    return 0;
  } catch (error) {
    if (!(error instanceof AbortedError) || stop.exitCode === undefined) throw error;
    line[Symbol.dispose]();
    note(`stopped; ${pace.kept}. Run the same command again to go on`);
    return stop.exitCode;
  }
}

/** How fast it goes, from the pictures of this run. */
class Pace {
  #first: { readonly done: number; readonly atMs: number } | undefined;
  #last: PrepareProgress | undefined;

  text(progress: PrepareProgress): string {
    const { done, failures, total } = progress;
    this.#last = progress;
    this.#first ??= { done, atMs: performance.now() };
    const perMs = (done - this.#first.done) / (performance.now() - this.#first.atMs);
    const rate =
      perMs > 0
        ? `  ${formatCount(perMs * 1000)} pictures/s  ${formatDuration((total - done) / perMs)} left`
        : '';
    const failed = failures > 0 ? `  ${formatCount(failures)} cannot be decoded` : '';
    return `prepared ${formatCount(done)} of ${formatCount(total)} pictures${rate}${failed}`;
  }

  get kept(): string {
    if (!this.#last) return 'nothing was written';
    return `${formatCount(this.#last.done)} of ${formatCount(this.#last.total)} pictures are done and kept`;
  }
}

/** More than this are not listed on the screen. */
const MOST_FAILURES = 20;

function report(out: string, { status, pictures, failures, bytes }: PreparedStore): void {
  for (const { path, reason } of failures.slice(0, MOST_FAILURES)) note(`left out ${path}: ${reason}`);
  if (failures.length > MOST_FAILURES) {
    note(`and ${formatCount(failures.length - MOST_FAILURES)} more: ${out}/failures.json has all`);
  }
  const splits = Object.entries(pictures).map(([split, count]) => `${formatCount(count)} ${split}`);
  const total = Object.values(pictures).reduce((sum, count) => sum + count, 0);
  const what = status === 'complete' ? 'is complete already, nothing is to do' : 'is complete';
  print(
    `${out} ${what}: ${counted(formatCount(total), 'picture')} (${splits.join(', ')}), ${formatBytes(bytes)}`,
  );
  print(`next: alexnet train ${shellWord(out)}`);
}
