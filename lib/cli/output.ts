// What is written where: results to stdout, everything else to stderr.
// Invariant: names of files and classes cannot act on the terminal; a reader that went away ends nothing.

/** A result, for a person or a pipe. */
export function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/** A result for programs: one line of JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Something the user should know that is not the result. */
export function note(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

/** A line on the terminal that is replaced by the next one; nothing where there is no terminal. */
export class LiveLine implements Disposable {
  readonly #live = process.stderr.isTTY && process.env['TERM'] !== 'dumb';

  show(text: string): void {
    if (this.#live) process.stderr.write(`\r${printable(text)}\x1b[K`);
  }

  [Symbol.dispose](): void {
    if (this.#live) process.stderr.write('\r\x1b[K');
  }
}

/** `my run` -> `'my run'`, `-run` -> `./-run`: a path as it can be typed as an argument. */
export function shellWord(path: string): string {
  const word = path.startsWith('-') ? `./${path}` : path;
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

export function counted(count: string | number, noun: string): string {
  return `${count} ${noun}${String(count) === '1' ? '' : 's'}`;
}

/** After this, `alexnet ... | head` ends without a complaint, and training goes on when its log's reader is gone. */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    let isTold = false;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      process.exitCode = 1;
      // A training writes thousands of lines, and goes on.
      if (isTold || stream === process.stderr) return;
      isTold = true;
      process.stderr.write(`error: stdout cannot be written: ${error.message}\n`);
    });
  }
}

/** Line ends are meant; other control characters come from names and messages, and must not act. */
function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]+/gu, ' ');
}
