// Comma-separated values (RFC 4180), read from the disk piece by piece, with the line that each row begins in.
// Invariant: quoted fields may hold separators, quotes and line ends; a quote that is never closed is an error.

import { DataError } from '../errors.js';
import { readText } from './read-text.js';

export interface CsvRow {
  /** Counted from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** Characters of a row at most: beyond, a quote was not closed, or it is no such file. */
const MOST_OF_A_ROW = 2 ** 20;

/**
 * Reads a file's rows; empty lines are left out, and spaces around unquoted fields. The separator is the first of
 * tab, semicolon and comma that the first line holds.
 * @returns some rows at a time
 * @throws DataError if the file cannot be read, a quoted field does not end, or goes on after its closing quote
 */
export async function* readCsv(path: string): AsyncGenerator<CsvRow[], void> {
  const parser = new CsvParser(path);
  for await (const text of readText(path)) yield parser.add(text);
  yield parser.end();
}

/** The rows of a text. @param name  what errors call it */
export class CsvParser {
  readonly #name: string;
  #text = '';
  #line = 1;
  #fields: FieldPatterns | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** @returns the rows that are whole, with what was given before */
  add(text: string): CsvRow[] {
    this.#text += this.#line === 1 && this.#text === '' ? text.replace(/^\ufeff/, '') : text;
    const isLineKnown = this.#text.includes('\n') || this.#text.length > MOST_OF_A_ROW;
    return this.#fields || isLineKnown ? this.#take({ isLast: false }) : [];
  }

  /** @returns the last rows */
  end(): CsvRow[] {
    return this.#take({ isLast: true });
  }

  #take(how: { readonly isLast: boolean }): CsvRow[] {
    this.#fields ??= patternsFor(/^[^\n]*/.exec(this.#text)![0]);
    const rows: CsvRow[] = [];
    let at = 0;
    while (at < this.#text.length) {
      const row = this.#rowAt(at, { ...how, patterns: this.#fields });
      if (!row) break;
      if (row.fields.length > 1 || row.fields[0] !== '') rows.push({ line: this.#line, fields: row.fields });
      at = row.end;
      this.#line = row.nextLine;
    }
    this.#text = this.#text.slice(at);
    return rows;
  }

  /** @returns undefined if more text may belong to the row */
  #rowAt(
    start: number,
    { isLast, patterns }: { readonly isLast: boolean; readonly patterns: FieldPatterns },
  ): { fields: string[]; end: number; nextLine: number } | undefined {
    const text = this.#text;
    const isWhole = isLast || text.length - start > MOST_OF_A_ROW;
    const fields: string[] = [];
    let [at, line] = [start, this.#line];
    for (;;) {
      const field = fieldAt(text, at, patterns);
      at += field?.length ?? 0;
      if (!isWhole && (!field || at === text.length)) return undefined;
      if (!field) {
        throw this.#error(line, 'a quoted field is never closed; write a quote within as ""');
      }
      fields.push(field.value);
      line += field.lines;
      if (text[at] !== patterns.separator) break;
      at++;
    }
    const end = /\r?\n|\r|$/y;
    end.lastIndex = at;
    const lineEnd = end.exec(text);
    // A line end may come in two pieces, and so may a doubled quote.
    const isCut = !lineEnd || (lineEnd[0] === '\r' && at + 1 === text.length);
    if (!isWhole && isCut) return undefined;
    if (!lineEnd) {
      throw this.#error(line, 'text follows a closing quote; write a quote within a field as ""');
    }
    return { fields, end: at + lineEnd[0].length, nextLine: line + 1 };
  }

  #error(line: number, what: string): DataError {
    return new DataError(`${this.#name}:${line}: ${what}`);
  }
}

interface FieldPatterns {
  readonly separator: string;
  readonly quoted: RegExp;
  readonly unquoted: RegExp;
}

function patternsFor(firstLine: string): FieldPatterns {
  const separator = ['\t', ';'].find((candidate) => firstLine.includes(candidate)) ?? ',';
  return {
    separator,
    quoted: /[ ]*"([^"]*(?:""[^"]*)*)"[ ]*/y,
    unquoted: new RegExp(`[^${separator}\\r\\n]*`, 'y'),
  };
}

/** @returns undefined if its quote is not closed */
function fieldAt(
  text: string,
  at: number,
  { quoted, unquoted }: FieldPatterns,
): { value: string; length: number; lines: number } | undefined {
  quoted.lastIndex = unquoted.lastIndex = at;
  const inQuotes = quoted.exec(text);
  const found = inQuotes ?? unquoted.exec(text)!;
  if (!inQuotes && found[0].trimStart().startsWith('"')) return undefined;
  const value = inQuotes ? inQuotes[1]!.replaceAll('""', '"') : found[0].trim();
  const lines = inQuotes ? found[0].split('\n').length - 1 : 0;
  return { value, length: found[0].length, lines };
}
