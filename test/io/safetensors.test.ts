// The safetensors reader and writer against the format's own bytes and damaged files.
// Invariant: every damaged file gives a FileFormatError that says what is wrong.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArgumentError, DisposedError, FileFormatError } from '../../lib/errors.js';
import { openSafetensors, writeSafetensors, type SafetensorsEntry } from '../../lib/io/safetensors.js';
import { readAll } from './read-all.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'alexnet-safetensors-'));
  path = join(folder, 'model.safetensors');
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A file put together from the format's description: length, header, data. */
function fileBytes(header: string | Uint8Array, data: Uint8Array = new Uint8Array(0)): Buffer {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([prefix, text, data]);
}

const someEntries: readonly SafetensorsEntry[] = [
  {
    name: 'conv1.weight',
    dtype: 'float32',
    shape: [2, 3],
    data: new Float32Array([1, -2, 3.5, 0, NaN, 1e-40]),
  },
  { name: 'half', dtype: 'float16', shape: [3], data: new Uint16Array([0x3c00, 0xc000, 0x7c00]) },
  { name: 'brain', dtype: 'bfloat16', shape: [1, 1, 2], data: new Uint16Array([0x3f80, 0xbf80]) },
  { name: 'labels', dtype: 'int32', shape: [2], data: new Int32Array([-(2 ** 31), 2 ** 31 - 1]) },
  { name: 'pixels', dtype: 'uint8', shape: [5], data: new Uint8Array([0, 1, 127, 128, 255]) },
  { name: 'scalar', dtype: 'float32', shape: [], data: new Float32Array([42]) },
  { name: 'nothing', dtype: 'float32', shape: [4, 0, 2], data: new Float32Array(0) },
  { name: 'no bytes', dtype: 'uint8', shape: [0], data: new Uint8Array(0) },
];

describe('safetensors: round trip', () => {
  it('gives back every dtype, scalars and tensors of no elements', async () => {
    await writeSafetensors(path, someEntries);
    const expected = someEntries.map(({ name, ...rest }) => [name, rest] as const);
    assert.deepEqual(await readAll(path), Object.fromEntries(expected));
  });

  it('gives back metadata in any script and with any key', async () => {
    const metadata = Object.fromEntries([
      ['classes', '["кошка", "犬", "🐟"]'],
      ['', 'empty key'],
      ['"quoted"\n\u0000', '\\ \u2028 \t'],
      ['__proto__', 'a key like any other'],
      ['constructor', ''],
      ['10', 'b'],
      ['9', 'a'],
    ]);
    await writeSafetensors(path, someEntries, metadata);
    await using file = await openSafetensors(path);
    assert.deepEqual({ ...file.metadata }, metadata);
    assert.ok(!('toString' in file.metadata));
  });

  it('gives back tensors whose names would be special on an object', async () => {
    const names = ['__proto__', 'constructor', 'hasOwnProperty', '1', '0', '', 'ä.ö', '"', '\\', 'a"b\\": {'];
    const entries = names.map((name, index) => {
      return { name, dtype: 'int32', shape: [1], data: new Int32Array([index]) } as const;
    });
    await writeSafetensors(path, entries);
    await using file = await openSafetensors(path);
    assert.deepEqual(file.entries.map(({ name }) => name).sort(), [...names].sort());
    for (const [index, name] of names.entries()) {
      assert.deepEqual(await file.read(name), new Int32Array([index]));
    }
  });

  it('writes a file without tensors', async () => {
    await writeSafetensors(path, [], { note: 'empty' });
    await using file = await openSafetensors(path);
    assert.deepEqual(file.entries, []);
    assert.equal(file.metadata['note'], 'empty');
  });

  it('writes the same bytes for any order of entries and metadata, data aligned to their elements', async () => {
    const metadata = { b: '2', a: '1' };
    await writeSafetensors(path, someEntries, metadata);
    const other = join(folder, 'other.safetensors');
    await writeSafetensors(other, [...someEntries].reverse(), { a: '1', b: '2' });
    const bytes = readFileSync(path);
    assert.deepEqual(readFileSync(other), bytes);
    assert.equal(bytes.readBigUInt64LE() % 8n, 0n);
    await using file = await openSafetensors(path);
    assert.deepEqual(
      file.entries.map(({ name }) => name),
      ['conv1.weight', 'labels', 'nothing', 'scalar', 'brain', 'half', 'no bytes', 'pixels'],
    );
  });

  it('writes exactly the bytes that the format describes', async () => {
    const entry = { name: 'w', dtype: 'float32', shape: [1, 2], data: new Float32Array([1, -2]) } as const;
    await writeSafetensors(path, [entry], { format: 'pt' });
    const json =
      '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}' +
      ' '.repeat(1);
    assert.equal(json.length % 8, 0);
    const data = Uint8Array.of(0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0);
    assert.deepEqual(readFileSync(path), fileBytes(json, data));
  });

  it('asks for lazy data one at a time, in the order of the file', async () => {
    const log: string[] = [];
    let open = 0;
    const lazy = someEntries.map((entry) => ({
      ...entry,
      data: async () => {
        open += 1;
        assert.equal(open, 1);
        await new Promise(setImmediate);
        log.push(entry.name);
        open -= 1;
        return entry.data as Exclude<typeof entry.data, () => unknown>;
      },
    }));
    await writeSafetensors(path, lazy);
    const written = readFileSync(path);
    await writeSafetensors(path, someEntries);
    assert.deepEqual(written, readFileSync(path));
    await using file = await openSafetensors(path);
    assert.deepEqual(
      log,
      file.entries.map(({ name }) => name),
    );
  });

  it('writes a view of a larger buffer, and a Buffer', async () => {
    const base = new Float32Array([9, 1, 2, 9]);
    await writeSafetensors(path, [
      { name: 'view', dtype: 'float32', shape: [2], data: base.subarray(1, 3) },
      { name: 'buffer', dtype: 'uint8', shape: [3], data: Buffer.from('abc') },
    ]);
    await using file = await openSafetensors(path);
    assert.deepEqual(await file.read('view'), new Float32Array([1, 2]));
    assert.deepEqual(await file.read('buffer'), new Uint8Array([97, 98, 99]));
  });

  it('writes and reads a tensor larger than one system call takes', async () => {
    const data = new Int32Array(5 * 2 ** 20 + 3).map((_, index) => Math.imul(index, 2654435761));
    await writeSafetensors(path, [{ name: 'large', dtype: 'int32', shape: [data.length], data }]);
    await using file = await openSafetensors(path);
    assert.ok(Buffer.from(data.buffer).equals(Buffer.from((await file.read('large')).buffer)));
  });
});

