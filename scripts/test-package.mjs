// Installs the packed package as a user does, and uses it in every way that it promises to work.
// Invariant: what is tested is the tarball, on a PATH with node and npm alone; no install script runs.
// With --runtimes: also on other versions of Node.js, on Bun and on Deno, which are fetched from npm (600 MB); on older
// processors; and built from source by node-gyp.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { makeMinimalRoot, whyNoRoot } from './package/minimal-root.mjs';
import { fetchRuntimes } from './package/runtimes.mjs';
import { checkTarball } from './package/tarball.mjs';
import { output } from './run.mjs';
import { root } from './wheels.mjs';

const NOBODY = 65534;
const QEMU = '/usr/bin/qemu-x86_64';
const LINES_OF_AN_ERROR = 12;
/** In a bare root: with the glibc of this Debian, and with the oldest that can be had. */
const SUITES = ['bookworm', 'bullseye'];
const COMPILER = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const TYPESCRIPT = {
  'node16, ES module': { module: 'node16', moduleResolution: 'node16', files: ['typed.ts'] },
  'nodenext, ES module and CommonJS': {
    module: 'nodenext',
    moduleResolution: 'nodenext',
    files: ['typed.ts', 'typed.cts'],
  },
  bundler: { module: 'esnext', moduleResolution: 'bundler', files: ['typed.ts'] },
};

const work = realpathSync(mkdtempSync(path.join(tmpdir(), 'alexnet-package-')));
const bin = path.join(work, 'bin');
const app = path.join(work, 'app');
const env = { PATH: bin, HOME: work };
const counts = { passed: 0, failed: 0 };

async function check(name, run) {
  const start = Date.now();
  try {
    const said = await run();
    counts.passed += 1;
    console.log(`ok    ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)${said ? `: ${said}` : ''}`);
  } catch (error) {
    counts.failed += 1;
    const lines = error.message.trim().split('\n');
    console.error(`FAIL  ${name}\n      ${lines.slice(0, LINES_OF_AN_ERROR).join('\n      ')}`);
  }
}

/** node and npm, and nothing else; readable by everybody. */
function prepareFolders() {
  chmodSync(work, 0o755);
  for (const folder of [bin, app]) mkdirSync(folder);
  symlinkSync(process.execPath, path.join(bin, 'node'));
  symlinkSync(npmProgram(), path.join(bin, 'npm'));
}

function npmProgram() {
  return realpathSync(path.join(path.dirname(process.execPath), 'npm'));
}

function pack() {
  const [{ filename }] = JSON.parse(
    output('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', work], { cwd: root }),
  );
  return path.join(work, filename);
}

function npmInstall(...args) {
  const cache = output('npm', ['config', 'get', 'cache']).trim();
  output('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--cache', cache, ...args], {
    cwd: app,
    env: { ...env, npm_config_userconfig: output('npm', ['config', 'get', 'userconfig']).trim() },
  });
}

function install(tarball) {
  writeFileSync(path.join(app, 'package.json'), '{ "private": true, "type": "module" }\n');
  cpSync(path.join(root, 'scripts', 'package', 'consumer'), app, { recursive: true });
  npmInstall(tarball);
}

function lastLine(text) {
  return text.trim().split('\n').at(-1);
}

/** Runs a program of the consumer's and gives its last line. */
function consume(args, { program = path.join(bin, 'node'), ...options } = {}) {
  return lastLine(output(program, args, { cwd: app, env, timeout: 300_000, ...options }));
}

function compile(settings, options) {
  const { files, ...compilerOptions } = settings;
  const config = path.join(app, 'tsconfig.json');
  const common = {
    target: 'es2022',
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
    ...options,
  };
  writeFileSync(config, JSON.stringify({ compilerOptions: { ...common, ...compilerOptions }, files }));
  output(process.execPath, [COMPILER, '-p', config], { cwd: app });
}

async function checkTypes() {
  // As TypeScript projects for Node.js have it.
  cpSync(
    path.join(root, 'node_modules', '@types', 'node'),
    path.join(app, 'node_modules', '@types', 'node'),
    { recursive: true },
  );
  cpSync(path.join(root, 'node_modules', 'undici-types'), path.join(app, 'node_modules', 'undici-types'), {
    recursive: true,
  });
  for (const [name, settings] of Object.entries(TYPESCRIPT)) {
    await check(`TypeScript, ${name}`, () => compile(settings, {}));
  }
  await check('TypeScript, compiled and run', () => {
    compile(TYPESCRIPT['node16, ES module'], { noEmit: false, outDir: 'out' });
    return consume(['out/typed.js']);
  });
}

