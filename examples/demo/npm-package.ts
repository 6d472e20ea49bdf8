// Fetches one exact version of an npm package with the user's own npm client, and reads files out of it.
// Invariant: nothing of a package is looked at before its hash is found to be the expected one; no script of it runs.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { DataError } from '../../lib/errors.js';

/** A package, pinned to one content. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  /** `dist.integrity` in the registry: 'sha512-' and the hash in base64. */
  readonly integrity: string;
}

const BLOCK = 512;
const OFFLINE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network/i;

/**
 * Downloads a package with `npm pack`, or takes it from npm's cache.
 * @param folder an empty folder, for the archive
 * @returns the files whose path `wanted` accepts; paths begin with 'package/'
 * @throws DataError if npm is missing, the registry cannot be reached, or the content is not the expected one
 */
export async function fetchNpmPackage(
  { name, version, integrity }: NpmPackage,
  { folder, wanted }: { folder: string; wanted: (path: string) => boolean },
): Promise<Map<string, Uint8Array>> {
  const spec = `${name}@${version}`;
  await npm(['pack', spec, '--ignore-scripts', '--loglevel=error'], { folder, spec });
  const archive = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (!archive) {
    throw new DataError(`npm pack ${spec} left no archive in ${folder}; try again, or update npm`);
  }
  const bytes = await readFile(join(folder, archive));
  const found = `sha512-${createHash('sha512').update(bytes).digest('base64')}`;
  if (found !== integrity) {
    throw new DataError(
      `${spec}: its hash is ${found}, expected ${integrity}. The download is damaged, or the registry gives another ` +
        'content; run `npm cache verify` and try again',
    );
  }
  return new Map([...readTar(await promisify(gunzip)(bytes))].filter(([path]) => wanted(path)));
}

async function npm(
  args: readonly string[],
  { folder, spec }: { folder: string; spec: string },
): Promise<void> {
  const { file, before, shell } = npmCommand();
  try {
    await promisify(execFile)(file, [...before, ...args], { cwd: folder, shell });
  } catch (error) {
    const { code, stderr = '', message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') {
      throw new DataError(`npm was not found, which is needed to fetch ${spec}; put it on the PATH`, {
        cause: error,
      });
    }
    const words = (stderr || message).trim().split('\n').slice(0, 5).join('\n');
    const advice = OFFLINE.test(words)
      ? "npm's registry cannot be reached: go online, or check npm's registry and proxy settings"
      : 'see what npm says';
    throw new DataError(`${spec} cannot be fetched; ${advice}:\n${words}`, { cause: error });
  }
}

/** The npm that runs this program, if one does; else the one on the PATH. */
function npmCommand(): { file: string; before: string[]; shell: boolean } {
  const script = process.env['npm_execpath'];
  if (script?.endsWith('npm-cli.js')) return { file: process.execPath, before: [script], shell: false };
  return { file: 'npm', before: [], shell: process.platform === 'win32' };
}

/**
 * The regular files of a tar archive (POSIX ustar), in order.
 * @throws DataError if the archive ends within a file
 */
export function* readTar(archive: Uint8Array): Generator<[path: string, contents: Uint8Array]> {
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0;) {
    const header = archive.subarray(at, at + BLOCK);
    const size = parseInt(text(header, 124, 12), 8);
    const start = at + BLOCK;
    if (!(start + size <= archive.length)) throw new DataError('the tar archive is truncated or damaged');
    const prefix = text(header, 345, 155);
    const name = text(header, 0, 100);
    const isFile = header[156] === 0 || header[156] === 0x30;
    if (isFile) yield [prefix ? `${prefix}/${name}` : name, archive.subarray(start, start + size)];
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
}

/** A field that ends at a NUL or at its length. */
function text(header: Uint8Array, start: number, length: number): string {
  const field = Buffer.from(header.subarray(start, start + length)).toString('utf8');
  return field.split('\0', 1)[0]!.trim();
}
