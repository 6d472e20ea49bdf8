// The table of errors against the code: every code, every class, and nothing else thrown.
// Invariant: read from docs/errors.md and from the sources of lib/.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as library from '../../lib/index.js';
import { packageDirectory } from '../../lib/native/addon.js';

const { AlexnetError, errorCodes } = library;

/** [code, classes] of each row. */
const rows = readFileSync(path.join(packageDirectory, 'docs/errors.md'), 'utf8')
  .split('\n')
  .flatMap((line): [string, string[]][] => {
    const [, code, classes] = /^\| `(ERR_\w+)` *\|([^|]*)\|/.exec(line) ?? [];
    return code === undefined
      ? []
      : [[code, [...(classes ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name!)]];
  });

function sources(): { readonly file: string; readonly text: string }[] {
  const lib = path.join(packageDirectory, 'lib');
  return readdirSync(lib, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => ({ file, text: readFileSync(path.join(lib, file), 'utf8') }));
}

describe('The table of errors', () => {
  it('has every code once, in the order of the code', () => {
    assert.deepEqual(
      rows.map(([code]) => code),
      [...errorCodes],
    );
  });

  it('names every class of error that there is, with its code', () => {
    const named = rows.flatMap(([, classes]) => classes);
    const exported = Object.entries(library)
      .filter(([, value]) => typeof value === 'function' && value.prototype instanceof AlexnetError)
      .map(([name]) => name);
    assert.deepEqual([...named].sort(), [...exported].sort().concat(repeated(named)).sort());
    const text = sources().find(({ file }) => file === 'errors.ts')!.text;
    for (const [code, classes] of rows) {
      for (const name of classes) {
        const body = text.slice(text.indexOf(`class ${name} `)).split('\n}\n')[0]!;
        assert.ok(body.includes(code), `${name} is listed with ${code}, which its constructor does not have`);
      }
    }
  });

  it('is all that there is: lib/ throws no plain error past its codecs', () => {
    const plain = sources().flatMap(({ file, text }) =>
      // What a codec throws becomes the reason of a DecodeError; a page runs in a browser, where these errors are not.
      [path.join('data', 'codecs'), path.join('report', 'page')].some((folder) => file.startsWith(folder))
        ? []
        : [...text.matchAll(/throw new (Error|\w*(Type|Range)Error)\(/g)]
            .filter(([, name]) => name !== 'DTypeError')
            .map(([found]) => `${file}: ${found}`),
    );
    assert.deepEqual(plain, []);
  });
});

/** Names that stand in more than one row, once for each further row. */
function repeated(names: readonly string[]): string[] {
  return names.filter((name, i) => names.indexOf(name) !== i);
}
