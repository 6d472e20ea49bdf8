// Installs the peers in a cache folder, each by its own package manager, outside of this package.
// Invariant: a peer that is ready is not touched again; one that cannot be installed is named with the reason and left
// out, and the others are still compared.
import { execFile } from 'node:child_process';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

export const PYTORCH = '2.13.0';
export const TFJS = '4.22.0';
/** Whose C library tfjs-node is built with where its own download cannot be had. */
export const TENSORFLOW = '2.21.0';

export type PeerName = 'pytorch' | 'tfjs' | 'tfjs-node';

/** A peer that is ready to run, or why it is not. */
export type Installed = { readonly root: string; readonly bytes: number } | { readonly cannot: string };

/** Installs a peer below `folder`, unless it is there. Says what it does through `log`. */
export async function install(
  peer: PeerName,
  { folder, log }: { readonly folder: string; readonly log: (line: string) => void },
): Promise<Installed> {
  const root = path.join(folder, peer);
  const ready = path.join(root, 'ready');
  try {
    if (!existsSync(ready)) {
      log(`installing ${peer} in ${root}`);
      await rm(root, { recursive: true, force: true });
      await mkdir(root, { recursive: true });
      await INSTALLERS[peer]({ root, output: path.join(folder, `${peer}.log`) });
      await writeFile(ready, '');
    }
    return { root, bytes: await folderBytes(root) };
  } catch (error) {
    return { cannot: `cannot be installed: ${(error as Error).message.split('\n')[0]}` };
  }
}

interface Place {
  readonly root: string;
  /** A file that takes what the package managers say. */
  readonly output: string;
}

const INSTALLERS: Record<PeerName, (place: Place) => Promise<void>> = {
  async pytorch(place) {
    await run('python3', ['-m', 'venv', place.root], place);
    // Matters to those who have a GPU: the CPU's build is in an index of its own there.
    await run(path.join(place.root, 'bin', 'pip'), ['install', `torch==${PYTORCH}`, 'numpy'], place);
  },
  async tfjs(place) {
    const packages = [`@tensorflow/tfjs@${TFJS}`, `@tensorflow/tfjs-backend-wasm@${TFJS}`];
    await npmInstall(packages, place);
  },
  async 'tfjs-node'(place) {
    await npmInstall([`@tensorflow/tfjs-node@${TFJS}`, '--ignore-scripts'], place);
    try {
      await run('npm', ['rebuild', '@tensorflow/tfjs-node'], place);
    } catch {
      await buildWithWheel(place);
    }
    await run(process.execPath, ['-e', "require('@tensorflow/tfjs-node')"], place);
  },
};

async function npmInstall(packages: readonly string[], place: Place): Promise<void> {
  await writeFile(path.join(place.root, 'package.json'), '{ "private": true }');
  await run('npm', ['install', '--no-audit', '--no-fund', ...packages], place);
}

/**
 * tfjs-node's install script downloads TensorFlow's C library. Where that is not possible, PyPI's tensorflow-cpu has
 * the same library with its headers, and the addon is built from source with it.
 */
async function buildWithWheel(place: Place): Promise<void> {
  const { root } = place;
  const wheels = path.join(root, 'wheel');
  await run(
    'python3',
    [
      '-m',
      'pip',
      'download',
      '--no-deps',
      '--only-binary=:all:',
      '-d',
      wheels,
      `tensorflow-cpu==${TENSORFLOW}`,
    ],
    place,
  );
  const [wheel = ''] = await readdir(wheels);
  const unpacked = path.join(wheels, 'unpacked');
  await run('python3', ['-m', 'zipfile', '-e', path.join(wheels, wheel), unpacked], place);
  const addon = path.join(root, 'node_modules', '@tensorflow', 'tfjs-node');
  const deps = path.join(addon, 'deps');
  await rm(deps, { recursive: true, force: true });
  await mkdir(path.join(deps, 'lib'), { recursive: true });
  await symlink(path.join(unpacked, 'tensorflow', 'include'), path.join(deps, 'include'));
  // The C++ library exports the C API too; the addon asks for it by the C library's names.
  const library = (name: string) => path.join(unpacked, 'tensorflow', `libtensorflow_${name}.so.2`);
  for (const [link, target] of [
    ['libtensorflow.so', 'cc'],
    ['libtensorflow.so.2', 'cc'],
    ['libtensorflow_cc.so.2', 'cc'],
    ['libtensorflow_framework.so', 'framework'],
    ['libtensorflow_framework.so.2', 'framework'],
  ] as const) {
    await symlink(library(target), path.join(deps, 'lib', link));
  }
  const headers = path.dirname(path.dirname(process.execPath));
  // Without headers on the disk node-gyp downloads them.
  const local = existsSync(path.join(headers, 'include', 'node', 'node.h')) && {
    npm_config_nodedir: headers,
  };
  await run(
    path.join(root, 'node_modules', '.bin', 'node-pre-gyp'),
    ['install', '--build-from-source'],
    { ...place, root: addon },
    { CXXFLAGS: '-std=gnu++17', ...local },
  );
  await rm(path.join(wheels, wheel));
}

/** @throws Error with the last lines that the command wrote to its standard error */
async function run(
  file: string,
  args: readonly string[],
  { root, output }: Place,
  environment: Readonly<Record<string, string>> = {},
): Promise<void> {
  const log = createWriteStream(output, { flags: 'a' });
  log.write(`$ ${file} ${args.join(' ')}\n`);
  try {
    const { stdout, stderr } = await promisify(execFile)(file, args, {
      cwd: root,
      env: { ...process.env, ...environment },
      maxBuffer: 2 ** 28,
    });
    log.write(stdout + stderr);
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as Error & { stdout?: string; stderr?: string };
    log.write(stdout + stderr);
    const words = stderr.trim().split('\n').at(-1) || message;
    throw new Error(`${path.basename(file)} ${args[0] ?? ''}: ${words} (all of it: ${output})`, {
      cause: error,
    });
  } finally {
    log.end();
  }
}

/** Bytes of all files below a folder; links are not followed. */
export async function folderBytes(folder: string): Promise<number> {
  const { stdout } = await promisify(execFile)('du', ['-sb', folder]);
  return Number(stdout.split('\t')[0]);
}

/** Where peers live unless told otherwise. */
export function defaultPeersFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(os.homedir(), '.cache');
  return path.join(cache, 'alexnet', 'peers');
}
