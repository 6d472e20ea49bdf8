// Reading CIFAR-10's binary files, on small ones of the same form.
// Invariant: value of channel c of pixel p in record r is (r * 50 + c * 80 + p) modulo 256; its label is r modulo 10.

import assert from 'node:assert/strict';
import { CIFAR10_CLASS_NAMES, readCifar10 } from '../../lib/data/cifar10.js';
import { DataError } from '../../lib/errors.js';
import { tempFiles } from './temp-folder.js';

function records(first: number, count: number): Buffer {
  const file = Buffer.alloc(count * 3073);
  for (let r = 0; r < count; r++) {
    file[r * 3073] = (first + r) % 10;
    for (let i = 0; i < 3072; i++) {
      file[r * 3073 + 1 + i] = (first + r) * 50 + Math.floor(i / 1024) * 80 + (i % 1024);
    }
  }
  return file;
}

const TRAIN = Object.fromEntries([0, 1, 2, 3, 4].map((i) => [`data_batch_${i + 1}.bin`, records(i * 2, 2)]));

describe('readCifar10', () => {
  it('reads the five training files in order, planes interleaved', async () => {
    const dataset = await readCifar10(tempFiles(TRAIN), { split: 'train' });
    assert.equal(dataset.length, 10);
    assert.equal(dataset.side, 32);
    assert.deepEqual(dataset.classNames, CIFAR10_CLASS_NAMES);
    assert.deepEqual([...dataset.labels], [...Array(10).keys()]);
    assert.equal(dataset.nameOf(3), 'data_batch_2.bin[1]');
    const out = new Uint8Array(3072);
    await dataset.read([7], out);
    const expected = Uint8Array.from({ length: 3072 }, (_, i) => 7 * 50 + (i % 3) * 80 + Math.floor(i / 3));
    assert.deepEqual(out, expected);
  });

  it('reads the test file', async () => {
    const dataset = await readCifar10(tempFiles({ 'test_batch.bin': records(4, 3) }), { split: 'test' });
    assert.deepEqual([...dataset.labels], [4, 5, 6]);
  });

  it('says what is wrong with a file', async () => {
    const wrongLabel = records(0, 2);
    wrongLabel[3073] = 10;
    const bad: [Record<string, Buffer>, RegExp][] = [
      [{}, /test_batch\.bin: the file cannot be read .*expected the folder cifar-10-batches-bin/],
      [
        { 'test_batch.bin': records(0, 2).subarray(0, 6000) },
        /test_batch\.bin: the file has 6000 bytes, expected whole records of 3073/,
      ],
      [{ 'test_batch.bin': Buffer.alloc(0) }, /the file has 0 bytes/],
      [{ 'test_batch.bin': wrongLabel }, /test_batch\.bin: record 1 has label 10, expected 0 to 9/],
    ];
    for (const [files, message] of bad) {
      await assert.rejects(readCifar10(tempFiles(files), { split: 'test' }), (error) => {
        assert.ok(error instanceof DataError);
        assert.match(error.message, message);
        return true;
      });
    }
  });
});
