// Warnings of a disk that is nearly full.
// Invariant: how full it is is made up, but for one look at the real disk.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { diskWarning, freeBytes } from '../../lib/io/disk-space.js';

const MiB = 2 ** 20;

describe('A disk', () => {
  const warningWith = (free: number | undefined, files?: number) =>
    diskWarning('run', { fileBytes: 100 * MiB, ...(files && { files }), free: async () => free });

  it('with room for three more files is not worth a warning', async () => {
    assert.equal(await warningWith(300 * MiB), undefined);
    assert.equal(await warningWith(100 * MiB, 1), undefined);
  });

  it('with room for fewer is, and the warning says for how many', async () => {
    assert.match(
      (await warningWith(299 * MiB))!,
      /^The disk of run is nearly full: 299\.0 MiB are free, room for 2 more files of 100\.0 MiB\. Free some space/,
    );
    assert.match((await warningWith(150 * MiB))!, /room for 1 more file of/);
    assert.match((await warningWith(0))!, /0 B are free, room for 0 more files/);
  });

  it('that does not say how full it is counts as having room', async () => {
    assert.equal(await warningWith(undefined), undefined);
    assert.equal(await freeBytes('/no/such/folder'), undefined);
  });

  it('says how many bytes are free', async () => {
    assert.ok((await freeBytes(tmpdir()))! > 0);
  });
});
