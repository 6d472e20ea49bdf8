// The release script publishes nothing that lacks a part; here it looks at made-up checkouts.
// Invariant: nothing is published or tested from here: --skip-tests excludes --publish.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { packageDirectory } from '../../lib/native/addon.js';
import { tempFiles } from '../data/temp-folder.js';

const script = path.join(packageDirectory, 'scripts', 'release.mjs');
const notices = 'libdnnl.so.3 (wheel 1.2.3) libgomp.so.1 libstdc++ node-addon-api cudnn-frontend';
const files = {
  'package.json': '{ "version": "1.0.0", "license": "MIT" }',
  LICENSE: 'MIT',
  'CHANGELOG.md': '## [Unreleased]\n\n## [1.0.0] - 2026-01-01\n\n- All of it.\n',
  'THIRD_PARTY_NOTICES.md': notices,
  'native/cmake/onednn.cmake': 'set(onednn_version 1.2.3)',
  'prebuilds/linux-x64/alexnet.node': '',
  'prebuilds/linux-x64/libdnnl.so.3': '',
  'prebuilds/linux-x64/libgomp.so.1': '',
  '.gitignore': 'prebuilds/\n',
};

/** A checkout that is fit to be published, then changed; what the script says of it. */
function verdict(
  change: (folder: string) => void,
  args: readonly string[] = [],
): { status: number | null; text: string } {
  const folder = tempFiles(files);
  const git = (...words: string[]) =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=t', '-c', 'user.email=t@t', ...words], {
      stdio: 'ignore',
    });
  git('init');
  git('add', '.');
  git('commit', '-m', 'all');
  git('tag', 'v1.0.0');
  change(folder);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [script, '--root', folder, '--skip-tests', ...args],
    {
      encoding: 'utf8',
    },
  );
  return { status, text: stdout + stderr };
}

describe('the release script', () => {
  it('finds nothing amiss where nothing is', () => {
    const { status, text } = verdict(() => undefined);
    assert.equal(status, 0, text);
    assert.match(text, /1\.0\.0 can be published/);
  });

  const write = (name: string, text: string) => (folder: string) =>
    writeFileSync(path.join(folder, name), text);
  const refusals: Record<string, { change: (folder: string) => void; reason: RegExp }> = {
    'a version that the changelog does not have': {
      change: write('package.json', '{ "version": "1.1.0", "license": "MIT" }'),
      reason: /no section \[1\.1\.0\]/,
    },
    'changes that were left unreleased': {
      change: write('CHANGELOG.md', '## [Unreleased]\n\n- More.\n\n## [1.0.0] - 2026-01-01\n\n- All.\n'),
      reason: /left under \[Unreleased\]/,
    },
    'missing notices': {
      change: (folder) => rmSync(path.join(folder, 'THIRD_PARTY_NOTICES.md')),
      reason: /NOTICES\.md is missing/,
    },
    'notices of another oneDNN': {
      change: write('native/cmake/onednn.cmake', 'set(onednn_version 1.2.4)'),
      reason: /not of oneDNN's wheel 1\.2\.4/,
    },
    'a missing library': {
      change: (folder) => rmSync(path.join(folder, 'prebuilds/linux-x64/libgomp.so.1')),
      reason: /libgomp\.so\.1 is missing/,
    },
    'a binary older than its sources': {
      change: (folder) => utimesSync(path.join(folder, 'prebuilds/linux-x64/alexnet.node'), 1, 1),
      reason: /older than native/,
    },
    'uncommitted changes': { change: write('LICENSE', 'none'), reason: /not committed/ },
  };
  for (const [name, { change, reason }] of Object.entries(refusals)) {
    it(`refuses ${name}`, () => {
      const { status, text } = verdict(change);
      assert.equal(status, 1);
      assert.match(text, reason);
    });
  }

  it('does not publish without tests', () => {
    const { status, text } = verdict(() => undefined, ['--publish']);
    assert.equal(status, 1);
    assert.match(text, /--publish needs the tests/);
  });
});
