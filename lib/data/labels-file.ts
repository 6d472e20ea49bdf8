// Lists of (file, class) pairs, as CSV or JSON, to labelled files.
// Invariant: every error names the line, or for JSON the entry, that it is about; every file listed exists.

import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, extname, isAbsolute, relative, resolve, sep } from 'node:path';
import { DataError } from '../errors.js';
import { parseCsv } from './csv.js';
import type { LabelledFiles } from './labelled-files.js';

export interface LabelsFileOptions {
  /**
   * The folder that file names are relative to, and that no file may lie outside of. Default: that of the list. For
   * absolute names, give '/'.
   */
  readonly dir?: string;
  /** Class names, in the order of their labels. Default: those of the list, sorted; by number if all are numbers. */
  readonly classNames?: readonly string[];
  /** Names of the two columns (CSV) or properties (JSON). Default: see {@link readLabelsFile}. */
  readonly columns?: { readonly file: string; readonly class: string };
}

interface Entry {
  /** Where it stands, for errors: 'labels.csv:3'. */
  readonly where: string;
  readonly file: string;
  readonly className: string;
}

const FILE_COLUMNS = ['file', 'filename', 'file_name', 'path', 'filepath', 'image', 'image_id', 'id'];
const CLASS_COLUMNS = ['class', 'classname', 'class_name', 'label', 'category', 'target', 'breed'];

/**
 * Reads a list of picture files and their classes. By its ending the list is
 * - .json: `[{"file": "a.jpg", "class": "cat"}, ...]`, `[["a.jpg", "cat"], ...]` or `{"a.jpg": "cat", ...}`;
 * - anything else, CSV: separated by commas, semicolons or tabs. If the first row names a file column (file, filename,
 *   path, image, ...) and a class column (class, label, category, ...), in any case, those are taken; otherwise the
 *   first two, from the first row on.
 *
 * Class names are taken as text, also where they are numbers.
 * @returns the files in the order of the list, with `dir` before their names
 * @throws DataError naming the line (or JSON entry) if something is missing, listed twice, no file, outside of `dir`, or of
 * a class that is not among `classNames`
 */
export async function readLabelsFile(path: string, options: LabelsFileOptions = {}): Promise<LabelledFiles> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new DataError(`${path}: the list cannot be read (${error.message})`, { cause: error });
  });
  const isJson = extname(path).toLowerCase() === '.json';
  const entries = isJson ? jsonEntries(text, path, options) : csvEntries(text, path, options);
  if (entries.length === 0) throw new DataError(`${path}: there are no files in the list`);
  const dir = options.dir ?? dirname(path);
  const paths = entries.map((entry) => pathWithin(dir, entry));
  checkOnce(entries, paths);
  await checkExist(entries, paths);
  const classNames = options.classNames ?? namesOf(entries);
  return { classNames, paths, labels: labelsOf(entries, classNames) };
}

function csvEntries(text: string, path: string, { columns }: LabelsFileOptions): Entry[] {
  const rows = parseCsv(text, path);
  const header = rows[0]?.fields ?? [];
  const fileAt = columnAmong(header, columns ? [columns.file] : FILE_COLUMNS);
  const classAt = columnAmong(header, columns ? [columns.class] : CLASS_COLUMNS);
  const hasHeader = fileAt >= 0 && classAt >= 0;
  if (columns && !hasHeader) {
    throw new DataError(
      `${path}:${rows[0]?.line ?? 1}: expected columns '${columns.file}' and '${columns.class}', ` +
        `found ${header.join(', ')}`,
    );
  }
  const [first, second] = hasHeader ? [fileAt, classAt] : [0, 1];
  return (hasHeader ? rows.slice(1) : rows).map(({ line, fields }) => {
    const where = `${path}:${line}`;
    const file = fields[first];
    const className = fields[second];
    if (!file) throw new DataError(`${where}: there is no file name`);
    if (!className) throw new DataError(`${where}: ${file} has no class; expected FILE,CLASS`);
    return { where, file, className };
  });
}

