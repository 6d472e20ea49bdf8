// Lists of (file, class) pairs, as CSV or JSON, to labelled files. A CSV file may be of any length: it is never held whole.
// Invariant: every error names the line, or for JSON the entry, that it is about; every file listed exists.

import { readFile } from 'node:fs/promises';
import { dirname, extname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { DataError } from '../errors.js';
import { readCsv, type CsvRow } from './csv.js';
import type { LabelledFiles } from './labelled-files.js';
import { NumberList } from './number-list.js';
import { PathIndex } from './path-index.js';
import { PathList } from './path-list.js';
import { entriesOf } from './scan-folder.js';

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
  /** The line or entry, from which `whereOf` makes what errors say. */
  readonly at: number;
  readonly file: string;
  readonly className: string;
}

/** A list as it is read: some entries at a time. */
interface Listing {
  readonly entries: AsyncIterable<Iterable<Entry>> | readonly Iterable<Entry>[];
  /** Where an entry stands: 'labels.csv:3'. */
  readonly whereOf: (at: number) => string;
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
 * Class names are taken as text, also where they are numbers. CSV is read piece by piece and takes some forty bytes of
 * memory for each file; JSON is read as a whole.
 * @returns the files in the order of the list, with `dir` before their names
 * @throws DataError naming the line (or JSON entry) if something is missing, listed twice, no file, outside of `dir`, or of
 * a class that is not among `classNames`
 */
export async function readLabelsFile(path: string, options: LabelsFileOptions = {}): Promise<LabelledFiles> {
  const dir = options.dir ?? dirname(path);
  const isJson = extname(path).toLowerCase() === '.json';
  const { entries, whereOf } = isJson ? await jsonListing(path, options) : csvListing(path, options);
  const files = new PathIndex(new PathList());
  const folders = new PathIndex(new PathList());
  const [places, classes] = [new NumberList(), new ClassList(options.classNames)];
  for await (const some of entries) {
    for (const entry of some) {
      const where = whereOf(entry.at);
      const file = pathWithin(dir, entry, where);
      const before = files.add(file);
      if (before >= 0) {
        const first = whereOf(places.at(before));
        throw new DataError(`${where}: ${entry.file} stands in the list already (${first})`);
      }
      places.push(entry.at);
      classes.add(entry, where);
      folders.add(dirname(file));
    }
  }
  if (places.length === 0) throw new DataError(`${path}: there are no files in the list`);
  await checkExist(files, folders.paths, (position) => whereOf(places.at(position)));
  return { ...classes.result, paths: files.paths };
}

function csvListing(path: string, options: LabelsFileOptions): Listing {
  return { entries: csvEntries(path, options), whereOf: (line) => `${path}:${line}` };
}

async function* csvEntries(
  path: string,
  { columns }: LabelsFileOptions,
): AsyncGenerator<Iterable<Entry>, void> {
  let places: readonly [file: number, className: number] | undefined;
  for await (const rows of readCsv(path)) {
    const [header] = rows;
    if (places || !header) {
      yield rows.map((row) => csvEntry(path, row, places!));
      continue;
    }
    const named = headerColumns(header, columns);
    if (columns && !named) {
      throw new DataError(
        `${path}:${header.line}: expected columns '${columns.file}' and '${columns.class}', ` +
          `found ${header.fields.join(', ')}`,
      );
    }
    places = named ?? [0, 1];
    yield (named ? rows.slice(1) : rows).map((row) => csvEntry(path, row, places!));
  }
}

/** Where the columns are; undefined if the row names none. */
function headerColumns(
  { fields }: CsvRow,
  columns: LabelsFileOptions['columns'],
): readonly [file: number, className: number] | undefined {
  const fileAt = columnAmong(fields, columns ? [columns.file] : FILE_COLUMNS);
  const classAt = columnAmong(fields, columns ? [columns.class] : CLASS_COLUMNS);
  return fileAt >= 0 && classAt >= 0 ? [fileAt, classAt] : undefined;
}

function csvEntry(
  path: string,
  { line, fields }: CsvRow,
  [fileAt, classAt]: readonly [file: number, className: number],
): Entry {
  const file = fields[fileAt];
  const className = fields[classAt];
  if (!file) throw new DataError(`${path}:${line}: there is no file name`);
  if (!className) throw new DataError(`${path}:${line}: ${file} has no class; expected FILE,CLASS`);
  return { at: line, file, className };
}

function columnAmong(header: readonly string[], names: readonly string[]): number {
  const lower = header.map((name) => name.toLowerCase());
  return names.map((name) => lower.indexOf(name.toLowerCase())).find((at) => at >= 0) ?? -1;
}

async function jsonListing(path: string, { columns }: LabelsFileOptions): Promise<Listing> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new DataError(`${path}: the list cannot be read (${error.message})`, { cause: error });
  });
  const value = parseJson(text, path);
  if (!Array.isArray(value)) {
    if (typeof value !== 'object' || value === null) {
      throw new DataError(`${path}: expected an array of files with classes, or an object of file: class`);
    }
    const pairs = Object.entries(value);
    const whereOf = (at: number): string => `${path}: ${JSON.stringify(pairs[at]![0])}`;
    return { entries: [pairs.map((pair, at) => entryOf(pair, at, whereOf))], whereOf };
  }
  const whereOf = (at: number): string => `${path}: entry ${at}`;
  const entries = value.map((item: unknown, at) => {
    if (Array.isArray(item)) return entryOf(item, at, whereOf);
    if (typeof item !== 'object' || item === null) {
      throw new DataError(`${whereOf(at)}: expected {"file": ..., "class": ...} or [file, class]`);
    }
    const keys = Object.keys(item);
    const pick = (names: readonly string[]): unknown => Object.values(item)[columnAmong(keys, names)];
    const pair = columns
      ? [pick([columns.file]), pick([columns.class])]
      : [pick(FILE_COLUMNS), pick(CLASS_COLUMNS)];
    return entryOf(pair, at, whereOf);
  });
  return { entries: [entries], whereOf };
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

