// What the build script does where it cannot build: in an installed package, without the tools for it.
// Invariant: nothing is built here; the folders are made up.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { packageDirectory } from '../../lib/native/addon.js';
import { tempFiles } from '../data/temp-folder.js';

const platform = `${process.platform}-${process.arch}`;
const COMMAND = /npm install --no-save cmake-js@8 node-addon-api@8/;

/** Runs the script in a package with a binary for this platform, without build tools. */
function runInPackage(args: readonly string[], files: Record<string, string> = {}) {
  const folder = tempFiles({ [`prebuilds/${platform}/alexnet.node`]: '', 'native/a.cc': '', ...files });
  mkdirSync(path.join(folder, 'scripts'), { recursive: true });
  const script = path.join(folder, 'scripts', 'build-native.mjs');
  copyFileSync(path.join(packageDirectory, 'scripts', 'build-native.mjs'), script);
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
  return { folder, status, stdout, stderr };
}

describe('the build script without build tools', () => {
  it('says which are needed, and the command that installs them', () => {
    const { status, stderr } = runInPackage([]);
    assert.equal(status, 1);
    assert.match(stderr, /^The build needs cmake-js and node-addon-api/);
    assert.match(stderr, COMMAND);
  });

  it('keeps the binary of the package for node-gyp and electron-rebuild, and says so', () => {
    const { folder, status, stdout } = runInPackage(['--gyp', `--arch=${process.arch}`, '-DONEDNN_ROOT=']);
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`nothing was built\\. prebuilds/${platform} is used`));
    assert.match(stdout, COMMAND);
    assert.ok(existsSync(path.join(folder, 'build', 'Release')));
  });

  it('refuses where node-gyp wants a binary for a platform that the package has none for', () => {
    const { status, stderr } = runInPackage(['--gyp', '--arch=mips']);
    assert.equal(status, 1);
    assert.match(stderr, COMMAND);
  });

  it('refuses to build for another processor than that of the machine', () => {
    const tools = {
      'node_modules/cmake-js/bin/cmake-js': '',
      'node_modules/cmake-js/package.json': '{}',
      'node_modules/node-addon-api/package.json': '{}',
    };
    const { status, stderr } = runInPackage(['--gyp', '--arch=mips'], tools);
    assert.equal(status, 1);
    assert.match(stderr, /built on the machine it is for: mips cannot be built on/);
  });

  it('does not take an option that it does not know', () => {
    const { status, stderr } = runInPackage(['--onednn=/opt/onednn']);
    assert.equal(status, 1);
    assert.match(stderr, /--onednn/);
  });
});
