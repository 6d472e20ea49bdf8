// Which folder may import which, in TypeScript and in C++; checked on the sources, and the checker on made-up ones.
// Invariant: the rules are the tables at the top; a folder that no table knows is a violation, never an exception.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import ts from 'typescript';

interface Rule {
  /** Folders of lib/, or files directly in it, that may be imported besides the own one. */
  readonly imports: readonly string[];
  /** Packages of package.json that may be imported; Node's own modules always may. */
  readonly packages: readonly string[];
}

const LEAVES = ['errors', 'random', 'format'];
const COMPUTING = [...LEAVES, 'native', 'tensor', 'ops', 'layers'];

/** Each of the chain native, tensor, ops, layers, models sees those before it. */
const TYPESCRIPT_RULES: Readonly<Record<string, Rule>> = {
  errors: { imports: [], packages: [] },
  random: { imports: ['errors'], packages: [] },
  format: { imports: ['errors'], packages: [] },
  native: { imports: LEAVES, packages: ['node-gyp-build'] },
  tensor: { imports: [...LEAVES, 'native'], packages: [] },
  ops: { imports: [...LEAVES, 'native', 'tensor'], packages: [] },
  layers: { imports: [...LEAVES, 'native', 'tensor', 'ops'], packages: [] },
  optim: { imports: COMPUTING, packages: [] },
  io: { imports: LEAVES, packages: [] },
  data: { imports: [...LEAVES, 'native', 'io'], packages: ['jimp', '@jimp/core', '@jsquash/jpeg', 'lmdb'] },
  models: { imports: [...COMPUTING, 'data', 'io'], packages: [] },
  train: { imports: [...COMPUTING, 'optim', 'data', 'io', 'models'], packages: [] },
  profile: { imports: [...COMPUTING, 'optim', 'data', 'models', 'train'], packages: [] },
  report: { imports: [...COMPUTING, 'data', 'io', 'models', 'train'], packages: ['jimp', 'uplot'] },
  index: {
    imports: [...COMPUTING, 'optim', 'data', 'io', 'models', 'train', 'profile', 'report'],
    packages: [],
  },
  cli: { imports: ['index'], packages: [] },
};

/** Folders of native/ that each may include, besides its own. */
const CPP_RULES: Readonly<Record<string, readonly string[]>> = {
  core: [],
  cpu: ['core'],
  cuda: ['core'],
  addon: ['core', 'cpu', 'cuda'],
  fuzz: ['core'],
  portable: [],
};

/** Headers of others that only one folder of native/ may include. */
const CPP_VENDORS: readonly { readonly folder: string; readonly headers: RegExp }[] = [
  { folder: 'cpu', headers: /^(oneapi\/)?dnnl/ },
  { folder: 'cuda', headers: /^(cuda|cudnn|cublas|nvrtc|nvToolsExt|vector_types|device_)/ },
  { folder: 'addon', headers: /^(napi|node_api|js_native_api)/ },
];

/** Sources by path from the root, with slashes. */
type Sources = ReadonlyMap<string, string>;

/** A place where a file names another: an import, or an include. */
interface Reference {
  readonly specifier: string;
  readonly line: number;
  /** Types alone: nothing is loaded at run time. */
  readonly erased?: boolean;
}

// ---- TypeScript

function checkTypeScript(sources: Sources): string[] {
  const violations: string[] = [];
  const graph = new Map<string, { target: string; line: number }[]>();
  for (const [file, text] of sources) {
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    if (file === 'lib/index.ts') violations.push(...onlyReExports(source));
    const edges: { target: string; line: number }[] = [];
    for (const reference of importsOf(source)) {
      const broken = brokenRule(file, reference.specifier);
      if (broken !== undefined) violations.push(`${file}:${reference.line}: ${broken}`);
      const target = resolveTypeScript(file, reference.specifier);
      if (target !== undefined && !reference.erased) edges.push({ target, line: reference.line });
    }
    graph.set(file, edges);
  }
  return [...violations, ...cycles(graph)];
}

