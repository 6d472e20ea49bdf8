// What can be said of the tarball without installing it: its size, its contents, how its types resolve.
// Invariant: a file that must or must not be published is named here, and nowhere else.
import { statSync } from 'node:fs';
import path from 'node:path';
import { output } from '../run.mjs';
import { PLATFORMS, REQUIRED_PLATFORM } from './platforms.mjs';

/** For each platform in it. */
const PACKED_LIMIT_BYTES = 15e6;
const UNPACKED_LIMIT_BYTES = 60e6;
const REQUIRED = [
  'package.json',
  'README.md',
  'LICENSE',
  'THIRD_PARTY_NOTICES.md',
  'CHANGELOG.md',
  'binding.gyp',
  'native/CMakeLists.txt',
  'scripts/build-native.mjs',
  'dist/lib/index.js',
  'dist/lib/index.d.ts',
  'dist/lib/cli/main.js',
  ...PLATFORMS[REQUIRED_PLATFORM].files.map((file) => `prebuilds/${REQUIRED_PLATFORM}/${file}`),
];
const FORBIDDEN = /^(test|bench|dist\/(test|bench|examples)|build|node_modules|\.)|tsbuildinfo|\.env|libcud/;
const INSTALL_SCRIPTS = ['preinstall', 'install', 'postinstall'];

function contents(tarball) {
  return output('tar', ['-tvzf', tarball])
    .trim()
    .split('\n')
    .map((line) => {
      const [, bytes, name] = /^\S+\s+\S+\s+(\d+)\s+\S+\s+\S+\s+package\/(.*)$/.exec(line);
      return { name, bytes: Number(bytes) };
    });
}

function fail(problems) {
  if (problems.length > 0) throw new Error(problems.map((problem) => `      ${problem}`).join('\n'));
}

function checkContents(tarball) {
  const files = contents(tarball);
  const names = new Set(files.map(({ name }) => name));
  fail([
    ...REQUIRED.filter((name) => !names.has(name)).map((name) => `${name} is missing`),
    ...[...names].filter((name) => FORBIDDEN.test(name)).map((name) => `${name} must not be published`),
  ]);
  const { scripts = {}, gypfile } = JSON.parse(output('tar', ['-xzOf', tarball, 'package/package.json']));
  fail(INSTALL_SCRIPTS.filter((name) => name in scripts).map((name) => `it has the script ${name}`));
  if (gypfile !== false) fail(['without "gypfile": false npm would run node-gyp at install']);
  return `${files.length} files`;
}

function checkSize(tarball) {
  const packed = statSync(tarball).size;
  const files = contents(tarball);
  const unpacked = files.reduce((sum, { bytes }) => sum + bytes, 0);
  const platforms = files.filter(({ name }) => /^prebuilds\/[^/]+\/alexnet\.node$/.test(name)).length;
  const text = `${(packed / 1e6).toFixed(1)} MB packed, ${(unpacked / 1e6).toFixed(1)} MB unpacked`;
  if (packed > PACKED_LIMIT_BYTES * platforms || unpacked > UNPACKED_LIMIT_BYTES * platforms) fail([text]);
  return text;
}

/** @param options the repository's folder, and the function that runs and reports a check */
export async function checkTarball(tarball, { root, check }) {
  const tool = (name) => path.join(root, 'node_modules', '.bin', name);
  await check('the files of the package', () => checkContents(tarball));
  await check('its size', () => checkSize(tarball));
  await check('publint', () => void output(tool('publint'), ['--strict', tarball], { cwd: root }));
  // An ES module alone: CommonJS gets it by require(), as Node.js 20.19 and later allow.
  await check(
    'are the types wrong?',
    () => void output(tool('attw'), ['--profile', 'esm-only', tarball], { cwd: root }),
  );
}