function entryOf([file, className]: readonly unknown[], at: number, whereOf: (at: number) => string): Entry {
  if (typeof file !== 'string' || file === '') throw new DataError(`${whereOf(at)}: there is no file name`);
  const isName = (typeof className === 'string' && className !== '') || Number.isFinite(className);
  if (!isName) throw new DataError(`${whereOf(at)}: ${file} has no class`);
  return { at, file, className: String(className) };
}

/** A list may come from somebody else: it names pictures of its folder, and no other files. */
function pathWithin(dir: string, { file }: Entry, where: string): string {
  const path = resolve(dir, file);
  const inside = relative(dir, path);
  if (inside !== '..' && !inside.startsWith(`..${sep}`) && !isAbsolute(inside)) return path;
  throw new DataError(
    `${where}: ${file} lies outside of ${dir}; give the folder that holds all files: \`dir\`, --list-dir`,
  );
}

/** Folder by folder, which is quicker than file by file. */
async function checkExist(
  files: PathIndex,
  folders: PathList,
  whereOf: (position: number) => string,
): Promise<void> {
  const isThere = new Uint8Array(files.paths.length);
  for (const folder of folders) {
    try {
      for await (const { name } of entriesOf(folder)) {
        const position = files.find(join(folder, name));
        if (position >= 0) isThere[position] = 1;
      }
    } catch (error) {
      if (!(error instanceof DataError)) throw error; // what is in such a folder is not there
    }
  }
  const missing = isThere.indexOf(0);
  if (missing < 0) return;
  const path = files.paths.at(missing)!;
  throw new DataError(
    `${whereOf(missing)}: there is no file ${path}; check the name, or give the folder of the files: \`dir\`, --list-dir`,
  );
}

/** The classes of files, one after the other. */
class ClassList {
  readonly #given: readonly string[] | undefined;
  /** In the order in which they came, or as they were given. */
  readonly #numbers: Map<string, number>;
  readonly #found = new NumberList();

  constructor(given: readonly string[] | undefined) {
    this.#given = given;
    this.#numbers = new Map(given?.map((name, label) => [name, label]));
  }

  /** @throws DataError if the class is not among those that are given */
  add({ file, className }: Entry, where: string): void {
    const number = this.#numbers.get(className);
    if (number === undefined && this.#given) {
      const known = this.#given.slice(0, 5).join(', ') + (this.#given.length > 5 ? ', ...' : '');
      throw new DataError(`${where}: ${file} has class '${className}', which is not among ${known}`);
    }
    this.#found.push(number ?? this.#numbers.size);
    if (number === undefined) this.#numbers.set(className, this.#numbers.size);
  }

  get result(): { classNames: readonly string[]; labels: Int32Array } {
    if (this.#given) return { classNames: this.#given, labels: this.#found.values };
    const classNames = sorted([...this.#numbers.keys()]);
    const labels = new Int32Array(classNames.length);
    for (const [label, name] of classNames.entries()) labels[this.#numbers.get(name)!] = label;
    return { classNames, labels: this.#found.values.map((number) => labels[number]!) };
  }
}

function sorted(names: string[]): string[] {
  if (names.every((name) => /^\d+$/.test(name))) return names.sort((a, b) => Number(a) - Number(b));
  return names.sort();
}