/** Static and dynamic imports, re-exports, import types and `import x = require()`; types alone are erased. */
function importsOf(source: ts.SourceFile): Reference[] {
  const found: Reference[] = [];
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node);
    if (specifier !== undefined && ts.isStringLiteralLike(specifier)) {
      found.push({ specifier: specifier.text, line: lineOf(source, specifier), erased: isErased(node) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Whether only types are imported, so that nothing is loaded at run time. */
function isErased(node: ts.Node): boolean {
  if (ts.isImportTypeNode(node)) return true;
  if (ts.isImportDeclaration(node)) return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
  return ts.isExportDeclaration(node) && node.isTypeOnly;
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node)) {
    return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  }
  if (ts.isExternalModuleReference(node)) return node.expression;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return node.arguments[0];
  }
  return undefined;
}

function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

function onlyReExports(source: ts.SourceFile): string[] {
  return source.statements
    .filter((statement) => !ts.isExportDeclaration(statement) || statement.moduleSpecifier === undefined)
    .map((statement) => `${source.fileName}:${lineOf(source, statement)}: index holds re-exports only`);
}

function resolveTypeScript(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts');
}

/** `lib/ops/table.ts` -> `ops`, `lib/errors.ts` -> `errors`; undefined outside lib/. */
function unitOf(file: string): string | undefined {
  return /^lib\/([^/]+?)(\.ts)?(\/|$)/.exec(file)?.[1];
}

function brokenRule(file: string, specifier: string): string | undefined {
  const from = unitOf(file) ?? file;
  const rule = ruleFor(from);
  if (rule === undefined) return `no rule for ${from}; add it to TYPESCRIPT_RULES`;
  const target = resolveTypeScript(file, specifier);
  if (target === undefined) {
    if (specifier.startsWith('node:')) return undefined;
    if (builtinModules.includes(specifier)) return `write 'node:${specifier}' for Node's own modules`;
    const allowed = rule.packages.some((name) => specifier === name || specifier.startsWith(`${name}/`));
    return allowed ? undefined : `${from} may not import packages (${specifier})`;
  }
  const to = unitOf(target);
  if (to === undefined) return `${from} imports ${target}, which is outside lib/`;
  if (to === from || rule.imports.includes(to)) return undefined;
  return `${from} may not import ${to} (${specifier})`;
}

function ruleFor(unit: string): Rule | undefined {
  return Object.hasOwn(TYPESCRIPT_RULES, unit) ? TYPESCRIPT_RULES[unit] : undefined;
}

