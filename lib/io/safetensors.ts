// Reads and writes safetensors files (https://github.com/huggingface/safetensors) as typed arrays; knows no tensors.
// Invariant: data stays on disk until it is asked for, one tensor at a time; a failed write changes nothing.

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { ArgumentError, DisposedError, FileFormatError } from '../errors.js';
import { formatCount } from '../format.js';
import { writeFileAtomically } from './atomic-file.js';
import {
  clip,
  DTYPES,
  HEADER_LIMIT_BYTES,
  lengthOf,
  makeHeader,
  parseHeader,
  PREFIX_BYTES,
  quote,
  type PlacedTensor,
  type SafetensorsData,
  type SafetensorsDType,
  type SafetensorsInfo,
} from './safetensors-header.js';

export type { SafetensorsData, SafetensorsDType, SafetensorsInfo };

/** The most that one system call reads. */
const READ_LIMIT_BYTES = 16 * 2 ** 20;
/** Bytes that are hashed at a time: a few milliseconds of the event loop. */
const HASH_BYTES = 4 * 2 ** 20;
const SHA256_BYTES = 32;
/** As much of a file as is needed to tell what else it is. */
const SNIFF_BYTES = 256;

/** A tensor to write: its description, and its data or a function that fetches them when their turn comes. */
export interface SafetensorsEntry extends SafetensorsInfo {
  /**
   * [product of shape]: a Float32Array for float32, Int32Array for int32, Uint8Array for uint8, Int8Array for int8, and a Uint16Array
   * of the bits for float16 and bfloat16. Must not change before `writeSafetensors` is done.
   */
  readonly data: SafetensorsData | (() => SafetensorsData | Promise<SafetensorsData>);
}

/** An open file, its header read and checked. Close it, or declare it with `await using`. */
export interface SafetensorsFile extends AsyncDisposable {
  readonly path: string;
  /** Free text by key; has no prototype, so that every key is safe to look up. */
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their data. */
  readonly entries: readonly SafetensorsInfo[];
  /**
   * Data of one tensor, [product of shape], in a buffer of its own.
   * @throws FileFormatError if there is no such tensor or the file cannot be read, DisposedError after `close()`
   */
  read(name: string): Promise<SafetensorsData>;
  /**
   * Compares the file with the checksum of this name, see {@link WriteOptions}.
   * @throws FileFormatError if it has none, or another one
   */
  verify(name: string): Promise<void>;
  /** Waits for reads under way. May be called twice. */
  close(): Promise<void>;
}

/**
 * Writes a safetensors file, replacing what is at `path` in one step. The same entries and metadata give the same
 * bytes, whatever their order. Data are asked for in the order of the file: widest element first, then by name.
 * @param metadata free text by key; default none
 * @param options.checksum  name of a last tensor, uint8 [32]: the SHA-256 of all bytes before it. No other uint8 tensor
 *   may have a name behind it.
 * @throws ArgumentError if the format cannot hold it, or data do not fit their shape; FileWriteError if the system
 *   refuses, e.g. on a full disk; whatever a `data` function throws. The previous file is untouched in every case.
 */
export async function writeSafetensors(
  path: string,
  entries: Iterable<SafetensorsEntry>,
  metadata: Readonly<Record<string, string>> = {},
  { checksum }: WriteOptions = {},
): Promise<{ readonly bytes: number }> {
  const all = [...entries, ...(checksum === undefined ? [] : [placeForChecksum(checksum)])];
  const { head, ordered, dataBytes } = makeHeader(all, metadata);
  const bytes = head.byteLength + dataBytes;
  if (checksum !== undefined && ordered.at(-1)?.name !== checksum) {
    throw new ArgumentError(`safetensors: the checksum ${quote(checksum)} would not be the last tensor`);
  }
  const data = checksum === undefined ? pieces(head, ordered) : withChecksum(head, ordered.slice(0, -1));
  await writeFileAtomically(path, data, { byteLength: bytes });
  return { bytes };
}

export interface WriteOptions {
  /** Name of the tensor that holds the checksum. Default: none is written. */
  readonly checksum?: string;
}

function placeForChecksum(name: string): SafetensorsEntry {
  return { name, dtype: 'uint8', shape: [SHA256_BYTES], data: new Uint8Array() };
}

