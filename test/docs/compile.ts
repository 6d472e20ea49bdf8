// TypeScript in the documentation: taken out of Markdown, and compiled as a user would have it in an editor.
// Invariant: examples are modules, which do not see each other; all of them are compiled in one program, for speed.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { packageDirectory } from '../../lib/native/addon.js';

export interface Example {
  /** Where it stands: `docs/guide.md:12`. */
  readonly name: string;
  readonly code: string;
}

export interface Compiled {
  /** What the compiler says of it; empty if it is right. */
  readonly messages: readonly string[];
  readonly javascript: string;
}

/** The blocks marked `ts` of a document. */
export function examplesOf(document: string): Example[] {
  const text = readFileSync(path.join(packageDirectory, document), 'utf8');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```/gm)].map((match) => ({
    name: `${document}:${text.slice(0, match.index).split('\n').length + 1}`,
    code: match[1] as string,
  }));
}

const folder = path.join(packageDirectory, 'dist');
const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  noUncheckedIndexedAccess: true,
  skipLibCheck: true,
  types: ['node'],
  paths: { alexnet: [path.join(folder, 'lib', 'index.d.ts')] },
};

/** @param context declarations that all examples see */
export function compileExamples(examples: readonly Example[], context = ''): Compiled[] {
  const files = examples.map((_, i) => path.join(folder, `example-${i}.ts`));
  const sources = new Map([[path.join(folder, 'context.d.ts'), context]]);
  examples.forEach(({ code }, i) => sources.set(files[i] as string, `${code}\nexport {};`));
  const host = ts.createCompilerHost(options);
  const program = ts.createProgram([...sources.keys()], options, {
    ...host,
    getSourceFile: (name, ...rest) => {
      const source = sources.get(name);
      if (source === undefined) return host.getSourceFile(name, ...rest);
      return ts.createSourceFile(name, source, {
        languageVersion: ts.ScriptTarget.ES2022,
        impliedNodeFormat: ts.ModuleKind.ESNext,
      });
    },
    fileExists: (name) => sources.has(name) || host.fileExists(name),
    readFile: (name) => sources.get(name) ?? host.readFile(name),
  });
  return files.map((file) => {
    const source = program.getSourceFile(file);
    let javascript = '';
    program.emit(source, (_, text) => (javascript = text));
    const messages = ts
      .getPreEmitDiagnostics(program, source)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
    return { messages, javascript };
  });
}
