// Checks that every CUDA, cuDNN and cuBLASLt function the backend looks up is in NVIDIA's real libraries, from PyPI.
// Invariant: exit status 0 means that each function of native/cuda/*.def was found, and cublaslt_api.h is cublasLt.h's.
//
// Run by hand: the libraries are 1 GB, fetched once into .cache/cuda-symbols. `npm run check:cuda`

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = path.join(root, '.cache', 'cuda-symbols');
const native = path.join(root, 'native');

// Of the CUDA that cmake/cuda.cmake takes its headers from.
const WHEELS = [
  {
    name: 'nvidia-cudnn-cu13',
    version: '9.27.0.42',
    hash: '9677e76f21862eb5da7ee5ed69d544738b2d8b5c3ce7e5ec125c5592e6cdbdc8',
  },
  {
    name: 'nvidia-cublas',
    version: '13.1.0.3',
    hash: 'ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171',
  },
];

function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Downloads a wheel and unpacks it, once. @returns its folder */
function fetchWheel({ name, version, hash }) {
  const folder = path.join(cache, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const requirements = `${partial}.txt`;
  writeFileSync(requirements, `${name}==${version} --hash=sha256:${hash}\n`);
  console.log(`Fetching ${name} ${version}`);
  const command = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--require-hashes',
  ];
  const { status } = spawnSync('python3', [...command, '--target', partial, '-r', requirements], {
    stdio: 'inherit',
  });
  rmSync(requirements);
  if (status !== 0) {
    rmSync(partial, { recursive: true, force: true });
    fail(`${name} ${version} could not be fetched`);
  }
  renameSync(partial, folder);
  return folder;
}

/** Functions that a shared library exports, without the version behind the name. */
function exportsOf(library) {
  const output = execFileSync('nm', ['--dynamic', '--defined-only', library], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  return new Set(
    output
      .split('\n')
      .map((line) => line.split(' ')[2]?.split('@')[0])
      .filter(Boolean),
  );
}

/** The names in a .def file, as its macros list them. */
function listed(file, macro) {
  const text = readFileSync(path.join(native, 'cuda', file), 'utf8');
  return [...text.matchAll(new RegExp(`^${macro}\\((\\w+)\\)`, 'gm'))].map(([, name]) => name);
}

/** Names under which cuda.h exports functions: it maps some to a later version of themselves. */
function expanded(names) {
  const source = path.join(cache, 'names.cc');
  writeFileSync(
    source,
    ['#include "cuda/driver_api.h"', ...names.map((name) => `auto* ${name}_ = ${name};`)].join('\n'),
  );
  const output = compile(['-E', '-P', source]);
  return [...output.matchAll(/^auto\* \w+_ =\s+(\w+)\s*;/gm)].map(([, name]) => name);
}

function headerFolders() {
  const wheels = path.join(root, 'build', 'cuda');
  if (!existsSync(wheels)) fail('CUDA headers come with the native build: npm run build:native');
  return ['include', 'nvidia/cudnn_jit/include', 'nvidia/cu13/include'].flatMap((folder) => [
    '-isystem',
    path.join(wheels, folder),
  ]);
}

function compile(options, folders = []) {
  const { status, stdout, stderr } = spawnSync(
    'g++',
    ['-std=c++17', `-I${native}`, ...folders, ...headerFolders(), ...options],
    { encoding: 'utf8', maxBuffer: 2 ** 28 },
  );
  if (status !== 0) fail(`g++ ${options.join(' ')} failed:\n${stderr}`);
  return stdout;
}

function librariesIn(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => /\.so\.\d+$/.test(file))
    .map((file) => path.join(folder, file));
}

function check(what, names, available) {
  const missing = names.filter((name) => !available.has(name));
  if (missing.length > 0) fail(`${what} has no ${missing.join(', ')}`);
  console.log(`${what}: all ${names.length} functions are there`);
}

/** libcuda comes with a driver, not from PyPI: the declarations of cuda.h stand for it, and the driver if there is one. */
function checkDriver() {
  const names = expanded(listed('driver.def', 'ALEXNET_DRIVER'));
  const declared = compile(['-E', '-include', 'cuda/driver_api.h', '-x', 'c++', '/dev/null']);
  check('cuda.h', names, new Set(declared.match(/\bcu[A-Z]\w+/g)));
  const { stdout } = spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' });
  const [, library] = /libcuda\.so\.1 .*x86-64.* => (\S+)/.exec(stdout ?? '') ?? [];
  if (library) check(library, names, exportsOf(library));
  else console.log('libcuda.so.1 is not on this machine: checked against cuda.h alone');
}

/** Our declarations of cuBLASLt against the real ones: same names, values and layouts. */
function checkCublasLtHeader(folder) {
  const include = path.join(folder, 'nvidia', 'cu13', 'include');
  const api = readFileSync(path.join(native, 'cuda', 'cublaslt_api.h'), 'utf8');
  const values = [...api.matchAll(/\b(CUBLAS\w+) = (\d+)/g)];
  const functions = listed('cublaslt.def', 'ALEXNET_CUBLASLT');
  const source = path.join(cache, 'cublaslt.cc');
  const rename = (name) => `#define ${name} our_${name}`;
  const names = [...values.map(([, name]) => name), ...functions, ...new Set(api.match(/\bcublas\w+_t\b/g))];
  writeFileSync(
    source,
    [
      '#include <cublasLt.h>',
      '#include <type_traits>',
      ...names.map(rename),
      '#include "cuda/cublaslt_api.h"',
      ...names.map((name) => `#undef ${name}`),
      ...values.map(([, name]) => `static_assert(int(our_${name}) == int(${name}), "${name}");`),
      ...['cublasLtMatmulAlgo_t', 'cublasLtMatmulHeuristicResult_t'].map(
        (name) => `static_assert(sizeof(our_${name}) == sizeof(${name}), "${name}");`,
      ),
      'template <class F> struct Count; template <class R, class... A> struct Count<R(A...)> { static constexpr int n = sizeof...(A); };',
      ...functions.map(
        (name) => `static_assert(Count<decltype(our_${name})>::n == Count<decltype(${name})>::n, "${name}");`,
      ),
    ].join('\n'),
  );
  compile(['-fsyntax-only', source], ['-isystem', include]);
  console.log(`cublaslt_api.h: ${values.length} values and ${functions.length} functions are cublasLt.h's`);
}

mkdirSync(cache, { recursive: true });
const [cudnn, cublas] = WHEELS.map(fetchWheel);
checkDriver();
const cudnnNames = [...listed('cudnn.def', 'ALEXNET_CUDNN'), ...listed('cudnn.def', 'ALEXNET_CUDNN_GRAPH')];
check('cuDNN', cudnnNames, new Set(librariesIn(cudnn).flatMap((library) => [...exportsOf(library)])));
const cublasLt = librariesIn(cublas).filter((library) => library.includes('libcublasLt'));
check('cuBLASLt', listed('cublaslt.def', 'ALEXNET_CUBLASLT'), exportsOf(cublasLt[0]));
checkCublasLtHeader(cublas);
