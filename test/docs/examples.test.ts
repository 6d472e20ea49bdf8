// The documentation's TypeScript examples, compiled as a user would have them in an editor.
// Invariant: an example that does not compile fails the test that names its file and line.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import * as library from '../../lib/index.js';
import { packageDirectory } from '../../lib/native/addon.js';

const documents = ['README.md', 'docs/guide.md', 'docs/errors.md'];
/** Names that an example takes from the text around it: its data, and what earlier examples imported. */
const context = [
  ...Object.keys(library).map((name) => `declare const ${name}: typeof import('alexnet').${name};`),
  "declare const device: import('alexnet').Device;",
  "declare const model: import('alexnet').Model;",
  "declare const dataset: import('alexnet').ImageDataset;",
  "declare const train: import('alexnet').ImageDataset;",
  "declare const validation: import('alexnet').ImageDataset;",
  "declare const progress: import('alexnet').Progress;",
  "declare const trainer: import('alexnet').Trainer;",
  'declare const dir: string;',
].join('\n');

interface Example {
  readonly name: string;
  readonly code: string;
}

function examplesOf(document: string): Example[] {
  const text = readFileSync(path.join(packageDirectory, document), 'utf8');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => ({
    name: `${document}:${text.slice(0, match.index).split('\n').length + 1}`,
    code: match[1] as string,
  }));
}

function compile(example: Example): string[] {
  const folder = path.join(packageDirectory, 'dist');
  const sources = new Map([
    [path.join(folder, 'example.ts'), `${example.code}\nexport {};`],
    [path.join(folder, 'context.d.ts'), context],
  ]);
  const options: ts.CompilerOptions = {
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
    paths: { alexnet: [path.join(packageDirectory, 'dist', 'lib', 'index.d.ts')] },
  };
  const host = ts.createCompilerHost(options);
  const withExample: ts.CompilerHost = {
    ...host,
    getSourceFile: (name, ...rest) => {
      const source = sources.get(name);
      if (source === undefined) return host.getSourceFile(name, ...rest);
      return ts.createSourceFile(name, source, ts.ScriptTarget.ES2022);
    },
    fileExists: (name) => sources.has(name) || host.fileExists(name),
    readFile: (name) => sources.get(name) ?? host.readFile(name),
  };
  const program = ts.createProgram([...sources.keys()], options, withExample);
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}

describe('The documentation', () => {
  it('has examples', () => {
    assert.ok(documents.every((document) => examplesOf(document).length > 0));
  });

  for (const example of documents.flatMap(examplesOf)) {
    it(`has a working example at ${example.name}`, () => {
      assert.deepEqual(compile(example), []);
    });
  }

  it('would notice an example that does not compile', () => {
    const broken = { name: 'broken', code: "import { openDevice } from 'alexnet';\nopenDevice(1);\n" };
    assert.equal(compile(broken).length, 1);
  });
});
