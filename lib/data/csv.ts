// Comma-separated values (RFC 4180), with the line that each row begins in.
// Invariant: quoted fields may hold separators, quotes and line ends; a quote that is never closed is an error.

import { DataError } from '../errors.js';

export interface CsvRow {
  /** Counted from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/**
 * Splits a text into rows; empty lines are left out, and spaces around unquoted fields. The separator is the first of
 * tab, semicolon and comma that the first line holds.
 * @param name what errors call the file
 * @throws DataError if a quoted field does not end, or goes on after its closing quote
 */
export function parseCsv(text: string, name: string): CsvRow[] {
  const source = text.replace(/^\ufeff/, '');
  const firstLine = /^[^\n]*/.exec(source)![0];
  const separator = ['\t', ';'].find((candidate) => firstLine.includes(candidate)) ?? ',';
  const unquoted = new RegExp(`[^${separator}\\r\\n]*`, 'y');
  const quoted = /[ ]*"([^"]*(?:""[^"]*)*)"[ ]*/y;
  const rows: CsvRow[] = [];
  let at = 0;
  let line = 1;
  while (at < source.length) {
    const begun = line;
    const fields: string[] = [];
    for (;;) {
      quoted.lastIndex = unquoted.lastIndex = at;
      const inQuotes = quoted.exec(source);
      const found = inQuotes ?? unquoted.exec(source)!;
      if (!inQuotes && found[0].trimStart().startsWith('"')) {
        throw new DataError(`${name}:${line}: a quoted field is never closed; write a quote within as ""`);
      }
      fields.push(inQuotes ? inQuotes[1]!.replaceAll('""', '"') : found[0].trim());
      line += found[0].split('\n').length - 1;
      at += found[0].length;
      if (source[at] !== separator) break;
      at++;
    }
    const end = /\r?\n|\r|$/y;
    end.lastIndex = at;
    const lineEnd = end.exec(source);
    if (!lineEnd) {
      throw new DataError(
        `${name}:${line}: text follows a closing quote; write a quote within a field as ""`,
      );
    }
    at += lineEnd[0].length;
    line++;
    if (fields.length > 1 || fields[0] !== '') rows.push({ line: begun, fields });
  }
  return rows;
}
