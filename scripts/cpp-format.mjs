// Formats the C++ and CUDA sources in place; with --check only says which are not formatted.
// Invariant: exit status 0 means that every file is formatted as .clang-format says.

import { cppFiles, fail, runAll, tool } from './cpp-tools.mjs';

const FILES_A_RUN = 50;

const options = process.argv.slice(2);
const check = options.includes('--check');
if (options.some((option) => option !== '--check')) fail('usage: node scripts/cpp-format.mjs [--check]');

const files = cppFiles();
if (files.length === 0) fail('there are no C++ sources; is this a checkout of the repository?');

/** clang-format reports every place; the files' names are enough, as `npm run format` mends them all. */
function explain(output) {
  const unformatted = new Set();
  for (const [, file] of output.matchAll(/^(.+?):\d+:\d+: .*\[-Wclang-format-violations\]$/gm)) {
    unformatted.add(file);
  }
  if (unformatted.size === 0) return `clang-format failed:\n${output.trimEnd()}`;
  return `Not formatted (npm run format does it):\n  ${[...unformatted].join('\n  ')}`;
}

try {
  const mode = check ? ['--dry-run', '--Werror'] : ['-i'];
  const program = tool('clang-format');
  const jobs = [];
  for (let at = 0; at < files.length; at += FILES_A_RUN) {
    jobs.push([program, '--style=file', ...mode, ...files.slice(at, at + FILES_A_RUN)]);
  }
  const results = await runAll(jobs);
  const output = results.map(({ stdout, stderr }) => stdout + stderr).join('');
  if (results.some(({ status }) => status !== 0)) fail(explain(output));
  console.log(`${files.length} C++ files ${check ? 'are formatted' : 'formatted'}`);
} catch (error) {
  fail(error.message);
}