function makeReadOnly(folder) {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const full = path.join(entry.parentPath ?? entry.path, entry.name);
    if (!entry.isSymbolicLink()) chmodSync(full, statSync(full).mode & 0o555);
  }
  chmodSync(folder, 0o555);
}

async function checkUsers() {
  const user = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  await check('a read-only folder, a user without rights', () => {
    makeReadOnly(app);
    return consume(['esm.mjs'], user);
  });
  await check('the command line, for that user', () =>
    consume([path.join('node_modules', '.bin', 'alexnet'), 'info'], user),
  );
}

async function checkRoots() {
  const reason = whyNoRoot();
  if (reason !== undefined) return console.log(`not tried: a minimal Debian root (${reason})`);
  for (const suite of SUITES) {
    const bare = path.join(work, suite);
    await check(`a minimal Debian ${suite}, without libgomp`, () => {
      makeMinimalRoot(bare, suite);
      cpSync(app, path.join(bare, 'app'), { recursive: true });
      const inside = { program: '/usr/sbin/chroot', cwd: '/', env: { PATH: '/bin' } };
      const libc = consume(
        [bare, '/bin/node', '-p', 'process.report.getReport().header.glibcVersionRuntime'],
        inside,
      );
      return `glibc ${libc}: ${consume([bare, '/bin/node', '/app/esm.mjs'], inside)}`;
    });
    rmSync(bare, { recursive: true, force: true });
  }
}

async function checkRuntimes() {
  for (const { name, program, args } of fetchRuntimes(path.join(root, '.cache', 'runtimes'))) {
    for (const file of ['esm.mjs', 'commonjs.cjs', 'workers.mjs']) {
      await check(`${name}, ${file}`, () => consume([...args, file], { program }));
    }
  }
}

/** Processors that are not there, where qemu can play them. */
async function checkProcessors() {
  if (!existsSync(QEMU)) return console.log(`not tried: older processors (apt-get install qemu-user)`);
  const on = (processor) => ({ program: QEMU, args: ['-cpu', processor, process.execPath, 'esm.mjs'] });
  for (const processor of ['Nehalem', 'Haswell']) {
    const { program, args } = on(processor);
    await check(`a processor of the kind ${processor}`, () => consume(args, { program }));
  }
  await check('an error on a processor without SSE4.1', () => {
    const { program, args } = on('core2duo');
    const { status, stderr } = spawnSync(program, args, { cwd: app, env, encoding: 'utf8' });
    if (status !== 1 || !/DeviceError.*SSE4\.1/.test(stderr)) {
      throw new Error(`exit code ${status}\n${stderr}`);
    }
  });
}

/** npm's own node-gyp, as npm and other tools would run it in the installed package; no headers are downloaded. */
function rebuild(options) {
  const npmFolder = path.dirname(path.dirname(npmProgram()));
  const nodeGyp = path.join(npmFolder, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js');
  const nodeFolder = path.dirname(path.dirname(realpathSync(process.execPath)));
  output(process.execPath, [nodeGyp, 'rebuild', `--nodedir=${nodeFolder}`, ...options], {
    cwd: path.join(app, 'node_modules', 'alexnet'),
    env: { ...process.env, HOME: work },
  });
}

async function checkRebuild() {
  const built = path.join(app, 'node_modules', 'alexnet', 'build');
  await check('node-gyp rebuild without build tools: the binary stays', () => {
    rebuild([]);
    if (existsSync(path.join(built, 'Release', 'alexnet.node'))) throw new Error('something was built');
    return consume(['esm.mjs']);
  });
  if (!process.argv.includes('--runtimes')) return;
  await check('node-gyp rebuild with build tools: built from source', () => {
    npmInstall('--no-save', 'cmake-js@8', 'node-addon-api@8');
    rebuild(['--alexnet_cuda=OFF']);
    if (!existsSync(path.join(built, 'Release', 'alexnet.node'))) throw new Error('nothing was built');
    return consume(['esm.mjs']);
  });
  rmSync(built, { recursive: true, force: true });
}

async function main() {
  prepareFolders();
  const tarball = pack();
  await checkTarball(tarball, { root, check });
  await check('npm install --ignore-scripts', () => install(tarball));
  await check('an ES module', () => consume(['esm.mjs']));
  await check('CommonJS', () => consume(['commonjs.cjs']));
  await check('two workers at once', () => consume(['workers.mjs']));
  await checkTypes();
  await checkRebuild();
  await checkUsers();
  await checkRoots();
  if (process.argv.includes('--runtimes')) {
    await checkProcessors();
    await checkRuntimes();
  }
}

try {
  await main();
} finally {
  spawnSync('chmod', ['-R', 'u+w', work]);
  rmSync(work, { recursive: true, force: true });
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed > 0 ? 1 : 0;
