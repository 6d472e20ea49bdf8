// The commands that the documentation tells people to type.
// Invariant: each option that stands behind a command there is in that command's help.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { alexnet } from '../cli/run-cli.js';

const root = new URL('../../../', import.meta.url);
const COMMANDS = [
  ...['train', 'evaluate', 'predict', 'quantize', 'export'],
  ...['prepare', 'augment', 'bench', 'info'],
];

interface Typed {
  readonly page: string;
  readonly command: string;
  readonly line: string;
  readonly options: readonly string[];
}

function typedIn(page: string): Typed[] {
  const text = readFileSync(new URL(page, root), 'utf8');
  const typed = new RegExp(`\\balexnet (${COMMANDS.join('|')})\\b[^\`\\n#]*`, 'g');
  return [...text.matchAll(typed)].map(([line, command]) => {
    const options = [...line.matchAll(/(?<=\s)--[a-z][\w-]*/g)].map(([name]) => name);
    return { page, command: command as string, line, options };
  });
}

const pages = readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name.replaceAll('\\', '/')}`);

describe('commands in the documentation', () => {
  const all = ['README.md', ...pages].flatMap(typedIn);

  it('are there', () => assert.ok(all.length > 40, `${all.length} were found`));

  for (const command of COMMANDS) {
    it(`have no options that alexnet ${command} has not`, async () => {
      const { stdout: help } = await alexnet([command, '--help']);
      const known = new Set(help.match(/(?<=\s)--[a-z][\w-]*/g));
      for (const { page, line, options } of all.filter((each) => each.command === command)) {
        for (const option of options) assert.ok(known.has(option), `${page}: ${line}`);
      }
    });
  }
});
