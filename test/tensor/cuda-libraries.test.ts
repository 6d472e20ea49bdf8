// What is said where CUDA's libraries cannot be opened: which one, where it was looked for, and the way out.
// Invariant: the folder that a test names decides, whatever else the machine has.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeviceError } from '../../lib/errors.js';
import { addonPath, packageDirectory } from '../../lib/native/addon.js';
import { openDevice } from '../../lib/tensor/device.js';
import { tempFiles, tempFolder } from '../data/temp-folder.js';
import { openTarget } from '../helpers/devices.js';
import { failCall, isSimulatorBuilt, simulatorFolder, useSimulator } from '../helpers/simulator.js';

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

/** Compiles a shared library. */
function makeLibrary(folder: string, name: string, code: string): void {
  const source = join(folder, `${name}.c`);
  writeFileSync(source, `${code}\n`);
  execFileSync('cc', ['-shared', '-fPIC', '-o', join(folder, name), source]);
}

/** A folder with the simulated driver, and a cuDNN of the given versions; `without` leaves a function out. */
function folderWithCudnn(
  version: number,
  { cuda = 13000, without = '', name = 'libcudnn.so.9' } = {},
): string {
  const folder = tempFolder();
  symlinkSync(join(simulatorFolder, 'libcuda.so.1'), join(folder, 'libcuda.so.1'));
  const table = readFileSync(join(packageDirectory, 'native', 'cuda', 'cudnn.def'), 'utf8');
  const names = [...table.matchAll(/^ALEXNET_CUDNN\w*\((\w+)\)/gm)].map(([, call]) => call as string);
  const results: Record<string, number> = { cudnnGetVersion: version, cudnnGetCudartVersion: cuda };
  const functions = names
    .filter((call) => call !== without)
    .map((call) => `unsigned long ${call}() { return ${results[call] ?? 0}; }`);
  makeLibrary(folder, name, functions.join('\n'));
  return folder;
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
      /alexnet\.node has no function cuDriverGetVersion\. Install a newer version of it, or use the 'cpu' device\.$/,
    );
  });

  it("leaves the cpu device to who asks for 'auto'", () => {
    using device = lookingIn(tempFiles({ 'libcuda.so.1': 'not a library' }), () => openDevice('auto'));
    assert.equal(device.kind, 'cpu');
  });

  it('says for which CUDA a driver is that is too old, and which is needed', () => {
    const folder = tempFolder();
    // Like a driver of CUDA 11, it has none of the functions that came later.
    makeLibrary(
      folder,
      'libcuda.so.1',
      'int cuDriverGetVersion(int* version) { *version = 11080; return 0; }',
    );
    refusesWith(
      folder,
      /NVIDIA's driver \(\S+\/libcuda\.so\.1\) is for CUDA 11\.8; 12\.0 is needed\. Install driver 525 or later, or/,
    );
  });
});

describe('a cuda device with the wrong cuDNN (simulated)', () => {
  before(function () {
    if (!isSimulatorBuilt()) this.skip();
  });
  const REMEDY =
    /Install cuDNN 9 \(for example with: pip install nvidia-cudnn-cu13\), or name its folder in ALEXNET_CUDA_LIBRARIES/;

  it('names the file, why it could not be opened, and the command that installs one', () => {
    const folder = folderWithCudnn(92700, { name: 'unused' });
    writeFileSync(join(folder, 'libcudnn.so.9'), 'not a library');
    refusesWith(
      folder,
      /^Device 'cuda' cannot be opened: cuDNN 9 was not found; libcudnn\.so\.9 was looked for:/,
      /libcudnn\.so\.9: file too short/,
      REMEDY,
    );
  });

  it('names an older one that is there in its place', () => {
    const folder = folderWithCudnn(8907, { name: 'libcudnn.so.8' });
    refusesWith(
      folder,
      /cuDNN 9 was not found; \S+\/libcudnn\.so\.8 is too old; libcudnn\.so\.9 was/,
      REMEDY,
    );
  });

  it('says which version a file is that goes by the name of another, before it misses functions', () => {
    const folder = folderWithCudnn(8907, { without: 'cudnnGetLastErrorString' });
    refusesWith(folder, /\/libcudnn\.so\.9 is cuDNN 8\.9; cuDNN 9 is needed\. /, REMEDY);
    refusesWith(folderWithCudnn(100100), /\/libcudnn\.so\.9 is cuDNN 10\.1; cuDNN 9 is needed\. /, REMEDY);
  });

  it('says for which CUDA it is where the driver is for an older one', () => {
    refusesWith(
      folderWithCudnn(92700, { cuda: 14010 }),
      /\/libcudnn\.so\.9 is cuDNN 9\.27 for CUDA 14\.1; the driver is for CUDA 13\.\d\. /,
      REMEDY,
      /, or a newer driver, or use the 'cpu' device\.$/,
    );
  });

  it('names the function that it lacks', () => {
    refusesWith(
      folderWithCudnn(90000, { without: 'cudnnBackendExecute' }),
      /\/libcudnn\.so\.9 has no function cudnnBackendExecute\. Install a newer version of it, or use the 'cpu' device\.$/,
    );
  });

  for (const [name, error] of [
    ['of another release', 1002],
    ['not there', 1008],
  ] as const) {
    it(`says so when the libraries that belong to it are ${name}`, () => {
      useSimulator().reset();
      failCall({ call: 'cudnnCreate', error });
      assert.throws(() => openTarget('simulated cuda'), {
        code: 'ERR_DEVICE',
        message:
          /^Device 'cuda' cannot be opened: cudnnCreate.*libcudnn_\*\.so\.9.*again, as a whole, or use the 'cpu'/,
      });
      useSimulator().reset();
    });
  }
});