async function* withChecksum(
  head: Uint8Array,
  entries: readonly SafetensorsEntry[],
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const piece of pieces(head, entries)) {
    for (let at = 0; at < piece.byteLength; at += HASH_BYTES) {
      const part = piece.subarray(at, at + HASH_BYTES);
      hash.update(part);
      yield part;
    }
  }
  yield hash.digest();
}

async function* pieces(head: Uint8Array, entries: readonly SafetensorsEntry[]): AsyncGenerator<Uint8Array> {
  yield head;
  for (const entry of entries) yield bytesOf(entry, await fetchData(entry));
}

function fetchData({ data }: SafetensorsEntry): SafetensorsData | Promise<SafetensorsData> {
  return typeof data === 'function' ? data() : data;
}

function bytesOf(entry: SafetensorsEntry, data: SafetensorsData): Uint8Array {
  const { name: expected } = DTYPES[entry.dtype].array;
  const length = lengthOf(entry);
  // The tag and not instanceof: a Buffer is a Uint8Array, and arrays may come from another realm.
  const found = data[Symbol.toStringTag];
  if (found !== expected || data.length !== length) {
    throw new ArgumentError(
      `safetensors: data of tensor ${quote(entry.name)} are a ${found} of ${formatCount(data.length)}, expected a ` +
        `${expected} of ${formatCount(length)} (${entry.dtype} [${entry.shape.join(', ')}])`,
    );
  }
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * Opens a safetensors file and reads its header; the data stay on disk until `read`.
 * @returns a file that the caller closes
 * @throws FileFormatError if it is missing, truncated, damaged, of another kind, or holds a dtype not read here
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  // Without O_NONBLOCK, which Windows lacks, opening a named pipe would wait for a writer for ever.
  const flags = constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0);
  const handle = await system(path, open(path, flags));
  try {
    const stat = await system(path, handle.stat());
    if (!stat.isFile()) throw new FileFormatError(path, 'not a file. Give the path of a .safetensors file.');
    const headerBytes = await readHeaderLength(path, handle, stat.size);
    const dataStart = PREFIX_BYTES + headerBytes;
    const header = await readBytes(path, handle, { position: PREFIX_BYTES, length: headerBytes });
    const { tensors, metadata } = await withHint(path, handle, () =>
      parseHeader(path, decode(path, header), stat.size - dataStart),
    );
    return new OpenFile(path, metadata, { handle, tensors, dataStart });
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

class OpenFile implements SafetensorsFile {
  readonly entries: readonly SafetensorsInfo[];
  readonly #tensors: ReadonlyMap<string, PlacedTensor>;
  readonly #handle: FileHandle;
  readonly #dataStart: number;
  #closing: Promise<void> | undefined;

  constructor(
    readonly path: string,
    readonly metadata: Readonly<Record<string, string>>,
    file: { handle: FileHandle; tensors: readonly PlacedTensor[]; dataStart: number },
  ) {
    this.entries = file.tensors.map(({ name, dtype, shape }) => ({ name, dtype, shape }));
    this.#tensors = new Map(file.tensors.map((tensor) => [tensor.name, tensor]));
    this.#handle = file.handle;
    this.#dataStart = file.dataStart;
  }

  async read(name: string): Promise<SafetensorsData> {
    if (this.#closing !== undefined) throw new DisposedError(`${this.path}: read after close()`);
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) {
      const names = clip([...this.#tensors.keys()].join(', '));
      throw new FileFormatError(this.path, `has no tensor ${quote(name)}; it has ${names || 'none'}`);
    }
    const buffer = await readBytes(this.path, this.#handle, {
      position: this.#dataStart + tensor.begin,
      length: tensor.end - tensor.begin,
    });
    return new DTYPES[tensor.dtype].array(buffer);
  }

  async verify(name: string): Promise<void> {
    const expected = this.entries.at(-1);
    if (expected?.name !== name || expected.dtype !== 'uint8' || lengthOf(expected) !== SHA256_BYTES) {
      throw new FileFormatError(this.path, `has no checksum ${quote(name)} at its end`);
    }
    const found = Buffer.from((await this.read(name)) as Uint8Array);
    const length = this.#dataStart + (this.#tensors.get(name) as PlacedTensor).begin;
    const hash = createHash('sha256');
    for (let position = 0; position < length; position += HASH_BYTES) {
      const size = Math.min(HASH_BYTES, length - position);
      hash.update(Buffer.from(await readBytes(this.path, this.#handle, { position, length: size })));
    }
    if (hash.digest().equals(found)) return;
    throw new FileFormatError(this.path, 'damaged: its contents do not match its checksum');
  }

  close(): Promise<void> {
    this.#closing ??= system(this.path, this.#handle.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Checked against the file's size before anything of that length is allocated. */
async function readHeaderLength(path: string, handle: FileHandle, fileBytes: number): Promise<number> {
  if (fileBytes < PREFIX_BYTES) {
    const size = fileBytes === 0 ? 'empty' : `truncated: it has only ${fileBytes} bytes`;
    throw new FileFormatError(path, `${size}. Copy or download it again.`);
  }
  const prefix = Buffer.from(await readBytes(path, handle, { position: 0, length: PREFIX_BYTES }));
  const length = prefix.readBigUInt64LE();
  return withHint(path, handle, () => {
    if (length > BigInt(HEADER_LIMIT_BYTES)) {
      const limit = formatCount(HEADER_LIMIT_BYTES);
      throw new FileFormatError(
        path,
        `not a safetensors file: its header would have more than ${limit} bytes`,
      );
    }
    if (length > BigInt(fileBytes - PREFIX_BYTES)) {
      const sizes = `a header of ${formatCount(Number(length))} bytes in a file of ${formatCount(fileBytes)}`;
      throw new FileFormatError(path, `truncated, or not a safetensors file: ${sizes}`);
    }
    return Number(length);
  });
}

function decode(path: string, header: ArrayBuffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(header);
  } catch (cause) {
    throw new FileFormatError(path, 'damaged: the header is not UTF-8', { cause });
  }
}

/** Runs a check of the header; where it fails because the file is of a well-known other kind, says which. */
async function withHint<T>(path: string, handle: FileHandle, check: () => T): Promise<T> {
  try {
    return check();
  } catch (error) {
    const { size } = await system(path, handle.stat());
    const start = await readBytes(path, handle, { position: 0, length: Math.min(size, SNIFF_BYTES) });
    const kind = otherKind(Buffer.from(start).toString('latin1'));
    if (kind === undefined) throw error;
    throw new FileFormatError(path, `not a safetensors file, but ${kind}`, { cause: error });
  }
}

const TORCH_HINT =
  'Convert it in Python: safetensors.torch.save_file(torch.load(path, weights_only=True), target)';
/* eslint-disable no-control-regex -- signatures are bytes, many of them control characters on purpose */
const SIGNATURES: readonly (readonly [start: RegExp, kind: string])[] = [
  [/^PK\x03\x04[^]{26}[^]{0,120}?\.npy/, 'a NumPy .npz archive. Convert it with safetensors.numpy.save_file'],
  [/^PK\x03\x04[^]{26}[^]{0,120}?(data\.pkl|\.format_version)/, `a PyTorch file (.pt, .pth). ${TORCH_HINT}`],
  [/^PK\x03\x04/, 'a zip archive'],
  [/^\x80[\x02-\x05]/, `a Python pickle, as old PyTorch versions wrote (.pt, .pth). ${TORCH_HINT}`],
  [/^\x89HDF\r\n\x1a\n/, 'an HDF5 file (.h5). Convert it with h5py and safetensors.numpy.save_file'],
  [/^\x93NUMPY/, 'a NumPy .npy file. Convert it with safetensors.numpy.save_file'],
  [/^GGUF/, 'a GGUF file'],
  [/^\x1f\x8b/, 'compressed with gzip. Decompress it first'],
  [/^version https:\/\/git-lfs/, 'a Git LFS pointer. Fetch the file itself: git lfs pull'],
  [/^\s*<(!DOCTYPE|html)/i, 'a web page. The download went wrong; download it again'],
];
/* eslint-enable no-control-regex */

function otherKind(start: string): string | undefined {
  return SIGNATURES.find(([pattern]) => pattern.test(start))?.[1];
}

async function readBytes(
  path: string,
  handle: FileHandle,
  { position, length }: { position: number; length: number },
): Promise<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  while (at < length) {
    const size = Math.min(READ_LIMIT_BYTES, length - at);
    const { bytesRead } = await system(path, handle.read(bytes, at, size, position + at));
    if (bytesRead === 0) throw new FileFormatError(path, 'truncated while it was being read');
    at += bytesRead;
  }
  return bytes.buffer;
}

/** Gives a failed system call the path and the words that a user can act on. */
async function system<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    const reason = missing ? 'there is no such file' : `cannot be read: ${(cause as Error).message}`;
    throw new FileFormatError(path, reason, { cause });
  }
}
