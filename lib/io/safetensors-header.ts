// The JSON header of a safetensors file: made from a list of tensors, and checked before anything is believed.
// Invariant: a parsed header's tensors cover the file's data exactly, without gap or overlap.

import { ArgumentError, FileFormatError } from '../errors.js';
import { formatCount } from '../format.js';

export type SafetensorsData = Float32Array | Uint16Array | Int32Array | Uint8Array | Int8Array;
export type SafetensorsDType = 'float32' | 'float16' | 'bfloat16' | 'int32' | 'uint8' | 'int8';

/** What the header says of a tensor. */
export interface SafetensorsInfo {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  /** Row-major; [] for a scalar. */
  readonly shape: readonly number[];
}

/** Where a tensor's bytes are, counted from the end of the header. */
export interface PlacedTensor extends SafetensorsInfo {
  readonly begin: number;
  readonly end: number;
}

interface DTypeEntry {
  /** The format's name for it. */
  readonly code: string;
  readonly array: new (buffer: ArrayBuffer) => SafetensorsData;
  readonly itemBytes: number;
}

/** JavaScript has no 16-bit floats before Float16Array: their bits are kept in a Uint16Array. */
export const DTYPES: Readonly<Record<SafetensorsDType, DTypeEntry>> = {
  float32: { code: 'F32', array: Float32Array, itemBytes: 4 },
  float16: { code: 'F16', array: Uint16Array, itemBytes: 2 },
  bfloat16: { code: 'BF16', array: Uint16Array, itemBytes: 2 },
  int32: { code: 'I32', array: Int32Array, itemBytes: 4 },
  uint8: { code: 'U8', array: Uint8Array, itemBytes: 1 },
  int8: { code: 'I8', array: Int8Array, itemBytes: 1 },
};

const BY_CODE = new Map(
  Object.entries(DTYPES).map(([dtype, { code }]) => [code, dtype as SafetensorsDType] as const),
);

/** The format's limit. */
export const HEADER_LIMIT_BYTES = 100_000_000;
/** Bytes before the header: its length, little-endian. */
export const PREFIX_BYTES = 8;
const METADATA_KEY = '__metadata__';

/** Number of elements, or NaN where it is beyond what a number can count. */
function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return Number.isSafeInteger(count) ? count : NaN;
}

/**
 * Places tensors in a file and makes the header. The same tensors and metadata give the same bytes, in whatever
 * order they come: widest element first, so that all data is aligned, then by name.
 * @returns prefix and header together, and the tensors in the order of their data
 * @throws ArgumentError for what the format cannot hold
 */
