// The safetensors writer with entries that cannot be written, failing disks and two writers at once.
// Invariant: no failed write leaves a trace; the previous file stays as it was.

import assert from 'node:assert/strict';

import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArgumentError, FileWriteError } from '../../lib/errors.js';
import { writeSafetensors, type SafetensorsEntry } from '../../lib/io/safetensors.js';
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

const one = (change: Partial<SafetensorsEntry> = {}): SafetensorsEntry => ({
  name: 'fc8.bias',
  dtype: 'float32',
  shape: [2],
  data: new Float32Array(2),
  ...change,
});

const someEntries = [one(), one({ name: 'labels', dtype: 'int32', data: new Int32Array([1, -1]) })];

const unwritable: readonly [what: string, entries: SafetensorsEntry[], message: RegExp][] = [
  ['two tensors of one name', [one(), one()], /two tensors are named "fc8\.bias"/],
  ['a tensor named __metadata__', [one({ name: '__metadata__' })], /no tensor can be named __metadata__/],
  ['a name that is not Unicode', [one({ name: 'a\ud800' })], /a tensor name is not well-formed/],
  ['a negative size', [one({ shape: [-1] })], /impossible shape \[-1\]/],
  ['a fractional size', [one({ shape: [1.5] })], /impossible shape \[1\.5\]/],
  ['a size that is not a number', [one({ shape: [NaN] })], /impossible shape \[NaN\]/],
  ['a shape beyond counting', [one({ shape: [2 ** 40, 2 ** 40] })], /impossible shape/],
  [
    'an unknown dtype',
    [one({ dtype: 'toString' as 'float32' })],
    /dtype toString, expected float32, float16/,
  ],
  [
    'data shorter than the shape',
    [one({ shape: [3] })],
    /Float32Array of 2, expected a Float32Array of 3 \(float32 \[3\]\)/,
  ],
  [
    'data of another type',
    [one({ data: new Int32Array(2) })],
    /Int32Array of 2, expected a Float32Array of 2/,
  ],
  [
    'lazy data of another type',
    [one({ data: () => new Uint8Array(2) })],
    /Uint8Array of 2, expected a Float32Array/,
  ],
  ['a header beyond the limit', [one({ name: 'n'.repeat(100_000_000) })], /the format allows 100,000,000/],
];

/** What must hold after every failed write: the old file, and nothing beside it. */
function assertUntouched(): void {
  assert.deepEqual(readdirSync(folder), ['model.safetensors']);
  assert.equal(readFileSync(path, 'utf8'), 'the previous file');
}

