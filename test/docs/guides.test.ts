// The guides' examples, compiled and run: all blocks of a guide, in their order, are one program.
// Invariant: each runs in a folder of its own that holds `pictures`, with three classes, and nothing else.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { packageDirectory } from '../../lib/native/addon.js';
import { colourPictures, runNode } from '../cli/run-cli.js';
import { tempFiles } from '../data/temp-folder.js';
import { compileExamples, examplesOf, type Compiled } from './compile.js';

const folder = path.join(packageDirectory, 'docs', 'guides');
const guides = readdirSync(folder).filter((name) => name.endsWith('.md'));
const programs = guides.map((name) => ({
  name,
  code: examplesOf(path.join('docs', 'guides', name))
    .map(({ code }) => code)
    .join('\n'),
}));

/** What a guide's program sees: pictures, and the package by its name. */
function prepareFolder(javascript: string): string {
  const pictures = Object.entries(colourPictures(8)).map(
    ([name, bytes]) => [`pictures/${name}`, bytes] as const,
  );
  const dir = tempFiles(Object.fromEntries(pictures));
  mkdirSync(path.join(dir, 'node_modules'));
  symlinkSync(packageDirectory, path.join(dir, 'node_modules', 'alexnet'), 'dir');
  writeFileSync(path.join(dir, 'guide.mjs'), javascript);
  return dir;
}

describe('The guides', function () {
  this.timeout(120_000);
  let compiled: Compiled[] = [];

  before(() => {
    compiled = compileExamples(programs);
  });

  for (const [i, { name, code }] of programs.entries()) {
    it(`has a program in ${name} that compiles and runs`, async () => {
      assert.ok(code.length > 0, 'there is no example');
      const { messages, javascript } = compiled[i] as Compiled;
      assert.deepEqual(messages, []);
      const {
        code: status,
        stderr,
        stdout,
      } = await runNode(['guide.mjs'], { cwd: prepareFolder(javascript) });
      assert.equal(status, 0, stderr);
      assert.notEqual(stdout, '');
    });
  }
});
