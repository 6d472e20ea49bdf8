// Text files of any length, piece by piece.
// Invariant: the pieces one after the other are the file; none of them is kept.

import { createReadStream } from 'node:fs';
import { DataError } from '../errors.js';

/** Counted from 1. */
export interface TextLine {
  readonly line: number;
  /** Without spaces around it; never empty. */
  readonly text: string;
}

/** Characters of a line at most: beyond, it is no such file. */
const MOST_OF_A_LINE = 2 ** 20;

/** @throws DataError if the file cannot be read, or is no text in UTF-8 */
export async function* readText(path: string): AsyncGenerator<string, void> {
  try {
    for await (const text of createReadStream(path, { encoding: 'utf8' })) {
      if ((text as string).includes('\0')) {
        throw new DataError(
          `${path}: this is no list: it is not a text in UTF-8. Give a folder of pictures, or a text file that lists them`,
        );
      }
      yield text as string;
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError(`${path}: the list cannot be read (${(cause as Error).message})`, { cause });
  }
}

/**
 * The lines of a file that hold something.
 * @throws DataError if the file cannot be read, or has a line of more than a million characters
 */
export async function* readLines(path: string): AsyncGenerator<TextLine, void> {
  let line = 0;
  let rest = '';
  for await (const text of readText(path)) {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const content of lines) yield* lineOf(++line, content);
    if (rest.length > MOST_OF_A_LINE) {
      throw new DataError(`${path}:${line + 1}: the line is too long; is it a list?`);
    }
  }
  yield* lineOf(line + 1, rest);
}

function* lineOf(line: number, content: string): Generator<TextLine, void> {
  const text = content.trim();
  if (text !== '') yield { line, text };
}
