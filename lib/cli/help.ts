// The text of --help, made from declarations.
// Invariant: no line is longer than 80 columns, so that it reads well in any terminal and in a pasted report.

import { optionName, type Option, type Options, type Positionals } from './args.js';

const WIDTH = 80;
/** Where descriptions begin; a longer name gets a line of its own. */
const COLUMN = 27;

/** What the process says of its end, in every --help. */
export const EXIT_CODES =
  'Exit codes: 0 done; 1 failed; 2 wrong usage; 130 stopped by Ctrl-C; 143 stopped by SIGTERM.';

export interface HelpParts {
  readonly name: string;
  readonly summary: string;
  readonly positionals: Positionals;
  readonly options: Options;
  /** Paragraphs below the options. */
  readonly details: readonly string[];
  readonly examples: readonly string[];
}

export function commandHelp({ name, summary, positionals, options, details, examples }: HelpParts): string {
  const places = Object.values(positionals);
  const usage = places.map((place) =>
    place.many ? `${place.name}...` : place.optional ? `[${place.name}]` : place.name,
  );
  const optionRows = Object.entries(options).map(([key, option]) => {
    return [`--${optionName(key, option)}${valueOf(option)}`, option.help] as const;
  });
  return sections([
    [`Usage: alexnet ${[name, ...usage, '[options]'].join(' ')}`],
    wrap(summary, WIDTH),
    table(places.map((place) => [place.name, place.help])),
    ['Options:', ...table([...optionRows, ['-h, --help', 'show this text']])],
    ...details.map((detail) => wrap(detail, WIDTH)),
    ['Examples:', ...examples.map((example) => `  ${example}`)],
    wrap(EXIT_CODES, WIDTH),
  ]);
}

function valueOf({ value, bare }: Option<unknown>): string {
  if (value === undefined) return '';
  return bare === undefined ? ` ${value}` : `[=${value}]`;
}

/** Sections of lines with an empty line between them. */
export function sections(parts: readonly (readonly string[])[]): string {
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

/** Names and what they mean, in two columns. */
export function table(rows: readonly (readonly [name: string, help: string])[]): string[] {
  return rows.flatMap(([name, help]) => {
    const lines = wrap(help, WIDTH - COLUMN);
    const first = `  ${name}`;
    const fits = first.length + 2 <= COLUMN;
    return [
      fits ? `${first.padEnd(COLUMN)}${lines[0] ?? ''}` : first,
      ...lines.slice(fits ? 1 : 0).map((line) => ' '.repeat(COLUMN) + line),
    ];
  });
}

export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else lines.push(word);
  }
  return lines;
}