function columnAmong(header: readonly string[], names: readonly string[]): number {
  const lower = header.map((name) => name.toLowerCase());
  return names.map((name) => lower.indexOf(name.toLowerCase())).find((at) => at >= 0) ?? -1;
}

function jsonEntries(text: string, path: string, { columns }: LabelsFileOptions): Entry[] {
  const value = parseJson(text, path);
  if (!Array.isArray(value)) {
    if (typeof value !== 'object' || value === null) {
      throw new DataError(`${path}: expected an array of files with classes, or an object of file: class`);
    }
    return Object.entries(value).map(([file, className]) =>
      entryOf(`${path}: ${JSON.stringify(file)}`, file, className),
    );
  }
  return value.map((item: unknown, i) => {
    const where = `${path}: entry ${i}`;
    if (Array.isArray(item)) return entryOf(where, item[0], item[1]);
    if (typeof item !== 'object' || item === null) {
      throw new DataError(`${where}: expected {"file": ..., "class": ...} or [file, class]`);
    }
    const keys = Object.keys(item);
    const pick = (names: readonly string[]): unknown => Object.values(item)[columnAmong(keys, names)];
    return entryOf(
      where,
      pick(columns ? [columns.file] : FILE_COLUMNS),
      pick(columns ? [columns.class] : CLASS_COLUMNS),
    );
  });
}

/** Node says where a text stops being JSON in characters; people count lines. */
function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const position = /position (\d+)/.exec(message)?.[1];
    const until = position === undefined ? text : text.slice(0, Number(position));
    throw new DataError(`${path}:${until.split('\n').length}: this is not JSON (${message})`, {
      cause: error,
    });
  }
}

function entryOf(where: string, file: unknown, className: unknown): Entry {
  if (typeof file !== 'string' || file === '') throw new DataError(`${where}: there is no file name`);
  const isName = (typeof className === 'string' && className !== '') || Number.isFinite(className);
  if (!isName) throw new DataError(`${where}: ${file} has no class`);
  return { where, file, className: String(className) };
}

/** A list may come from somebody else: it names pictures of its folder, and no other files. */
function pathWithin(dir: string, { where, file }: Entry): string {
  const path = resolve(dir, file);
  const inside = relative(dir, path);
  if (inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside)) return path;
  throw new DataError(
    `${where}: ${file} lies outside of ${dir}; give \`dir\`, the folder that holds all files`,
  );
}

function checkOnce(entries: readonly Entry[], paths: readonly string[]): void {
  const seen = new Map<string, number>();
  for (const [i, path] of paths.entries()) {
    const before = seen.get(path);
    if (before !== undefined) {
      throw new DataError(
        `${entries[i]!.where}: ${entries[i]!.file} stands in the list already (${entries[before]!.where})`,
      );
    }
    seen.set(path, i);
  }
}

/** Folder by folder, which is quicker than file by file. */
async function checkExist(entries: readonly Entry[], paths: readonly string[]): Promise<void> {
  const listings = new Map<string, Promise<Set<string>>>();
  for (const [i, path] of paths.entries()) {
    const folder = dirname(path);
    let names = listings.get(folder);
    if (!names) {
      names = readdir(folder).then(
        (found) => new Set(found),
        () => new Set<string>(),
      );
      listings.set(folder, names);
    }
    if (!(await names).has(basename(path))) {
      throw new DataError(`${entries[i]!.where}: there is no file ${path}; check the name, or give \`dir\``);
    }
  }
}

function namesOf(entries: readonly Entry[]): string[] {
  const names = [...new Set(entries.map(({ className }) => className))];
  if (names.every((name) => /^\d+$/.test(name))) return names.sort((a, b) => Number(a) - Number(b));
  return names.sort();
}

function labelsOf(entries: readonly Entry[], classNames: readonly string[]): Int32Array {
  const labelOf = new Map(classNames.map((name, label) => [name, label]));
  return Int32Array.from(entries, ({ where, file, className }) => {
    const label = labelOf.get(className);
    if (label !== undefined) return label;
    const known = classNames.slice(0, 5).join(', ') + (classNames.length > 5 ? ', ...' : '');
    throw new DataError(`${where}: ${file} has class '${className}', which is not among ${known}`);
  });
}
