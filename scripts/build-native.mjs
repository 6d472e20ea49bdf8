// Builds the addon into build/Release with cmake-js; does nothing when it is newer than its sources.
// Invariant: all build knowledge is in native/CMakeLists.txt; arguments go on to it: `-- -DONEDNN_ROOT=/opt/onednn`.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const addon = path.join(root, 'build', 'Release', 'alexnet.node');

function newestSource() {
  const files = readdirSync(path.join(root, 'native'), { recursive: true, withFileTypes: true });
  const times = files
    .filter((file) => file.isFile())
    .map((file) => statSync(path.join(file.parentPath ?? file.path, file.name)).mtimeMs);
  return Math.max(...times);
}

function cmakeArguments() {
  const defines = process.argv.slice(2).filter((argument) => argument.startsWith('-D'));
  return defines.map((define) => `--CD${define.slice(2)}`);
}

function build() {
  const require = createRequire(import.meta.url);
  const cmakeJs = require.resolve('cmake-js/bin/cmake-js');
  const directories = ['--directory', path.join(root, 'native'), '--out', path.join(root, 'build')];
  const cmake = (...command) => {
    const { status, error } = spawnSync(
      process.execPath,
      [cmakeJs, ...command, ...directories, ...cmakeArguments()],
      // node-gyp calls this through make, whose settings must not reach the inner make.
      { cwd: root, stdio: 'inherit', env: { ...process.env, MAKEFLAGS: '', MAKELEVEL: '' } },
    );
    if (error) throw error;
    return status;
  };
  // `build` configures a new folder only, and would leave out what the arguments change in an old one.
  const configured = cmakeArguments().length === 0 ? 0 : cmake('configure');
  const status = configured || cmake('build', '--parallel', '2');
  if (status !== 0) {
    console.error(
      '\nThe native addon was not built. It needs a C++17 compiler with OpenMP, CMake 3.18 or later, and pip to ' +
        'fetch oneDNN.\nOn Debian and Ubuntu: apt-get install g++ make cmake python3-pip',
    );
    process.exit(status ?? 1);
  }
}

const current =
  existsSync(addon) && statSync(addon).mtimeMs >= newestSource() && cmakeArguments().length === 0;
if (!current) build();
