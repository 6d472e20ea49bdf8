// What is said where CUDA's libraries cannot be opened: which one, where it was looked for, and the way out.
// Invariant: the folder that a test names decides, whatever else the machine has.
import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { DeviceError } from '../../lib/errors.js';
import { addonPath } from '../../lib/native/addon.js';
import { openDevice } from '../../lib/tensor/device.js';
import { tempFiles, tempFolder } from '../data/temp-folder.js';

const VARIABLE = 'ALEXNET_CUDA_LIBRARIES';

/** Does `work` with libraries looked for in `folder` first. */
function lookingIn<T>(folder: string, work: () => T): T {
  const before = process.env[VARIABLE];
  process.env[VARIABLE] = folder;
  try {
    return work();
  } finally {
    if (before === undefined) delete process.env[VARIABLE];
    else process.env[VARIABLE] = before;
  }
}

/** An addon that was built without CUDA's headers says so, whatever there is to find. */
const STUB =
  /^Device 'cuda' cannot be opened: this addon was built without CUDA\. Use the 'cpu' device, or build/;

function refusesWith(folder: string, ...parts: readonly RegExp[]): void {
  assert.throws(
    () => lookingIn(folder, () => openDevice('cuda')),
    (error) => {
      assert.ok(error instanceof DeviceError);
      assert.equal(error.code, 'ERR_DEVICE');
      for (const part of STUB.test(error.message) ? [] : parts) assert.match(error.message, part);
      return true;
    },
  );
}

describe("a cuda device whose libraries can't be used", () => {
  it('names the file, why it could not be opened, and the way out', () => {
    refusesWith(
      tempFiles({ 'libcuda.so.1': 'not a library' }),
      /^Device 'cuda' cannot be opened: no NVIDIA driver was found; libcuda\.so\.1 was looked for:/,
      /alexnet-test-\w+\/libcuda\.so\.1: file too short/,
      /Install NVIDIA's driver, version 525 or later, or use the 'cpu' device\.$/,
    );
  });

  it('names the function that a library lacks', () => {
    const folder = tempFolder();
    // A library that opens and is not libcuda.
    symlinkSync(addonPath(), join(folder, 'libcuda.so.1'));
    refusesWith(
      folder,
      /alexnet\.node has no function cuInit\. Install a newer version of it, or use the 'cpu' device\.$/,
    );
  });

  it("leaves the cpu device to who asks for 'auto'", () => {
    using device = lookingIn(tempFiles({ 'libcuda.so.1': 'not a library' }), () => openDevice('auto'));
    assert.equal(device.kind, 'cpu');
  });
});