describe('safetensors: reading', () => {
  it('reads a file put together by hand, unpadded, tensors in any order and unaligned', async () => {
    const header =
      '{"b":{"shape":[2],"data_offsets":[1,5],"dtype":"BF16"},' +
      '"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}';
    writeFileSync(path, fileBytes(header, Uint8Array.of(7, 0x80, 0x3f, 0, 0x40)));
    assert.deepEqual(await readAll(path), {
      a: { dtype: 'uint8', shape: [], data: new Uint8Array([7]) },
      b: { dtype: 'bfloat16', shape: [2], data: new Uint16Array([0x3f80, 0x4000]) },
    });
  });

  it('gives each read a buffer of its own, several at a time', async () => {
    await writeSafetensors(path, someEntries);
    await using file = await openSafetensors(path);
    const [first, second] = await Promise.all([file.read('labels'), file.read('labels')]);
    assert.deepEqual(first, second);
    assert.notEqual(first.buffer, second.buffer);
    assert.equal(first.byteLength, first.buffer.byteLength);
  });

  it('names the tensors that there are when asked for one that is not there', async () => {
    await writeSafetensors(path, someEntries);
    await using file = await openSafetensors(path);
    await assert.rejects(
      file.read('conv9.weight'),
      /model\.safetensors: has no tensor "conv9\.weight"; it has conv1\.weight, labels/,
    );
  });

  it('refuses to read after close, which may be called twice', async () => {
    await writeSafetensors(path, someEntries);
    const file = await openSafetensors(path);
    const reading = file.read('labels');
    await Promise.all([file.close(), file.close()]);
    assert.equal((await reading).length, 2);
    await assert.rejects(file.read('labels'), DisposedError);
  });

  it('says so when the file shrinks while it is open', async () => {
    await writeSafetensors(path, someEntries);
    await using file = await openSafetensors(path);
    writeFileSync(path, '');
    await assert.rejects(file.read('pixels'), /model\.safetensors: truncated while it was being read/);
  });
});

