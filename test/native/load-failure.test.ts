// Every way in which the addon can fail to load gives an error that says what was found, needed, and to be done.
// Invariant: the first part is told what systems say, word for word; the second part really fails to load.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { addonPath } from '../../lib/native/addon.js';
import {
  explainLoadFailure,
  gatherLoadFacts,
  systemLibc,
  type LoadFacts,
} from '../../lib/native/load-failure.js';
import { tempFolder } from '../data/temp-folder.js';

const directory = '/app/node_modules/alexnet/';
const file = `${directory}prebuilds/linux-x64/alexnet.node`;
const facts: LoadFacts = {
  platform: 'linux-x64',
  libc: 'glibc 2.36',
  node: '22.1.0',
  directory,
  file,
  reason: 'something else',
  prebuilt: ['linux-x64'],
  checkout: false,
};

const cases: Record<string, { given: Partial<LoadFacts>; needed: RegExp; advice: RegExp }> = {
  'another platform': {
    given: {
      platform: 'darwin-arm64',
      libc: undefined,
      file: undefined,
      reason: 'No native build was found',
    },
    needed: /one of: linux-x64/,
    advice: /npm install --no-save cmake-js.* && node .*build-native\.mjs/,
  },
  'a package without its binary': {
    given: { file: undefined, prebuilt: [], reason: 'No native build was found' },
    needed: /alexnet\.node in .*linux-x64/,
    advice: /npm install alexnet --force/,
  },
  'a checkout that was not built': {
    given: { file: undefined, checkout: true, reason: 'No native build was found' },
    needed: /built in this checkout/,
    advice: /npm run build:native/,
  },
  musl: {
    given: { libc: 'musl', reason: 'Error loading shared library ld-linux-x86-64.so.2: No such file' },
    needed: /glibc 2\.27 or later\); Alpine/,
    advice: /node:22-slim/,
  },
  'an old glibc': {
    given: {
      libc: 'glibc 2.23',
      reason: `/lib/x86_64-linux-gnu/libc.so.6: version \`GLIBC_2.27' not found (required by ${file})`,
    },
    needed: /glibc with GLIBC_2\.27/,
    advice: /newer distribution/,
  },
  'a missing libdnnl': {
    given: { reason: 'libdnnl.so.3: cannot open shared object file: No such file or directory' },
    needed: /libdnnl\.so\.3 beside alexnet\.node/,
    advice: /bundlers/,
  },
  'a missing libstdc++': {
    given: { reason: 'libstdc++.so.6: cannot open shared object file: No such file or directory' },
    needed: /libstdc\+\+\.so\.6 on this system/,
    advice: /apt-get install libstdc\+\+6/,
  },
  'a file system that runs nothing': {
    given: { reason: `${file}: failed to map segment from shared object` },
    needed: /may be run/,
    advice: /noexec/,
  },
  'a file that the user may not read': {
    given: { reason: `${file}: cannot open shared object file: Permission denied` },
    needed: /read access/,
    advice: /chmod -R a\+rX/,
  },
  'a binary of another platform': {
    given: { reason: `${file}: invalid ELF header` },
    needed: /a binary for linux-x64/,
    advice: /copied from another platform/,
  },
};

describe('the explanation of a failed load', () => {
  for (const [name, { given, needed, advice }] of Object.entries(cases)) {
    it(`covers ${name}`, () => {
      const all = { ...facts, ...given };
      const text = explainLoadFailure(all);
      assert.ok(text.split('\n', 1)[0]?.includes(all.reason), text);
      assert.match(text, new RegExp(`^Found: ${all.platform}`, 'm'));
      assert.match(/^Needed: (.*)$/m.exec(text)?.[1] ?? '', needed);
      assert.match(/^What to do: (.*)$/m.exec(text)?.[1] ?? '', advice);
    });
  }

  it('keeps the words of the system where it knows no cause', () => {
    assert.match(explainLoadFailure(facts), /something else[^]*What to do: build it/);
  });

  it('names the C library of this process', () => {
    assert.match(systemLibc() ?? '', process.platform === 'linux' ? /^(glibc 2\.\d+|musl)$/ : /^$/);
    assert.equal(gatherLoadFacts(directory, undefined, '').libc, systemLibc());
  });
});

describe('an addon that does not load', () => {
  const main = new URL('../../lib/cli/main.js', import.meta.url);

  /** A copy of the addon's folder; what `alexnet info` says of it. */
  function infoWith(spoil: (prebuilt: string) => void): { status: number | null; stdout: string } {
    const root = path.join(tempFolder(), 'copy');
    const prebuilt = path.join(root, 'prebuilds', `${process.platform}-${process.arch}`);
    mkdirSync(prebuilt, { recursive: true });
    const built = path.dirname(addonPath());
    for (const name of readdirSync(built)) copyFileSync(path.join(built, name), path.join(prebuilt, name));
    spoil(prebuilt);
    const { status, stdout } = spawnSync(process.execPath, [main.pathname, 'info'], {
      encoding: 'utf8',
      env: { ...process.env, ALEXNET_PREBUILD: root, PREBUILDS_ONLY: '1' },
    });
    rmSync(root, { recursive: true });
    return { status, stdout };
  }

  it('is used from wherever ALEXNET_PREBUILD says', () => {
    const { status, stdout } = infoWith(() => undefined);
    assert.equal(status, 0, stdout);
    assert.match(stdout, /copy\/prebuilds/);
  });

  it('says which library is missing beside it', () => {
    const { status, stdout } = infoWith((prebuilt) => rmSync(path.join(prebuilt, 'libdnnl.so.3')));
    assert.equal(status, 1);
    assert.match(stdout, /Needed: libdnnl\.so\.3 beside alexnet\.node/);
  });

  it('says which glibc it needs', () => {
    const { status, stdout } = infoWith((prebuilt) => {
      const addon = path.join(prebuilt, 'alexnet.node');
      const bytes = readFileSync(addon);
      for (let at = 0; (at = bytes.indexOf('\0GLIBC_2.14\0', at + 1)) > 0;) bytes.write('GLIBC_2.99', at + 1);
      writeFileSync(addon, bytes);
    });
    assert.equal(status, 1);
    assert.match(stdout, /Needed: glibc with GLIBC_2\.99/);
  });

  it('says that a binary is not one', () => {
    const { status, stdout } = infoWith((prebuilt) =>
      writeFileSync(path.join(prebuilt, 'alexnet.node'), 'version https://git-lfs\n'.repeat(9)),
    );
    assert.equal(status, 1);
    assert.match(stdout, /Needed: a binary for/);
  });
});
