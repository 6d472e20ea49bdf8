// Builds the addon into build/Release with cmake-js; does nothing when it is newer than its sources.
// Invariant: all build knowledge is in native/CMakeLists.txt; arguments go on to it: `-- -DONEDNN_ROOT=/opt/onednn`.
// binding.gyp calls it with --gyp and --arch=ARCH: then a package without build tools keeps the binary that it came with.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const release = path.join(root, 'build', 'Release');
const addon = path.join(release, 'alexnet.node');
const TOOLS_COMMAND = 'npm install --no-save cmake-js@8 node-addon-api@8';

const { values } = parseArgs({
  options: {
    gyp: { type: 'boolean', default: false },
    arch: { type: 'string', default: process.arch },
    D: { type: 'string', short: 'D', multiple: true, default: [] },
  },
});
/** An option without a value, as binding.gyp passes those that were not given, is left to CMake. */
const defines = values.D.filter((define) => !define.endsWith('='));

function fail(message, status = 1) {
  console.error(message);
  process.exit(status);
}

function newestSource() {
  const files = readdirSync(path.join(root, 'native'), { recursive: true, withFileTypes: true });
  const times = files
    .filter((file) => file.isFile())
    .map((file) => statSync(path.join(file.parentPath ?? file.path, file.name)).mtimeMs);
  return Math.max(...times);
}

/** The program of cmake-js; undefined where it, or what it builds with, is not installed. */
function findCmakeJs() {
  const require = createRequire(import.meta.url);
  try {
    require.resolve('node-addon-api/package.json');
    return require.resolve('cmake-js/bin/cmake-js');
  } catch {
    return undefined;
  }
}

/** electron-rebuild builds every package that has a binding.gyp; Node-API's binaries are good for Electron as they are. */
function keepPrebuilt() {
  const platform = `${process.platform}-${values.arch}`;
  if (!values.gyp || !existsSync(path.join(root, 'prebuilds', platform, 'alexnet.node'))) return false;
  mkdirSync(release, { recursive: true });
  console.log(
    `alexnet: nothing was built. prebuilds/${platform} is used, which suits every version of Node.js and Electron.\n` +
      `To build from source, first: ${TOOLS_COMMAND}`,
  );
  return true;
}

function build(cmakeJs) {
  const directories = ['--directory', path.join(root, 'native'), '--out', path.join(root, 'build')];
  const options = defines.map((define) => `--CD${define}`);
  const cmake = (...command) => {
    const { status, error } = spawnSync(
      process.execPath,
      [cmakeJs, ...command, ...directories, ...options],
      // node-gyp calls this through make, whose settings must not reach the inner make.
      { cwd: root, stdio: 'inherit', env: { ...process.env, MAKEFLAGS: '', MAKELEVEL: '' } },
    );
    if (error) throw error;
    return status;
  };
  // `build` configures a new folder only, and would leave out what the arguments change in an old one.
  const configured = options.length === 0 ? 0 : cmake('configure');
  const status = configured || cmake('build', '--parallel', '2');
  if (status !== 0) {
    fail(
      '\nThe native addon was not built. It needs a C++17 compiler with OpenMP, CMake 3.18 or later, and pip to ' +
        'fetch oneDNN.\nOn Debian and Ubuntu: apt-get install g++ make cmake python3-pip',
      status ?? 1,
    );
  }
}

function main() {
  if (existsSync(addon) && statSync(addon).mtimeMs >= newestSource() && defines.length === 0) return;
  const cmakeJs = findCmakeJs();
  if (cmakeJs === undefined) {
    if (!keepPrebuilt()) fail(`The build needs cmake-js and node-addon-api. First: ${TOOLS_COMMAND}`);
    return;
  }
  if (values.arch !== process.arch) {
    fail(`The addon is built on the machine it is for: ${values.arch} cannot be built on ${process.arch}`);
  }
  build(cmakeJs);
}

main();
