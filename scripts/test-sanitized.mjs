// Builds the addon with AddressSanitizer and UndefinedBehaviorSanitizer, and runs the tests that exercise it.
// Invariant: the first error of either ends the run with a failure. Node.js itself and oneDNN are not instrumented.
// Arguments: the tests to run instead of those below.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { output } from './run.mjs';
import { root } from './wheels.mjs';

const TESTS = ['native/op-table', 'native/plans', 'ops/*', 'tensor/device', 'tensor/failure', 'tensor/scope']
  .concat(['tensor/tensor', 'tensor/process', 'layers/*', 'data/augmentation', 'optim/sgd'])
  .map((name) => `dist/test/${name}.test.js`);

const folder = path.join(root, '.cache', 'sanitized');

function build() {
  const cmakeJs = createRequire(import.meta.url).resolve('cmake-js/bin/cmake-js');
  const places = ['--directory', path.join(root, 'native'), '--out', path.join(folder, 'build')];
  const options = ['--CDALEXNET_SANITIZE=address,undefined', '--CDALEXNET_CUDA=OFF', '--parallel', '2'];
  const { status } = spawnSync(process.execPath, [cmakeJs, 'build', ...places, ...options], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** The sanitizer's own library goes first, and the C++ library whose exceptions it watches. */
function preloaded() {
  return ['libasan.so', 'libstdc++.so.6']
    .map((name) => output('gcc', [`-print-file-name=${name}`]).trim())
    .join(':');
}

build();
const mocha = path.join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
const tests = process.argv.length > 2 ? process.argv.slice(2) : TESTS;
const { status, signal } = spawnSync(
  process.execPath,
  [mocha, '--no-config', '--timeout', '600000', '--reporter', 'dot', ...tests],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      ALEXNET_PREBUILD: folder,
      // It is built without CUDA, for which there may be a simulated GPU.
      ALEXNET_TEST_DEVICES: 'cpu',
      LD_PRELOAD: preloaded(),
      // V8 frees nothing at exit, and keeps its stacks where the leak checker does not look.
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=0:strict_string_checks=1:detect_stack_use_after_return=0',
      UBSAN_OPTIONS: 'print_stacktrace=1',
    },
  },
);
if (signal !== null) console.error(`ended by ${signal}`);
process.exitCode = status ?? 1;