describe('safetensors: failing to write', () => {
  beforeEach(() => {
    writeFileSync(path, 'the previous file');
  });

  for (const [what, entries, message] of unwritable) {
    it(`refuses ${what}, leaving the previous file`, async () => {
      await assert.rejects(writeSafetensors(path, entries), (error) => {
        assert.ok(error instanceof ArgumentError);
        assert.match(error.message, message);
        return true;
      });
      assertUntouched();
    });
  }

  it('refuses metadata that are not text, leaving the previous file', async () => {
    const metadata = { epoch: 3 } as unknown as Record<string, string>;
    await assert.rejects(
      writeSafetensors(path, [one()], metadata),
      /metadata "epoch" is a number, expected a string/,
    );
    await assert.rejects(writeSafetensors(path, [one()], { k: '\udc00' }), /metadata "k" is not well-formed/);
    assertUntouched();
  });

  it('passes on what a data function throws, as it is, leaving the previous file', async () => {
    const failure = new Error('the device is gone');
    const lazy = one({ name: 'later', data: () => Promise.reject(failure) });
    await assert.rejects(writeSafetensors(path, [one(), lazy]), (error) => error === failure);
    assertUntouched();
  });

  it('says how many bytes are needed when the disk fills up, leaving the previous file', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    let calls = 0;
    const restore = await breakFileHandle('write', (original) => {
      calls += 1;
      return calls < 3 ? original() : Promise.reject(full);
    });
    try {
      await assert.rejects(writeSafetensors(path, someEntries), (error) => {
        assert.ok(error instanceof FileWriteError);
        assert.equal(error.code, 'ERR_FILE');
        assert.equal(error.path, path);
        assert.equal(error.cause, full);
        assert.match(
          error.message,
          /no space left \(ENOSPC\)\. \d{3} bytes \(\d+ B\) are needed.*previous file.*intact/,
        );
        return true;
      });
    } finally {
      restore();
    }
    assertUntouched();
  });

  it('does not trust a file that could not be brought to the disk', async () => {
    const broken = Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' });
    const restore = await breakFileHandle('sync', () => Promise.reject(broken));
    try {
      await assert.rejects(writeSafetensors(path, someEntries), { code: 'ERR_FILE', message: /EIO.*intact/ });
    } finally {
      restore();
    }
    assertUntouched();
  });

  it('goes on after a write that took only part of the bytes', async () => {
    const restore = await breakFileHandle('write', (original, [bytes, offset, size]) =>
      original([bytes, offset, Math.max(1, Math.floor((size as number) / 2))]),
    );
    try {
      await writeSafetensors(path, someEntries);
    } finally {
      restore();
    }
    const whole = readFileSync(path);
    await writeSafetensors(path, someEntries);
    assert.deepEqual(readFileSync(path), whole);
  });

  it('names a folder that is not there', async () => {
    const lost = join(folder, 'runs', 'model.safetensors');
    await assert.rejects(writeSafetensors(lost, [one()]), {
      name: 'FileWriteError [ERR_FILE]',
      message: `${lost}: not written: there is no folder ${join(folder, 'runs')} (ENOENT). Create it first.`,
    });
  });

  it('refuses a path that is a folder, leaving it empty', async () => {
    const target = mkdtempSync(join(folder, 'taken-'));
    await assert.rejects(writeSafetensors(target, [one()]), FileWriteError);
    assert.deepEqual(readdirSync(folder).length, 2);
    assert.deepEqual(readdirSync(target), []);
  });

  it('replaces what a symbolic link points to, and keeps the link', async () => {
    const link = join(folder, 'latest.safetensors');
    symlinkSync('model.safetensors', link);
    await writeSafetensors(link, [one()]);
    assert.deepEqual(Object.keys(await readAll(path)), ['fc8.bias']);
    assert.equal(
      readdirSync(folder, { withFileTypes: true }).filter((file) => file.isSymbolicLink()).length,
      1,
    );
  });

  it('keeps one whole file when two writers race', async () => {
    const values = [1, 2, 3, 4];
    const writers = values.map((value) =>
      writeSafetensors(path, [one({ data: new Float32Array([value, value]) })]),
    );
    await Promise.all(writers);
    const { 'fc8.bias': winner } = (await readAll(path)) as { 'fc8.bias': { data: Float32Array } };
    assert.equal(winner.data[0], winner.data[1]);
    assert.ok(values.includes(winner.data[0] ?? NaN));
    assert.deepEqual(readdirSync(folder), ['model.safetensors']);
    assert.ok(existsSync(path));
  });
});

type Call = (options?: unknown[]) => Promise<unknown>;

/** Puts `replacement` in the place of a method of every FileHandle; gives the function that takes it away. */
async function breakFileHandle(
  method: 'write' | 'sync',
  replacement: (original: Call, options: unknown[]) => Promise<unknown>,
): Promise<() => void> {
  const probe = await open(tmpdir(), 'r');
  const prototype = Object.getPrototypeOf(probe) as Record<
    string,
    (...options: unknown[]) => Promise<unknown>
  >;
  await probe.close();
  const original = prototype[method];
  assert.ok(original);
  prototype[method] = function (this: FileHandle, ...options) {
    return replacement((changed = options) => original.apply(this, changed), options);
  };
  return () => {
    prototype[method] = original;
  };
}
