// Builds the simulated GPU that tests use where there is no card, into build/simulated-driver.
// Invariant: the native build has been configured; without CUDA's headers nothing is built, and tests do without.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const build = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'build');

function cmake(argumentsOfIt, stdio) {
  const { status, error, stdout } = spawnSync('cmake', argumentsOfIt, { stdio, encoding: 'utf8' });
  if (error) throw error;
  return { status, stdout };
}

if (!existsSync(path.join(build, 'CMakeCache.txt'))) {
  console.error('The native build comes first: npm run build:native');
  process.exit(1);
}
const { stdout: targets } = cmake(['--build', build, '--target', 'help'], ['ignore', 'pipe', 'inherit']);
if (!/\bsimulator\b/.test(targets)) {
  console.log('No simulated GPU: the CUDA backend is not part of this build');
  process.exit(0);
}
process.exit(cmake(['--build', build, '--target', 'simulator', '--parallel', '2'], 'inherit').status ?? 1);