/** One line for each import that closes a circle; types may refer to each other. */
function cycles(graph: ReadonlyMap<string, readonly { target: string; line: number }[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    for (const { target, line } of graph.get(file) ?? []) {
      const start = [...path, file].indexOf(target);
      if (start >= 0) {
        found.push(
          `${file}:${line}: closes a circle: ${[...path, file].slice(start).concat(target).join(' -> ')}`,
        );
      } else if (!done.has(target)) visit(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of graph.keys()) if (!done.has(file)) visit(file, []);
  return found;
}

// ---- C++

function checkCpp(sources: Sources): string[] {
  const violations: string[] = [];
  for (const [file, text] of sources) {
    for (const { specifier, line } of includesOf(text)) {
      const broken = brokenInclude(file, specifier, sources);
      if (broken !== undefined) violations.push(`${file}:${line}: ${broken}`);
    }
  }
  return violations;
}

function includesOf(text: string): Reference[] {
  // Comments go, their line ends stay.
  const code = text.replace(/\/\*[^]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ''));
  return code.split('\n').flatMap((content, index) => {
    const specifier = /^\s*#\s*include(?:_next)?\s*[<"]([^>"]+)[>"]/.exec(content)?.[1];
    return specifier === undefined ? [] : [{ specifier, line: index + 1 }];
  });
}

function brokenInclude(file: string, specifier: string, sources: Sources): string | undefined {
  const from = folderOf(file);
  if (!Object.hasOwn(CPP_RULES, from)) return `no rule for ${file}; add its folder to CPP_RULES`;
  const beside = posix.join(posix.dirname(file), specifier);
  const target = [beside, posix.join('native', specifier)].find((candidate) => sources.has(candidate));
  // A header of ours that the build makes, or that is missing, still says where it belongs.
  const to = target === undefined ? (specifier.split('/')[0] ?? '') : folderOf(target);
  if (target !== undefined || Object.hasOwn(CPP_RULES, to)) {
    return to === from || CPP_RULES[from]?.includes(to)
      ? undefined
      : `${from} may not include ${to} (${specifier})`;
  }
  const vendor = CPP_VENDORS.find(({ headers }) => headers.test(specifier));
  if (vendor === undefined || vendor.folder === from) return undefined;
  return `${from} may not include ${specifier}; only ${vendor.folder} may`;
}

/** `native/cpu/conv.cc` -> `cpu`; '' directly in native/. */
function folderOf(file: string): string {
  return /^native\/([^/]+)\//.exec(file)?.[1] ?? '';
}

// ---- Tests

const root = new URL('../../', import.meta.url);

function sourcesUnder(folder: string, name: RegExp): Sources {
  const files = readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .map((file) => `${folder}/${file.replaceAll('\\', '/')}`)
    .filter((file) => name.test(file))
    .sort();
  return new Map(files.map((file) => [file, readFileSync(new URL(file, root), 'utf8')]));
}

/** Sources from `path: text`, for the checker's own tests. */
function files(sources: Readonly<Record<string, string>>): Sources {
  return new Map(Object.entries(sources));
}

describe('imports', () => {
  it('go one way through lib/, without circles', () => {
    const sources = sourcesUnder('lib', /\.ts$/);
    assert.ok(sources.has('lib/errors.ts'), 'the sources of lib/ were not found');
    assert.deepEqual(checkTypeScript(sources), []);
  });

  it('go one way through native/, and vendors stay in their folders', () => {
    const sources = sourcesUnder('native', /\.(h|cc|cu|cuh|def|inc)$/);
    const found = new Set([...sources.keys()].map(folderOf));
    for (const folder of ['core', 'cpu', 'addon']) {
      assert.ok(found.has(folder), `native/${folder} has no sources`);
    }
    assert.deepEqual(checkCpp(sources), []);
  });
});

const allowed: Sources = files({
  'lib/errors.ts': "export const a = 1; // import './cli/main.js'",
  'lib/format.ts': "import { a } from './errors.js';\nexport const text = \"import x from './cli/main.js'\";",
  'lib/native/addon.ts': "import load from 'node-gyp-build';\nimport { a } from '../errors.js';",
  'lib/tensor/device.ts': "import '../native/addon.js';\nimport './shape.js';",
  'lib/tensor/shape.ts': "import { readFile } from 'node:fs/promises';",
  'lib/models/alexnet.ts':
    "import '../tensor/device.js';\nimport '../io/file.js';\nimport '../data/decode.js';",
  'lib/io/file.ts': "import '../format.js';",
  'lib/data/decode.ts': "import { Jimp } from 'jimp';",
  'lib/train/trainer.ts': "import '../models/alexnet.js';",
  'lib/index.ts':
    "export { a } from './errors.js';\nexport * from './train/trainer.js';\nexport type { B } from './io/file.js';",
  'lib/cli/main.ts':
    "import { a } from '../index.js';\nimport { parseArgs } from 'node:util';\nimport './arguments.js';",
  'lib/cli/arguments.ts': '',
});

const typeScriptCases: readonly [what: string, file: string, text: string, violations: string[]][] = [
  [
    'an import of what comes later in the chain',
    'lib/tensor/device.ts',
    "\n\nimport {\n  conv,\n} from '../ops/conv.js';",
    ['lib/tensor/device.ts:5: tensor may not import ops (../ops/conv.js)'],
  ],
  [
    'an import of a type',
    'lib/data/loader.ts',
    "import type { Tensor } from '../tensor/device.js';",
    ['lib/data/loader.ts:1: data may not import tensor (../tensor/device.js)'],
  ],
  [
    'a re-export',
    'lib/io/weights.ts',
    "export * from '../models/alexnet.js';",
    ['lib/io/weights.ts:1: io may not import models (../models/alexnet.js)'],
  ],
  [
    'a dynamic import',
    'lib/ops/late.ts',
    "const late = () =>\n  import('../layers/relu.js');",
    ['lib/ops/late.ts:2: ops may not import layers (../layers/relu.js)'],
  ],
  [
    'an import type',
    'lib/random.ts',
    "export type A = import('./native/addon.js').Addon;",
    ['lib/random.ts:1: random may not import native (./native/addon.js)'],
  ],
  [
    'an import through require',
    'lib/optim/sgd.ts',
    "import x = require('../train/trainer.js');",
    ['lib/optim/sgd.ts:1: optim may not import train (../train/trainer.js)'],
  ],
  [
    'the command line reaching past the public index',
    'lib/cli/predict.ts',
    "import '../train/trainer.js';\nimport '../format.js';\nimport { Jimp } from 'jimp';",
    [
      'lib/cli/predict.ts:1: cli may not import train (../train/trainer.js)',
      'lib/cli/predict.ts:2: cli may not import format (../format.js)',
      'lib/cli/predict.ts:3: cli may not import packages (jimp)',
    ],
  ],
  [
    'a package in a folder that has others',
    'lib/native/late.ts',
    "import load from 'node-gyp-build';\nimport { open } from 'lmdb';",
    ['lib/native/late.ts:2: native may not import packages (lmdb)'],
  ],
  [
    'an import of the command line',
    'lib/train/run.ts',
    "import '../cli/arguments.js';",
    ['lib/train/run.ts:1: train may not import cli (../cli/arguments.js)'],
  ],
  [
    'an index with code of its own',
    'lib/index.ts',
    "import './errors.js';\nexport { a } from './errors.js';\nexport const version = '1';\nexport {};",
    [1, 3, 4].map((line) => `lib/index.ts:${line}: index holds re-exports only`),
  ],
  [
    'an index that exports the command line',
    'lib/index.ts',
    "export * from './cli/arguments.js';",
    ['lib/index.ts:1: index may not import cli (./cli/arguments.js)'],
  ],
  [
    'a builtin without node:',
    'lib/io/old.ts',
    "import fs from 'fs';",
    ["lib/io/old.ts:1: write 'node:fs' for Node's own modules"],
  ],
  [
    'a file outside lib/',
    'lib/train/version.ts',
    "import '../../package.json';",
    ['lib/train/version.ts:1: train imports package.json, which is outside lib/'],
  ],
  [
    'a folder without a rule',
    'lib/constructor/x.ts',
    "import '../errors.js';",
    ['lib/constructor/x.ts:1: no rule for constructor; add it to TYPESCRIPT_RULES'],
  ],
];

describe('the import checker', () => {
  it('accepts what the rules allow, and does not read comments and texts', () => {
    assert.deepEqual(checkTypeScript(allowed), []);
  });

  for (const [what, file, text, violations] of typeScriptCases) {
    it(`reports ${what}`, () => {
      assert.deepEqual(checkTypeScript(new Map([...allowed, [file, text]])), violations);
    });
  }

  it('reports each circle once, also one through other files and one of a single file, but not one of types', () => {
    const circular = files({
      'lib/io/a.ts': "import './b.js';",
      'lib/io/b.ts': "\nimport { type C, c } from './c.js';",
      'lib/io/c.ts': "import '../errors.js';\n\nexport * from './a.js';",
      'lib/io/self.ts': "import './self.js';",
      'lib/io/outside.ts': "import './a.js';\nimport './b.js';",
      'lib/io/owner.ts': "import type { Owned } from './owned.js';",
      'lib/io/owned.ts': "import { Owner } from './owner.js';",
    });
    assert.deepEqual(checkTypeScript(circular), [
      'lib/io/c.ts:3: closes a circle: lib/io/a.ts -> lib/io/b.ts -> lib/io/c.ts -> lib/io/a.ts',
      'lib/io/self.ts:1: closes a circle: lib/io/self.ts -> lib/io/self.ts',
    ]);
  });
});

const allowedCpp: Sources = files({
  'native/core/device.h':
    '#include <vector>\n#include "core/types.h"\n// #include <cuda.h>\n/* \n#include <dnnl.hpp>\n*/',
  'native/core/types.h': '#include <cstdint>',
  'native/cpu/conv.cc': '#include "cpu/conv.h"\n\n#include <oneapi/dnnl/dnnl.hpp>\n#  include "dnnl_check.h"',
  'native/cpu/conv.h': '#include "core/device.h"\n#include "dnnl.h"',
  'native/cpu/dnnl_check.h': '',
  'native/cuda/conv.cc':
    '#include <cudnn.h>\n#include <cuda_runtime.h>\n#include "cublasLt.h"\n#include "../core/types.h"',
  'native/addon/addon.cc':
    '#include <napi.h>\n#include "core/device.h"\n#include "cpu/conv.h"\n#include "cuda/generated.h"',
});

const cppCases: readonly [what: string, file: string, text: string, violations: string[]][] = [
  [
    'oneDNN outside cpu',
    'native/core/bad.h',
    '\n#include <dnnl.hpp>\n#include <oneapi/dnnl/dnnl_types.h>',
    [
      'native/core/bad.h:2: core may not include dnnl.hpp; only cpu may',
      'native/core/bad.h:3: core may not include oneapi/dnnl/dnnl_types.h; only cpu may',
    ],
  ],
  [
    'CUDA outside cuda',
    'native/addon/bad.cc',
    '#include <cuda_runtime_api.h>\n#include "cudnn_frontend.h"\n # include <cublas_v2.h>',
    ['cuda_runtime_api.h', 'cudnn_frontend.h', 'cublas_v2.h'].map(
      (header, index) => `native/addon/bad.cc:${index + 1}: addon may not include ${header}; only cuda may`,
    ),
  ],
  [
    'N-API outside addon, after a comment of several lines',
    'native/core/bad.cc',
    '/*\n\n*/\n#include <napi.h>\n#include <node_api.h>',
    [
      'native/core/bad.cc:4: core may not include napi.h; only addon may',
      'native/core/bad.cc:5: core may not include node_api.h; only addon may',
    ],
  ],
  [
    'cpu that includes cuda, from the root and by a relative path',
    'native/cpu/bad.cc',
    '#include "cuda/kernels.h"\n#include "../cuda/conv.cc"',
    [
      'native/cpu/bad.cc:1: cpu may not include cuda (cuda/kernels.h)',
      'native/cpu/bad.cc:2: cpu may not include cuda (../cuda/conv.cc)',
    ],
  ],
  [
    'cuda that includes cpu',
    'native/cuda/bad.cu',
    '#include "cpu/conv.h"',
    ['native/cuda/bad.cu:1: cuda may not include cpu (cpu/conv.h)'],
  ],
  [
    'core that includes what is built on it',
    'native/core/bad.cc',
    '#include "addon/handles.h"\n#include "cpu/conv.h"',
    [
      'native/core/bad.cc:1: core may not include addon (addon/handles.h)',
      'native/core/bad.cc:2: core may not include cpu (cpu/conv.h)',
    ],
  ],
  [
    'a folder without a rule',
    'native/metal/conv.cc',
    '#include "core/types.h"',
    ['native/metal/conv.cc:1: no rule for native/metal/conv.cc; add its folder to CPP_RULES'],
  ],
];

describe('the include checker', () => {
  it('accepts what the rules allow, and does not read comments', () => {
    assert.deepEqual(checkCpp(allowedCpp), []);
  });

  for (const [what, file, text, violations] of cppCases) {
    it(`reports ${what}`, () => {
      assert.deepEqual(checkCpp(new Map([...allowedCpp, [file, text]])), violations);
    });
  }
});
