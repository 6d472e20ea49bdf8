// Paths of many files, packed into bytes: of each only what differs from the one before it, and no object a path.
// Invariant: a list is only added to; it gives what was added, in the order in which it was.

/** What holds paths: an array of strings, or the packed list of a scan. */
export type Paths = Pick<readonly string[], 'length' | 'at'> & Iterable<string>;

/** Paths that are looked through to find one: the first of each group is stored whole. */
const GROUP = 16;
/** Paths that are packed together; until then they are strings. */
const CHUNK = 256 * GROUP;

/** Of {@link CHUNK} paths. Each is the length of what it shares with the one before, that of the rest, and the rest. */
interface PackedChunk {
  readonly bytes: Uint8Array;
  /** Where each group begins in `bytes`. */
  readonly starts: Uint32Array;
}

/** A list on its way to another thread, in memory that both threads see. */
export interface SharedPaths {
  readonly chunks: readonly PackedChunk[];
  readonly tail: readonly string[];
  readonly characters: number;
}

/** A list of paths that takes ten to twenty bytes for each where they have names of a kind and folders in common. */
export class PathList implements Iterable<string> {
  readonly #chunks: PackedChunk[] = [];
  /** The last ones, fewer than {@link CHUNK}. */
  #tail: string[] = [];
  #characters = 0;

  /** @returns the list itself, if it is one */
  static from(paths: Paths): PathList {
    if (paths instanceof PathList) return paths;
    const list = new PathList();
    for (const path of paths) list.push(path);
    return list;
  }

  static fromShared({ chunks, tail, characters }: SharedPaths): PathList {
    const list = new PathList();
    list.#chunks.push(...chunks);
    list.#tail = [...tail];
    list.#characters = characters;
    return list;
  }

  get length(): number {
    return this.#chunks.length * CHUNK + this.#tail.length;
  }

  /** Of all paths together, in UTF-16. */
  get characters(): number {
    return this.#characters;
  }

  get shared(): SharedPaths {
    return { chunks: this.#chunks, tail: this.#tail, characters: this.#characters };
  }

  push(path: string): void {
    this.#tail.push(path);
    this.#characters += path.length;
    if (this.#tail.length < CHUNK) return;
    this.#chunks.push(pack(this.#tail));
    this.#tail = [];
  }

  /** As of an array: negative ones count from the end. */
  at(index: number): string | undefined {
    const whole = Math.trunc(index) || 0;
    const position = whole < 0 ? whole + this.length : whole;
    const chunk = this.#chunks[Math.floor(position / CHUNK)];
    const inside = position % CHUNK;
    if (!chunk || position < 0) return this.#tail[position - this.#chunks.length * CHUNK];
    const reader = new GroupReader(chunk, Math.floor(inside / GROUP));
    for (let i = 0; i < inside % GROUP; i++) reader.skip();
    return reader.next();
  }

  /** @returns the paths from `start` to before `end` */
  slice(start: number, end: number): string[] {
    return Array.from({ length: Math.min(end, this.length) - start }, (_, i) => this.at(start + i)!);
  }

  *[Symbol.iterator](): IterableIterator<string> {
    for (const chunk of this.#chunks) {
      for (let group = 0; group < CHUNK / GROUP; group++) {
        const reader = new GroupReader(chunk, group);
        for (let i = 0; i < GROUP; i++) yield reader.next();
      }
    }
    yield* this.#tail;
  }
}

function pack(paths: readonly string[]): PackedChunk {
  const parts: Buffer[] = [];
  const starts = new Uint32Array(new SharedArrayBuffer((4 * paths.length) / GROUP));
  let length = 0;
  const add = (part: Buffer): void => {
    parts.push(part);
    length += part.length;
  };
  let before = Buffer.alloc(0);
  for (const [i, path] of paths.entries()) {
    if (i % GROUP === 0) starts[i / GROUP] = length;
    const bytes = Buffer.from(path);
    const common = i % GROUP === 0 ? 0 : commonLength(before, bytes);
    add(Buffer.from([...varint(common), ...varint(bytes.length - common)]));
    add(bytes.subarray(common));
    before = bytes;
  }
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes, starts };
}

function commonLength(a: Uint8Array, b: Uint8Array): number {
  const most = Math.min(a.length, b.length);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

/** Seven bits a byte, the lowest first; the eighth says that more follow. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest >>>= 7) bytes.push((rest & 127) | 128);
  return [...bytes, rest];
}

/** Goes through the paths of a group. */
class GroupReader {
  readonly #bytes: Uint8Array;
  #at: number;
  /** The path that was read last. */
  #path = Buffer.allocUnsafe(256);
  #length = 0;

  constructor({ bytes, starts }: PackedChunk, group: number) {
    this.#bytes = bytes;
    this.#at = starts[group]!;
  }

  skip(): void {
    const common = this.#varint();
    const rest = this.#varint();
    this.#length = common + rest;
    if (this.#length > this.#path.length) {
      this.#path = Buffer.concat([this.#path, Buffer.alloc(2 * this.#length)]);
    }
    for (let i = common; i < this.#length; i++) this.#path[i] = this.#bytes[this.#at++]!;
  }

  next(): string {
    this.skip();
    return this.#path.toString('utf8', 0, this.#length);
  }

  #varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes[this.#at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  }
}
