// Lint rules: typed for TypeScript, plain for the build scripts. Formatting is Prettier's, never ESLint's.
// Invariant: every rule here is an error; what is not worth an error is not listed.

import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

const unusedNames = {
  args: 'after-used',
  argsIgnorePattern: '^_',
  varsIgnorePattern: '^_',
  caughtErrors: 'all',
  ignoreRestSiblings: true,
};

const everywhere = {
  curly: ['error', 'multi-line'],
  eqeqeq: ['error', 'always'],
  'no-constructor-return': 'error',
  'no-else-return': 'error',
  'no-implicit-coercion': 'error',
  'no-template-curly-in-string': 'error',
  'no-unmodified-loop-condition': 'error',
  'no-useless-rename': 'error',
  'no-var': 'error',
  'object-shorthand': 'error',
  'prefer-const': 'error',
  // Every random number comes from a seed, so that a run can be repeated.
  'no-restricted-properties': ['error', { object: 'Math', property: 'random' }],
};

const typed = {
  '@typescript-eslint/consistent-type-exports': 'error',
  '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
  '@typescript-eslint/no-confusing-void-expression': [
    'error',
    { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
  ],
  '@typescript-eslint/no-deprecated': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-import-type-side-effects': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/no-unnecessary-boolean-literal-compare': 'error',
  '@typescript-eslint/no-unused-vars': ['error', unusedNames],
  '@typescript-eslint/prefer-readonly': 'error',
  '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
  '@typescript-eslint/switch-exhaustiveness-check': [
    'error',
    { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: true },
  ],
  // An async method without await still turns a throw into a rejection, which is what its callers expect.
  '@typescript-eslint/require-await': 'off',
};

const nodeGlobals = Object.fromEntries(
  ['AbortController', 'AbortSignal', 'Buffer', 'URL', 'clearTimeout', 'console', 'process', 'setTimeout'].map(
    (name) => [name, 'readonly'],
  ),
);

export default defineConfig(
  globalIgnores([
    'dist/',
    'build/',
    'prebuilds/',
    '.cache/',
    'coverage/',
    'site/',
    'scripts/package/consumer/*.{ts,cts}',
  ]),
  {
    files: ['**/*.ts'],
    extends: [js.configs.recommended, tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { ...everywhere, ...typed },
  },
  {
    files: ['lib/**/*.ts'],
    rules: {
      'max-lines-per-function': ['error', { max: 70, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/no-restricted-imports': [
        'error',
        { paths: [{ name: 'lmdb', allowTypeImports: true, message: 'Use loadLmdb(): it may not load.' }] },
      ],
      // A library speaks through what it returns, its errors and its events; only the command line prints.
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random' },
        { object: 'process', property: 'exit', message: 'Throw an AlexnetError instead.' },
      ],
    },
  },
  {
    files: ['lib/cli/**/*.ts'],
    rules: { 'no-console': 'off', 'no-restricted-properties': everywhere['no-restricted-properties'] },
  },
  {
    // Scripts of one page: what one declares, another uses.
    files: ['lib/report/page/*.ts'],
    languageOptions: { sourceType: 'script' },
    rules: { '@typescript-eslint/no-unused-vars': ['error', { ...unusedNames, vars: 'local' }] },
  },
  {
    files: ['**/*.cjs'],
    languageOptions: {
      sourceType: 'commonjs',
      globals: { ...nodeGlobals, require: 'readonly', module: 'writable' },
    },
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: { sourceType: 'module', globals: nodeGlobals },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    extends: [js.configs.recommended],
    languageOptions: { ecmaVersion: 'latest' },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: { ...everywhere, 'no-unused-vars': ['error', unusedNames] },
  },
);
