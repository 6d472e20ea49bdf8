// Which binaries a package may have: that of linux-x64 for certain, the others whole or not at all.
// Invariant: the folders are made up.
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageDirectory } from '../../lib/native/addon.js';
import { tempFiles } from '../data/temp-folder.js';

interface Script {
  platformProblems(prebuilds: string): string[];
}

describe('the binaries of a package', () => {
  let problemsOf: (files: Record<string, string>) => string[];
  before(async () => {
    const file = path.join(packageDirectory, 'scripts', 'package', 'platforms.mjs');
    const script = (await import(pathToFileURL(file).href)) as Script;
    problemsOf = (files) => script.platformProblems(tempFiles(files));
  });
  const linux = {
    'linux-x64/alexnet.node': '',
    'linux-x64/libdnnl.so.3': '',
    'linux-x64/libgomp.so.1': '',
  };

  it('may be those of linux-x64 alone', () => assert.deepEqual(problemsOf(linux), []));

  it('may be those of other platforms too, if nothing of these is missing', () => {
    assert.deepEqual(problemsOf({ ...linux, 'darwin-arm64/alexnet.node': '' }), []);
    assert.deepEqual(problemsOf({ ...linux, 'linux-arm64/alexnet.node': '' }), [
      'linux-arm64/libgomp.so.1 is missing',
    ]);
  });

  it('may not be without those of linux-x64', () => {
    const missing = problemsOf({ 'darwin-arm64/alexnet.node': '' });
    assert.deepEqual(
      missing,
      Object.keys(linux).map((file) => `${file} is missing`),
    );
  });

  it('may not be of a platform that is not known', () => {
    assert.deepEqual(problemsOf({ ...linux, 'linux-x64.partial/alexnet.node': '' }), [
      'linux-x64.partial is no platform',
    ]);
  });
});