const f32 = (offsets: string, shape = '[2]'): string =>
  `{"dtype":"F32","shape":${shape},"data_offsets":${offsets}}`;
const eight = new Uint8Array(8);
const zip = (name: string): Buffer =>
  Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(26, 1), Buffer.from(name), Buffer.alloc(300)]);
const length = (value: bigint, rest = 100): Buffer => {
  const bytes = Buffer.alloc(8 + rest, ' ');
  bytes.writeBigUInt64LE(value);
  return bytes;
};

const damaged: readonly [what: string, bytes: Uint8Array, message: RegExp][] = [
  ['an empty file', Buffer.alloc(0), /: empty\. Copy/],
  ['seven bytes', Buffer.alloc(7), /truncated: it has only 7 bytes/],
  ['a length without a header', length(40n, 0), /header of 40 bytes in a file of 8/],
  ['a header cut short', length(101n), /header of 101 bytes in a file of 108/],
  ['a length over the limit', length(100_000_001n), /more than 100,000,000 bytes/],
  ['the largest length', length(2n ** 64n - 1n), /more than 100,000,000 bytes/],
  ['a header of no bytes', fileBytes(''), /does not begin with \{/],
  ['a header of spaces', length(100n), /does not begin with \{/],
  ['a header that is an array', fileBytes('[]'), /does not begin with \{/],
  ['a header after a space', fileBytes(' {}'), /does not begin with \{/],
  ['a header after a byte order mark', fileBytes('\ufeff{}'), /does not begin with \{/],
  ['a header that is not JSON', fileBytes('{"a":'), /header is not JSON/],
  ['two JSON values', fileBytes('{}{}'), /header is not JSON/],
  ['a header that is not UTF-8', fileBytes(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d)), /not UTF-8/],
  [
    'deep nesting',
    fileBytes(`{"a":${'['.repeat(1e6)}${']'.repeat(1e6)}}`),
    /"a" is not described by an object/,
  ],
  ['a name twice', fileBytes(`{"a":${f32('[0,8]')},"a":${f32('[0,8]')}}`, eight), /"a" twice/],
  [
    'a name twice, once escaped',
    fileBytes(`{"a":${f32('[0,8]')},"\\u0061" :${f32('[0,8]')}}`, eight),
    /"a" twice/,
  ],
  ['a field twice', fileBytes('{"a":{"dtype":"U8","dtype":"F32"}}'), /"dtype" twice/],
  ['a metadata key twice', fileBytes('{"__metadata__":{"k":"1","k":"2"}}'), /"k" twice/],
  ['metadata that are a list', fileBytes('{"__metadata__":["k"]}'), /__metadata__ is not an object/],
  ['metadata that are numbers', fileBytes('{"__metadata__":{"k":1}}'), /metadata "k" is not a string/],
  ['a tensor that is a number', fileBytes('{"a":1}'), /"a" is not described by an object/],
  ['a tensor that is null', fileBytes('{"a":null}'), /"a" is not described by an object/],
  ['a tensor without dtype', fileBytes('{"a":{"shape":[],"data_offsets":[0,0]}}'), /has no dtype/],
  ['a dtype behind __proto__', fileBytes('{"a":{"__proto__":{"dtype":"U8"}}}'), /has no dtype/],
  ['an unknown dtype', fileBytes('{"a":{"dtype":"F99"}}'), /dtype "F99".*F32, F16, BF16, I32, U8/],
  ['a dtype named like a method', fileBytes('{"a":{"dtype":"constructor"}}'), /dtype "constructor"/],
  [
    'a dtype not read here',
    fileBytes('{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}', eight),
    /"I64"/,
  ],
  ['a shape that is text', fileBytes(`{"a":${f32('[0,8]', '"2"')}}`, eight), /no valid shape/],
  ['a negative size', fileBytes(`{"a":${f32('[0,8]', '[-2]')}}`, eight), /no valid shape/],
  ['a fractional size', fileBytes(`{"a":${f32('[0,8]', '[2.5]')}}`, eight), /no valid shape/],
  ['a size beyond 2^53', fileBytes(`{"a":${f32('[0,8]', '[9007199254740993]')}}`, eight), /no valid shape/],
  [
    'sizes whose product overflows',
    fileBytes(`{"a":${f32('[0,8]', '[4503599627370496,4096]')}}`, eight),
    /takes \?/,
  ],
  ['no data_offsets', fileBytes('{"a":{"dtype":"F32","shape":[2]}}', eight), /no valid data_offsets/],
  ['one offset', fileBytes(`{"a":${f32('[8]')}}`, eight), /data_offsets \[8\], expected/],
  ['three offsets', fileBytes(`{"a":${f32('[0,8,8]')}}`, eight), /data_offsets \[0, 8, 8\]/],
  ['offsets the wrong way round', fileBytes(`{"a":${f32('[8,0]')}}`, eight), /data_offsets \[8, 0\]/],
  ['a negative offset', fileBytes(`{"a":${f32('[-8,0]')}}`, eight), /no valid data_offsets/],
  ['fewer bytes than the shape takes', fileBytes(`{"a":${f32('[0,4]')}}`, eight), /has 4 bytes.*takes 8/],
  [
    'more bytes than the shape takes',
    fileBytes(`{"a":${f32('[0,8]', '[]')}}`, eight),
    /has 8 bytes.*takes 4/,
  ],
  [
    'data cut short',
    fileBytes(`{"a":${f32('[0,8]')}}`, eight.subarray(1)),
    /truncated: 1 of 8 bytes of data are missing/,
  ],
  [
    'data missing',
    fileBytes(`{"a":${f32('[0,4000000000]', '[1000000000]')}}`),
    /truncated: 4,000,000,000 of/,
  ],
  [
    'overlapping tensors',
    fileBytes(`{"a":${f32('[0,8]')},"b":${f32('[4,12]')}}`, new Uint8Array(12)),
    /"b" overlaps/,
  ],
  ['two tensors in one place', fileBytes(`{"a":${f32('[0,8]')},"b":${f32('[0,8]')}}`, eight), /overlaps/],
  [
    'a hole at the start',
    fileBytes(`{"a":${f32('[4,12]')}}`, new Uint8Array(12)),
    /4 bytes before tensor "a"/,
  ],
  [
    'a hole in the middle',
    fileBytes(`{"a":${f32('[0,8]')},"b":${f32('[9,17]')}}`, new Uint8Array(17)),
    /1 bytes before tensor "b"/,
  ],
  [
    'an empty tensor inside another',
    fileBytes(`{"a":${f32('[0,8]')},"b":${f32('[4,4]', '[0]')}}`, eight),
    /"b" overlaps/,
  ],
  [
    'bytes after the last tensor',
    fileBytes(`{"a":${f32('[0,8]')}}`, new Uint8Array(9)),
    /1 bytes after the last/,
  ],
  ['data without a tensor', fileBytes('{}', eight), /8 bytes after the last tensor/],
  ['a PyTorch file', zip('archive/data.pkl'), /but a PyTorch file \(\.pt, \.pth\)\. Convert it/],
  ['an old PyTorch file', Buffer.from(`\x80\x02\x8a\nl\xfc${' '.repeat(99)}`, 'latin1'), /a Python pickle/],
  ['a NumPy archive', zip('fc6.npy'), /but a NumPy \.npz archive/],
  ['another zip archive', zip('readme.txt'), /but a zip archive/],
  ['a NumPy file', Buffer.from(`\x93NUMPY\x01\x00v\x00${' '.repeat(99)}`, 'latin1'), /a NumPy \.npy file/],
  ['an HDF5 file', Buffer.from(`\x89HDF\r\n\x1a\n${'\0'.repeat(99)}`, 'latin1'), /an HDF5 file/],
  ['a gzip file', Buffer.from(`\x1f\x8b\x08\x00${'\0'.repeat(99)}`, 'latin1'), /compressed with gzip/],
  ['a GGUF file', Buffer.from(`GGUF\x03\0\0\0${'\0'.repeat(99)}`, 'latin1'), /a GGUF file/],
  [
    'a Git LFS pointer',
    Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0'),
    /a Git LFS pointer/,
  ],
  ['a web page', Buffer.from('<!doctype html><html><title>Not found</title></html>'), /a web page/],
  ['a text file', Buffer.from('epoch,loss\n1,6.9\n2,6.7\n'), /not a safetensors file/],
];

describe('safetensors: checksums', () => {
  const CHECKSUM = 'z.sha256';

  it('are the SHA-256 of all that is before them', async () => {
    const { bytes } = await writeSafetensors(path, someEntries, {}, { checksum: CHECKSUM });
    const written = readFileSync(path);
    assert.equal(written.byteLength, bytes);
    const expected = createHash('sha256').update(written.subarray(0, -32)).digest();
    assert.deepEqual(written.subarray(-32), expected);
    await using file = await openSafetensors(path);
    await file.verify(CHECKSUM);
    assert.deepEqual(Buffer.from((await file.read(CHECKSUM)) as Uint8Array), expected);
  });

  it('tell of every bit of the data that changes', async () => {
    await writeSafetensors(path, someEntries, {}, { checksum: CHECKSUM });
    const written = readFileSync(path);
    const data = written.indexOf(0x7d, written.lastIndexOf('}}')) + 1;
    for (let at = data + 8; at < written.byteLength; at += 3) {
      const changed = Buffer.from(written);
      changed[at]! ^= 1 << (at % 8);
      writeFileSync(path, changed);
      await using file = await openSafetensors(path);
      await assert.rejects(file.verify(CHECKSUM), { code: 'ERR_FILE', message: /do not match its checksum/ });
    }
  });

  it('are of files larger than what is hashed at a time', async () => {
    const data = Float32Array.from({ length: 2_500_000 }, (_, i) => i);
    const entries = [{ name: 'a', dtype: 'float32', shape: [data.length], data }] as const;
    await writeSafetensors(path, entries, {}, { checksum: CHECKSUM });
    await using file = await openSafetensors(path);
    await file.verify(CHECKSUM);
    assert.deepEqual(await file.read('a'), data);
  });

  it('are missed where there are none, and refused where they would not be last', async () => {
    await writeSafetensors(path, someEntries);
    await using file = await openSafetensors(path);
    await assert.rejects(file.verify(CHECKSUM), { code: 'ERR_FILE', message: /has no checksum "z.sha256"/ });
    await assert.rejects(writeSafetensors(path, someEntries, {}, { checksum: 'a' }), ArgumentError);
  });
});

describe('safetensors: damaged files', () => {
  for (const [what, bytes, message] of damaged) {
    it(`refuses ${what}`, async () => {
      writeFileSync(path, bytes);
      await assert.rejects(openSafetensors(path), (error) => {
        assert.ok(error instanceof FileFormatError);
        assert.equal(error.path, path);
        assert.match(error.message, message);
        assert.ok(error.message.startsWith(`${path}: `));
        assert.ok(error.message.length < path.length + 400, 'a message is for reading');
        return true;
      });
    });
  }

  it('refuses a file that is not there, and a folder', async () => {
    await assert.rejects(openSafetensors(path), {
      code: 'ERR_FILE',
      message: `${path}: there is no such file`,
    });
    await assert.rejects(openSafetensors(folder), { code: 'ERR_FILE', message: /not a file/ });
  });

  it('refuses a named pipe without waiting for a writer', async function () {
    if (process.platform === 'win32') this.skip();
    execFileSync('mkfifo', [path]);
    await assert.rejects(openSafetensors(path), { code: 'ERR_FILE', message: /not a file/ });
  });

  it('leaves no file open after a refusal', async function () {
    if (process.platform !== 'linux') this.skip();
    writeFileSync(path, fileBytes('{"a":1}'));
    const openFiles = (): number => readdirSync('/proc/self/fd').length;
    const before = openFiles();
    for (let count = 0; count < 20; count += 1) await assert.rejects(openSafetensors(path));
    assert.ok(openFiles() < before + 20);
  });

  it('reads or refuses 300 randomly damaged copies, and never fails in another way', async () => {
    await writeSafetensors(path, someEntries, { classes: '["cat","dog"]' });
    const whole = readFileSync(path);
    const headerEnd = 8 + Number(whole.readBigUInt64LE());
    const random = mulberry32(20120930);
    let refused = 0;
    for (let round = 0; round < 300; round += 1) {
      const copy = Buffer.from(whole);
      const at = Math.floor(random() * headerEnd);
      copy[at] = Math.floor(random() * 256);
      const cut = round % 3 === 0 ? Math.floor(random() * whole.length) : whole.length;
      writeFileSync(path, copy.subarray(0, cut));
      try {
        await readAll(path);
      } catch (error) {
        assert.ok(error instanceof FileFormatError, `byte ${at}, cut at ${cut}: ${String(error)}`);
        refused += 1;
      }
    }
    // Every truncation must be refused, and most changes of the header.
    assert.ok(refused > 200, `${refused} of 300 were refused`);
  });
});

function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