export function makeHeader<T extends SafetensorsInfo>(
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>>,
): { head: Uint8Array; ordered: T[]; dataBytes: number } {
  const seen = new Set<string>();
  for (const tensor of tensors) checkWritable(tensor, seen);
  const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  const ordered = [...tensors].sort(
    (a, b) => DTYPES[b.dtype].itemBytes - DTYPES[a.dtype].itemBytes || compare(a.name, b.name),
  );
  // Written by hand: an object would move keys that look like numbers to the front.
  const members: string[] = [];
  const pairs = Object.entries(metadata).sort(([a], [b]) => compare(a, b));
  if (pairs.length > 0) members.push(`"${METADATA_KEY}":{${pairs.map(metadataMember).join(',')}}`);
  let end = 0;
  for (const { name, dtype, shape } of ordered) {
    const begin = end;
    end += elementCount(shape) * DTYPES[dtype].itemBytes;
    const value = { dtype: DTYPES[dtype].code, shape, data_offsets: [begin, end] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  }
  if (!Number.isSafeInteger(end)) {
    throw new ArgumentError('safetensors: the tensors have more than 2^53 bytes');
  }
  return { head: encodeHead(`{${members.join(',')}}`), ordered, dataBytes: end };
}

function encodeHead(json: string): Uint8Array {
  const length = Buffer.byteLength(json);
  // The data begins at a multiple of 8.
  const padded = Math.ceil(length / 8) * 8;
  if (padded > HEADER_LIMIT_BYTES) {
    throw new ArgumentError(
      `safetensors: a header of ${formatCount(padded)} bytes; the format allows ${formatCount(HEADER_LIMIT_BYTES)}. ` +
        'Keep large texts out of the metadata.',
    );
  }
  const head = Buffer.alloc(PREFIX_BYTES + padded, ' ');
  head.writeBigUInt64LE(BigInt(padded), 0);
  head.write(json, PREFIX_BYTES);
  return head;
}

function metadataMember([key, value]: [string, unknown]): string {
  if (typeof value !== 'string') {
    throw new ArgumentError(
      `safetensors: metadata ${quote(key)} is a ${typeof value}, expected a string. Use JSON.stringify for others.`,
    );
  }
  checkText(key, 'a metadata key');
  checkText(value, `metadata ${quote(key)}`);
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

/** Half of a surrogate pair has no UTF-8 form. */
function checkText(text: string, what: string): void {
  if (/\p{Surrogate}/u.test(text)) {
    throw new ArgumentError(`safetensors: ${what} is not well-formed Unicode: ${quote(text)}`);
  }
}

function checkWritable({ name, dtype, shape }: SafetensorsInfo, seen: Set<string>): void {
  checkText(name, 'a tensor name');
  if (name === METADATA_KEY) throw new ArgumentError(`safetensors: no tensor can be named ${METADATA_KEY}`);
  if (seen.has(name)) throw new ArgumentError(`safetensors: two tensors are named ${quote(name)}`);
  seen.add(name);
  if (!Object.hasOwn(DTYPES, dtype)) {
    throw new ArgumentError(
      `safetensors: tensor ${quote(name)} has dtype ${dtype}, expected ${Object.keys(DTYPES).join(', ')}`,
    );
  }
  if (!shape.every(isSize) || Number.isNaN(elementCount(shape))) {
    throw new ArgumentError(
      `safetensors: tensor ${quote(name)} has an impossible shape [${shape.join(', ')}]`,
    );
  }
}

/** Number of elements of a tensor whose shape was checked. */
export function lengthOf({ shape }: SafetensorsInfo): number {
  return elementCount(shape);
}

/**
 * Reads and checks the JSON of a header.
 * @param text      without the length before it
 * @param dataBytes that the file has after the header
 * @returns tensors in the order of their data; metadata without a prototype, so any key is safe to look up
 * @throws FileFormatError naming `path` and the first thing that is wrong
 */
export function parseHeader(
  path: string,
  text: string,
  dataBytes: number,
): { tensors: PlacedTensor[]; metadata: Readonly<Record<string, string>> } {
  const fail = (reason: string): never => {
    throw new FileFormatError(path, reason);
  };
  const members = parseMembers(text, fail);
  const metadata = Object.create(null) as Record<string, string>;
  const tensors: PlacedTensor[] = [];
  for (const [name, value] of members) {
    if (name === METADATA_KEY) readMetadata(value, metadata, fail);
    else tensors.push(readTensor(name, value, fail));
  }
  tensors.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(tensors, dataBytes, fail);
  return { tensors, metadata: Object.freeze(metadata) };
}

type Fail = (reason: string) => never;

function parseMembers(text: string, fail: Fail): [string, unknown][] {
  if (!text.startsWith('{')) fail('not a safetensors file: its header does not begin with {');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (cause) {
    fail(`damaged: the header is not JSON (${clip((cause as Error).message)})`);
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) fail(`damaged: the header has ${quote(twice)} twice`);
  return isObject(header) ? Object.entries(header) : fail('damaged: the header is not a JSON object');
}

function readMetadata(value: unknown, metadata: Record<string, string>, fail: Fail): void {
  if (!isObject(value)) return fail(`damaged: ${METADATA_KEY} is not an object`);
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') return fail(`damaged: metadata ${quote(key)} is not a string`);
    metadata[key] = text;
  }
}

function readTensor(name: string, value: unknown, fail: Fail): PlacedTensor {
  const what = `tensor ${quote(name)}`;
  if (!isObject(value)) return fail(`damaged: ${what} is not described by an object`);
  const { dtype: code, shape, data_offsets: offsets } = value;
  if (typeof code !== 'string') return fail(`damaged: ${what} has no dtype`);
  const dtype = BY_CODE.get(code);
  if (dtype === undefined) {
    const known = [...BY_CODE.keys()].join(', ');
    return fail(
      `${what} has dtype ${quote(code)}, which is not read here. Convert it to one of ${known} first.`,
    );
  }
  if (!isSizeList(shape)) return fail(`damaged: ${what} has no valid shape`);
  if (!isSizeList(offsets)) return fail(`damaged: ${what} has no valid data_offsets`);
  const [begin, end, ...more] = offsets;
  if (begin === undefined || end === undefined || more.length > 0 || begin > end) {
    return fail(`damaged: ${what} has data_offsets [${clip(offsets.join(', '))}], expected [begin, end]`);
  }
  const expected = elementCount(shape) * DTYPES[dtype].itemBytes;
  if (end - begin !== expected) {
    const sizes = `${formatCount(end - begin)} bytes, but shape [${clip(shape.join(', '))}] of ${code}`;
    return fail(`damaged: ${what} has ${sizes} takes ${formatCount(expected)}`);
  }
  return { name, dtype, shape: Object.freeze(shape), begin, end };
}

function checkCoverage(tensors: readonly PlacedTensor[], dataBytes: number, fail: Fail): void {
  const last = tensors.at(-1)?.end ?? 0;
  if (last > dataBytes) {
    fail(
      `truncated: ${formatCount(last - dataBytes)} of ${formatCount(last)} bytes of data are missing. ` +
        'Copy or download it again.',
    );
  }
  let at = 0;
  for (const { name, begin, end } of tensors) {
    if (begin < at) fail(`damaged: tensor ${quote(name)} overlaps the one before it`);
    if (begin > at) {
      fail(`damaged: ${formatCount(begin - at)} bytes before tensor ${quote(name)} belong to none`);
    }
    at = end;
  }
  if (at < dataBytes) {
    fail(`damaged: ${formatCount(dataBytes - at)} bytes after the last tensor belong to none`);
  }
}

/**
 * The first key that an object of `text`, which is valid JSON, has twice. JSON.parse keeps the last one silently,
 * and another reader may keep the first: the same file would be two models.
 */
function repeatedKey(text: string): string | undefined {
  const scopes: Set<string>[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '{') scopes.push(new Set());
    else if (character === '}') scopes.pop();
    if (character !== '"') continue;
    const end = endOfString(text, at);
    const isKey = /\s*:/y;
    isKey.lastIndex = end + 1;
    if (isKey.test(text)) {
      const key = JSON.parse(text.slice(at, end + 1)) as string;
      const scope = scopes.at(-1);
      if (scope?.has(key) === true) return key;
      scope?.add(key);
    }
    at = end;
  }
  return undefined;
}

/** Index of the quotation mark that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isSizeList(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isSize);
}

/** For messages: names and texts of a damaged file may be of any length. */
export function clip(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

export function quote(text: string): string {
  return JSON.stringify(clip(text));
}
