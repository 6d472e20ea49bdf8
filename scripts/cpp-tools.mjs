// Installs the pinned C++ tools into .cache/cpp-tools on first use, and finds the C++ sources they work on.
// Invariant: a tool that runs is the pinned version, its wheel checked against a hash; nothing outside .cache changes.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

// The hashes are those of PyPI's wheels: Linux (glibc x64 and arm64, musl x64), macOS (arm64, x64), Windows (x64).
const TOOLS = {
  'clang-format': {
    version: '23.1.5',
    module: 'clang_format',
    hashes: [
      'd97ce49911ba8c89ef3f3c0735a9c7818e4780ab4812c67d1c5fcd829d16ae52',
      'e8037e12eae19a9779e01ca6719b8d7f6a939ade8869b061912551c9748a27ad',
      '1f3589ec54a5ce9baf73c0c4f7b6e3f9201635c8585b5812bfb71d5fa8782a12',
      '3fb740335d939dd02252cd5075050fc8858466b16cf9c1efa2f52da3baa816a7',
      '32ec7498f9f1672dff2e65624cf317a1fd64e48a4f582d6c172d440c511bff00',
      '18a4a1a698dd52ed4e288c97d99e93910f8f9d0128b266f65021ecf39c85d034',
    ],
  },
  'clang-tidy': {
    version: '23.1.4',
    module: 'clang_tidy',
    hashes: [
      '6bb31e4f319ecbe14acb75f23c3050d0f1d4b1d92ea1c66091bc76e4eac2c1ac',
      '87596cd77dedfdea23ced1d13e57e869dcaee99745bfe942796196da3c197671',
      '7c34a8ec573e747412a15a4fea3cd65221b03b2da9a6462f17cbc8bfd47dc7fb',
      '08e977575e9f800c1c806f2001a3cdfd01323491aec05e86dd24be9a5c2585f4',
      '16be65b3396d096826cda8b94e7734913b4e2ffe0053fac6b8ccb2efc8d68cb1',
      '8107e05930f53dc477dbb5fb8108d7c10464176fc95d3e58f4ee7317887aed59',
    ],
  },
};

/** Ends the script with a message for people. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}

/** Path of the tool's program, installed first if need be. */
export function tool(name) {
  const { version, module } = TOOLS[name];
  const folder = path.join(root, '.cache', 'cpp-tools', `${name}-${version}`);
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const program = path.join(folder, module, 'data', 'bin', name + suffix);
  if (!existsSync(program)) install(name, folder);
  return program;
}

function install(name, folder) {
  const { version, hashes } = TOOLS[name];
  console.error(`Installing ${name} ${version} into ${path.relative(root, folder)} (once)`);
  // Another process may install at the same time: each fills a folder of its own, the last rename wins.
  const partial = `${folder}.${process.pid}`;
  const requirements = `${partial}.txt`;
  mkdirSync(path.dirname(folder), { recursive: true });
  writeFileSync(
    requirements,
    `${name}==${version} ${hashes.map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`,
  );
  try {
    // --target and not a virtual environment: Debian's python3 comes without ensurepip.
    pip(name, ['--require-hashes', '--target', partial, '-r', requirements]);
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
    rmSync(requirements, { force: true });
  }
}

function pip(name, options) {
  const python = process.platform === 'win32' ? 'python' : 'python3';
  const command = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary', ':all:', ...options];
  const environment = { ...process.env, PIP_DISABLE_PIP_VERSION_CHECK: '1', PIP_ROOT_USER_ACTION: 'ignore' };
  const result = spawnSync(python, command, { encoding: 'utf8', env: environment });
  if (result.status === 0) return;
  const found = result.error?.message ?? result.stderr.trim();
  throw new Error(
    `${name} could not be installed: ${found}\n` +
      `It comes from PyPI through ${python} -m pip. On Debian: apt-get install python3 python3-pip`,
  );
}

/** Folders of C++ and CUDA: the package's, and the GPU that tests have instead of one. */
const CPP_FOLDERS = ['native', 'test/simulated-driver'];

/** C++ and CUDA sources, relative to the root, sorted. Tables (*.def) keep their own columns. */
export function cppFiles(folders = CPP_FOLDERS) {
  return folders
    .filter((folder) => existsSync(path.join(root, folder)))
    .flatMap((folder) =>
      readdirSync(path.join(root, folder), { recursive: true })
        .filter((file) => /\.(h|cc|cu)$/.test(file))
        .map((file) => path.join(folder, file).replaceAll('\\', '/')),
    )
    .sort();
}

/** Runs the jobs, each `[program, ...arguments]`, a few at a time; gives each one's output and exit status. */
export async function runAll(jobs) {
  const results = [];
  const pending = jobs.entries();
  const worker = async () => {
    for (const [index, job] of pending) results[index] = await run(job);
  };
  await Promise.all(Array.from({ length: Math.min(jobs.length, availableParallelism()) }, worker));
  return results;
}

function run([program, ...options]) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, options, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text) => (stderr += text));
    child.on('error', reject);
    child.on('close', (status) => resolve({ stdout, stderr, status }));
  });
}
