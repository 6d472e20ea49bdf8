// Runs clang-tidy over the C++ sources that the last native build compiled, with that build's own flags.
// Invariant: exit status 0 means that every compiled source was checked and had no finding.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { cppFiles, fail, root, runAll, tool } from './cpp-tools.mjs';

// The simulated GPU of the tests implements headers of others, whose names it need not share.
const CHECKED = ['native'];

/** The newest build/**\/compile_commands.json, which CMake writes beside its build files. */
function findDatabase() {
  const build = path.join(root, 'build');
  const found = existsSync(build)
    ? readdirSync(build, { recursive: true })
        .filter((file) => path.basename(file) === 'compile_commands.json')
        .map((file) => path.join(build, file))
        .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    : [];
  if (found.length > 0) return found[0];
  return fail(
    'There is no compile_commands.json under build/: clang-tidy needs the flags of a native build.\n' +
      'Run: npm run build:native',
  );
}

/**
 * The compiler's own header folder, where gcc keeps omp.h. Searched last, so that clang's own headers, the
 * intrinsics above all, go first.
 */
function compilerHeaders([{ command, arguments: words }]) {
  const [compiler] = words ?? command.split(' ');
  const result = spawnSync(compiler, ['-print-file-name=include'], { encoding: 'utf8' });
  const folder = result.stdout?.trim() ?? '';
  return path.isAbsolute(folder) ? [`--extra-arg=-idirafter${folder}`] : [];
}

/** Sources of ours among the commands, relative to the root; C++ only, as nvcc's flags mean other things to clang. */
function compiledSources(commands) {
  const compiled = new Set(
    commands.map(({ directory, file }) =>
      path.relative(root, path.resolve(directory, file)).replaceAll('\\', '/'),
    ),
  );
  return cppFiles(CHECKED).filter((file) => file.endsWith('.cc') && compiled.has(file));
}

const database = findDatabase();
const commands = JSON.parse(readFileSync(database, 'utf8'));
const sources = compiledSources(commands);
if (sources.length === 0) {
  fail(`${path.relative(root, database)} compiles nothing under native/. Run: npm run build:native`);
}

try {
  const program = tool('clang-tidy');
  // -Wno-unknown-warning-option: the build's compiler may be gcc, whose warnings clang does not all know.
  const options = ['--quiet', '-p', path.dirname(database), '--extra-arg=-Wno-unknown-warning-option'];
  options.push(...compilerHeaders(commands));
  const results = await runAll(sources.map((source) => [program, ...options, source]));
  let findings = 0;
  for (const [index, { stdout, stderr, status }] of results.entries()) {
    if (status === 0) continue;
    findings += 1;
    console.error(`${sources[index]}\n${stdout.trimEnd() || stderr.trimEnd()}\n`);
  }
  const skipped = cppFiles(CHECKED).filter((file) => file.endsWith('.cc') && !sources.includes(file));
  if (skipped.length > 0) console.log(`Not part of this build, not checked: ${skipped.join(', ')}`);
  if (findings > 0) fail(`clang-tidy: ${findings} of ${sources.length} files have findings`);
  console.log(`clang-tidy: ${sources.length} files, no findings`);
} catch (error) {
  fail(error.message);
}
