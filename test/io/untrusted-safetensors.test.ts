// Damaged safetensors files: what is read agrees with the header and the file, or it is refused.
// Invariant: nothing is read or allocated beyond what the file itself holds.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { FileFormatError } from '../../lib/errors.js';
import { openSafetensors, writeSafetensors, type SafetensorsEntry } from '../../lib/io/safetensors.js';
import { tempFolder } from '../data/temp-folder.js';
import { damaged, runs } from '../helpers/mutations.js';

const ITEM_BYTES = { float32: 4, float16: 2, bfloat16: 2, int32: 4, uint8: 1, int8: 1 } as const;

async function readAll(file: string): Promise<void> {
  const size = readFileSync(file).length;
  await using opened = await openSafetensors(file);
  let total = 0;
  for (const { name, dtype, shape } of opened.entries) {
    const data = await opened.read(name);
    assert.equal(
      data.length,
      shape.reduce((product, length) => product * length, 1),
    );
    total += data.length * ITEM_BYTES[dtype];
  }
  assert.ok(total < size, `${total} bytes of data from a file of ${size}`);
}

describe('safetensors from anywhere', function () {
  this.timeout(60_000);

  it('are read whole, or refused with a reason', async () => {
    const folder = tempFolder();
    const file = path.join(folder, 'x.safetensors');
    const entries: SafetensorsEntry[] = [
      { name: 'weights', dtype: 'float32', shape: [2, 3], data: new Float32Array(6) },
      { name: 'half', dtype: 'bfloat16', shape: [5], data: new Uint16Array(5) },
      { name: 'bytes', dtype: 'uint8', shape: [], data: new Uint8Array(1) },
    ];
    await writeSafetensors(file, entries, { format: 'pt' });
    const valid = readFileSync(file);
    const property = fc.asyncProperty(damaged([valid]), async (bytes) => {
      writeFileSync(file, bytes);
      try {
        await readAll(file);
      } catch (error) {
        if (!(error instanceof FileFormatError)) throw error;
        assert.equal(error.path, file);
      }
    });
    await fc.assert(property, runs(1000));
  });

  it('come back as they were written', async () => {
    const folder = tempFolder();
    const file = path.join(folder, 'x.safetensors');
    const text = fc.string({ unit: 'grapheme' }).filter((name) => name !== '__metadata__');
    const tensors = fc.uniqueArray(fc.tuple(text, fc.float32Array({ maxLength: 40 })), {
      selector: ([name]) => name,
    });
    const property = fc.asyncProperty(tensors, fc.dictionary(text, text), async (list, metadata) => {
      const entries = list.map(([name, data]) => ({
        name,
        dtype: 'float32' as const,
        shape: [data.length],
        data,
      }));
      await writeSafetensors(file, entries, metadata);
      await using opened = await openSafetensors(file);
      assert.deepEqual({ ...opened.metadata }, { ...metadata });
      for (const [name, data] of list) {
        assert.deepEqual(Buffer.from((await opened.read(name)).buffer), Buffer.from(data.slice().buffer));
      }
    });
    await fc.assert(property, runs(100));
  });

  it('may claim a header of any length: it is compared with the file first', async () => {
    const file = path.join(tempFolder(), 'x.safetensors');
    const bytes = Buffer.alloc(64, ' ');
    for (const claimed of [65n, 2n ** 26n, 2n ** 40n, 2n ** 64n - 1n]) {
      bytes.writeBigUInt64LE(claimed, 0);
      writeFileSync(file, bytes);
      await assert.rejects(openSafetensors(file), FileFormatError);
    }
  });

  it('may be nested as deep as they like', async () => {
    const file = path.join(tempFolder(), 'x.safetensors');
    const json = `{"a":${'['.repeat(1e6)}`;
    const bytes = Buffer.alloc(8 + json.length);
    bytes.writeBigUInt64LE(BigInt(json.length), 0);
    bytes.write(json, 8);
    writeFileSync(file, bytes);
    await assert.rejects(openSafetensors(file), FileFormatError);
  });
});
