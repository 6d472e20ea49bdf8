// Makes prebuilds/<platform>: the addon and the libraries it needs; for linux-x64, for every Linux with glibc 2.27.
// Invariant: what is left there was checked: on Linux no newer symbol and no library from elsewhere, and its size.
// Other platforms than linux-x64 ship what `npm run build:native -- -DONEDNN_ROOT=DIR` made with a static oneDNN; their
// part of this script has not been run anywhere yet.
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { compareVersions, dynamicSymbols, makeStubs } from './glibc-stubs.mjs';
import { PLATFORMS } from './package/platforms.mjs';
import { output } from './run.mjs';
import { root, unpackedWheel } from './wheels.mjs';

const LIMIT_BYTES = 50e6;
/** Part of every Linux that Node.js runs on: Node.js links to them too. */
const SYSTEM_LIBRARIES = [
  'libc.so.6',
  'libm.so.6',
  'libpthread.so.0',
  'libdl.so.2',
  'libstdc++.so.6',
  'libgcc_s.so.1',
  'ld-linux-x86-64.so.2',
  'ld-linux-aarch64.so.1',
];
/** What an addon may leave to the process that loads it. */
const LEFT_OPEN = /^(napi_|node_api_|dnnl_)/;

/** GCC 8.5's libgomp as AlmaLinux 8 has it, which asks for glibc 2.17 only; a wheel is the place to get it from. */
const GOMP_WHEEL = {
  name: 'pykdtree',
  version: '1.4.3',
  sha256: '44d2e1b6a3d02b5cf9646bf754931fdacb869cefd328242766e1dc0be909cca1',
  target: ['--python-version', '3.11', '--platform', 'manylinux2014_x86_64'],
};
const build = path.join(root, 'build');
const platform = `${process.platform}-${process.arch}`;
const target = path.join(root, 'prebuilds', platform);
/** Of linux-x64: that of oneDNN's library; Node.js 20 itself asks for 2.28. */
const GLIBC = PLATFORMS[platform]?.glibc;

function linkPortably() {
  const stubs = path.join(build, `glibc-${GLIBC}`);
  makeStubs(stubs, GLIBC);
  // One binary for machines with and without a GPU: the build must not do without CUDA, as others may.
  output('cmake', ['-DALEXNET_CUDA=ON', `-DALEXNET_GLIBC_STUBS=${stubs}`, build]);
  output('cmake', ['--build', build, '--target', 'alexnet-portable']);
  return path.join(build, 'portable', 'alexnet.node');
}

/** Copies to the new folder, without what only a debugger reads. */
function ship(folder, from, name) {
  const to = path.join(folder, name);
  copyFileSync(from, to);
  chmodSync(to, 0o755);
  output('strip', ['--strip-unneeded', to]);
  return to;
}

/** Gives a library the name it goes by elsewhere, which Python's packagers had made their own. */
function restoreName(file, name) {
  const [, soname] = /\(SONAME\).*\[(.*)\]/.exec(output('readelf', ['-d', file]));
  const bytes = readFileSync(file);
  const at = bytes.indexOf(`\0${soname}\0`) + 1;
  if (at === 0 || name.length > soname.length) throw new Error(`${file}: ${soname} cannot become ${name}`);
  bytes.fill(0, at, at + soname.length);
  bytes.write(name, at, 'latin1');
  writeFileSync(file, bytes);
}

function findGomp() {
  const folder = path.join(unpackedWheel(GOMP_WHEEL), 'pykdtree.libs');
  return path.join(
    folder,
    readdirSync(folder).find((file) => file.startsWith('libgomp')),
  );
}

/** Reasons not to ship the folder. */
function findProblems(folder) {
  const problems = [];
  const files = readdirSync(folder);
  for (const file of files) {
    const full = path.join(folder, file);
    for (const [, library] of output('readelf', ['-d', full]).matchAll(/\(NEEDED\).*\[(.*)\]/g)) {
      if (!files.includes(library) && !SYSTEM_LIBRARIES.includes(library)) {
        problems.push(`${file} needs ${library}`);
      }
    }
    for (const { name, version = 'Base', section, weak } of dynamicSymbols(full)) {
      if (section !== '*UND*' || weak || LEFT_OPEN.test(name)) continue;
      if (version === 'Base') problems.push(`${file} needs ${name}, which nothing provides`);
      const [, number] = /^GLIBC_([\d.]+)$/.exec(version) ?? [];
      if (number !== undefined && compareVersions(number, GLIBC) > 0) {
        problems.push(`${file} needs ${name} of glibc ${number}`);
      }
    }
  }
  return problems;
}

function sizeOf(folder) {
  return readdirSync(folder).reduce((sum, file) => sum + statSync(path.join(folder, file)).size, 0);
}

/** Both libraries are found beside the addon ($ORIGIN), libgomp before oneDNN asks for it. */
function shipPortably(folder) {
  ship(folder, linkPortably(), 'alexnet.node');
  ship(folder, path.join(build, 'Release', 'libdnnl.so.3'), 'libdnnl.so.3');
  restoreName(ship(folder, findGomp(), 'libgomp.so.1'), 'libgomp.so.1');
}

/** For as old a system as this one; its compiler's OpenMP goes with it on Linux, and is inside the addon elsewhere. */
function shipBuilt(folder) {
  const addon = path.join(build, 'Release', 'alexnet.node');
  if (process.platform !== 'linux') return copyFileSync(addon, path.join(folder, 'alexnet.node'));
  ship(folder, addon, 'alexnet.node');
  ship(folder, output('gcc', ['-print-file-name=libgomp.so.1']).trim(), 'libgomp.so.1');
}

function prebuild() {
  if (!(platform in PLATFORMS)) {
    throw new Error(
      `There is no prebuilt folder for ${platform}, only for ${Object.keys(PLATFORMS).join(', ')}`,
    );
  }
  output(process.execPath, [path.join(root, 'scripts', 'build-native.mjs')], { stdio: 'inherit' });
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  if (platform === 'linux-x64') shipPortably(partial);
  else shipBuilt(partial);
  const problems = process.platform === 'linux' ? findProblems(partial) : [];
  if (sizeOf(partial) > LIMIT_BYTES) problems.push(`${sizeOf(partial)} bytes, more than ${LIMIT_BYTES}`);
  if (problems.length > 0) throw new Error(`Not fit to ship:\n  ${problems.join('\n  ')}`);
  rmSync(target, { recursive: true, force: true });
  renameSync(partial, target);
  for (const file of readdirSync(target)) {
    console.log(
      `${path.relative(root, path.join(target, file))}  ${statSync(path.join(target, file)).size} bytes`,
    );
  }
  if (GLIBC !== undefined) console.log(`glibc ${GLIBC} or later`);
}

try {
  prebuild();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
