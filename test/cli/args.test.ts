// Reading command lines: options, arguments, values and suggestions.
// Invariant: every refusal is checked by its words, since they are all that a user sees.

import assert from 'node:assert/strict';
import { flag, option, optional, parse, positional, remaining } from '../../lib/cli/args.js';
import { nearest } from '../../lib/cli/suggest.js';
import { UsageError } from '../../lib/cli/usage-error.js';
import { bytes, integer, number, oneOf, text } from '../../lib/cli/values.js';

const declared = {
  positionals: { dir: positional('DIR', 'a folder') },
  options: {
    batchSize: option({ value: 'N', parse: integer({ from: 1 }), absent: 128, help: 'pictures' }),
    learningRate: option({ name: 'lr', value: 'X', parse: number('a number', () => true), help: 'rate' }),
    out: option({ value: 'RUN', parse: text, help: 'folder' }),
    quiet: flag('no progress'),
  },
};

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error.message;
  }
  return assert.fail('it was accepted');
}

describe('parse', () => {
  it('gives every option, with defaults for those that are absent', () => {
    const expected = { dir: 'data', batchSize: 128, learningRate: undefined, out: undefined, quiet: false };
    assert.deepEqual(parse(['data'], declared), expected);
  });

  it('takes options before and after arguments, with a space or =', () => {
    const values = parse(['--lr=0.5', 'data', '--batch-size', '3', '--quiet', '--out', 'a b'], declared);
    const expected = { dir: 'data', batchSize: 3, learningRate: 0.5, out: 'a b', quiet: true };
    assert.deepEqual(values, expected);
  });

  it('takes the last of an option that is given twice', () => {
    assert.equal(
      (parse(['x', '--lr', '1', '--lr', '2'], declared) as { learningRate: number }).learningRate,
      2,
    );
  });

  it('takes an option whose value may be left out with =, or without, but never the next argument', () => {
    const page = optional({ value: 'PORT', parse: integer({ from: 1 }), bare: 80, help: 'page' });
    const live = { positionals: declared.positionals, options: { page } };
    assert.deepEqual(parse(['data'], live), { dir: 'data', page: undefined });
    assert.deepEqual(parse(['--page', 'data'], live), { dir: 'data', page: 80 });
    assert.deepEqual(parse(['--page=8080', 'data'], live), { dir: 'data', page: 8080 });
    assert.equal(
      refusal(() => parse(['--page=x', 'data'], live)),
      "--page: expected a positive integer, got 'x'",
    );
  });

  it('takes what follows -- as arguments', () => {
    assert.equal((parse(['--', '--quiet'], declared) as { dir: string }).dir, '--quiet');
  });

  it('asks for help wherever it stands and whatever else is wrong', () => {
    assert.equal(parse(['--help'], declared), 'help');
    assert.equal(parse(['a', 'b', '--nonsense', '-h'], declared), 'help');
  });

  it('takes several last arguments', () => {
    const several = {
      positionals: { run: positional('RUN', 'r'), images: remaining('IMAGE', 'files') },
      options: {},
    };
    assert.deepEqual(parse(['run', 'a', 'b'], several), { run: 'run', images: ['a', 'b'] });
    assert.equal(
      refusal(() => parse(['run'], several)),
      'IMAGE is missing: files',
    );
  });

  it('takes several first arguments', () => {
    const several = {
      positionals: { runs: remaining('RUN', 'r'), dir: positional('DIR', 'a folder') },
      options: {},
    };
    assert.deepEqual(parse(['a', 'b', 'dir'], several), { runs: ['a', 'b'], dir: 'dir' });
    assert.deepEqual(parse(['a', 'dir'], several), { runs: ['a'], dir: 'dir' });
    assert.equal(
      refusal(() => parse(['a'], several)),
      'DIR is missing: a folder',
    );
  });

  const refused: readonly [what: string, argv: string[], message: string][] = [
    ['a missing argument', ['--quiet'], 'DIR is missing: a folder'],
    ['an argument too many', ['a', 'b'], "unexpected argument 'b': only DIR is expected"],
    [
      'a misspelt option',
      ['a', '--batchsize', '3'],
      'unknown option --batchsize; did you mean --batch-size?',
    ],
    ['an option unlike all others', ['a', '--frobnicate'], 'unknown option --frobnicate'],
    ['an option without its value', ['a', '--out'], '--out needs a value (RUN)'],
    [
      'an option in place of a value',
      ['a', '--out', '--quiet'],
      '--out needs a value (RUN), got --quiet; write --out=--quiet if that is the value',
    ],
    ['a flag with a value', ['a', '--quiet=yes'], "--quiet takes no value, got 'yes'"],
    [
      'a value out of range',
      ['a', '--batch-size', '0'],
      "--batch-size: expected a positive integer, got '0'",
    ],
    ['a negative number', ['a', '--batch-size', '-1'], "--batch-size: expected a positive integer, got '-1'"],
    ['an empty value', ['a', '--out='], "--out: expected some text, got ''"],
  ];
  for (const [what, argv, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.equal(
        refusal(() => parse(argv, declared)),
        message,
      );
    });
  }
});

describe('values', () => {
  it('reads sizes in binary and decimal units', () => {
    const sizes = ['0', '12', '1k', '2GiB', '2g', '1.5 MiB', '500MB', '.5KB'].map(bytes);
    assert.deepEqual(sizes, [0, 12, 1024, 2 ** 31, 2 ** 31, 1.5 * 2 ** 20, 5e8, 500]);
    for (const wrong of ['', 'GiB', '-1', '1 2', '3QB', '1e3', '9999999TiB']) refusal(() => bytes(wrong));
  });

  it('reads integers, and nothing that is only partly one', () => {
    const parser = integer({ from: 1, to: 9 });
    assert.equal(parser('7'), 7);
    for (const wrong of ['', '0', '10', '1.5', '7x', '0x7', ' 7', '1e0']) {
      assert.equal(
        refusal(() => parser(wrong)),
        `expected an integer from 1 to 9, got '${wrong}'`,
      );
    }
  });

  it('reads decimal numbers', () => {
    const parser = number('a number above 0', (value) => value > 0);
    assert.deepEqual(['1', '.5', '1e-3', '2.'].map(parser), [1, 0.5, 1e-3, 2]);
    for (const wrong of ['', '0', '-1', 'NaN', 'Infinity', '1e999', '1,5']) refusal(() => parser(wrong));
  });

  it('names the choices', () => {
    assert.equal(oneOf([1, 2])('2'), 2);
    assert.equal(
      refusal(() => oneOf(['cpu', 'cuda', 'auto'])('gpu')),
      "expected cpu, cuda or auto, got 'gpu'",
    );
  });
});

describe('nearest', () => {
  const names = ['train', 'evaluate', 'predict', 'info'];
  const cases: readonly [word: string, meant: string | undefined][] = [
    ['trian', 'train'],
    ['eval', 'evaluate'],
    ['predcit', 'predict'],
    ['inof', 'info'],
    ['delete', undefined],
    ['x', undefined],
  ];
  for (const [word, meant] of cases) {
    it(`takes ${word} for ${meant ?? 'nothing there is'}`, () => assert.equal(nearest(word, names), meant));
  }
});
