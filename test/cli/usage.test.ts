// What is said without pictures and weights: help, versions, reports, wrong usage.
// Invariant: exit codes are 0 for answers, 1 for failures, 2 for wrong usage.

import assert from 'node:assert/strict';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { tempFiles } from '../data/temp-folder.js';
import { alexnet, runNode } from './run-cli.js';

const root = new URL('../../../', import.meta.url);
const COMMANDS = ['train', 'evaluate', 'predict', 'quantize', 'export', 'augment', 'info'];

describe('alexnet', () => {
  it('shows the commands, if it is given none', async () => {
    const { code, stdout, stderr } = await alexnet([]);
    assert.deepEqual([code, stderr], [0, '']);
    for (const name of COMMANDS) assert.match(stdout, new RegExp(`^  ${name} +[A-Z]`, 'm'));
    assert.match(stdout, /Exit codes: 0 done; 1 failed; 2 wrong usage; 130 .*143/s);
    assert.deepEqual(await alexnet(['--help']), { code, stdout, stderr });
  });

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as {
      version: string;
    };
    assert.deepEqual(await alexnet(['--version']), { code: 0, stdout: `${version}\n`, stderr: '' });
  });

  for (const name of COMMANDS) {
    it(`explains ${name} in lines of 80 columns`, async () => {
      const { code, stdout, stderr } = await alexnet([name, '--help']);
      assert.deepEqual([code, stderr], [0, '']);
      assert.match(stdout, new RegExp(`^Usage: alexnet ${name} .*\\[options\\]\n`));
      assert.match(stdout, /\n {2}-h, --help +show this text\n/);
      const longest = Math.max(...stdout.split('\n').map((line) => line.length));
      assert.ok(longest <= 80, `a line of ${longest} columns`);
    });
  }

  const wrong: readonly [what: string, args: string[], stderr: RegExp][] = [
    [
      'a misspelt command',
      ['trian'],
      /^error: unknown command 'trian'; did you mean train\?\n.*'alexnet --help'/,
    ],
    [
      'a command there is not',
      ['delete'],
      /unknown command 'delete'; there are train, evaluate, predict, quantize, export, prepare, augment, bench, info/,
    ],
    ['a misspelt option', ['train', 'x', '--epoch', '3'], /unknown option --epoch; did you mean --epochs\?/],
    [
      'a missing argument',
      ['evaluate', 'run'],
      /^error: DIR is missing: .*\n'alexnet evaluate --help' shows/,
    ],
    ['a wrong value', ['train', 'x', '--preset', 'vgg'], /--preset: expected krizhevsky2012, .* got 'vgg'/],
    [
      'options that exclude each other',
      ['train', 'x', '--val', 'y', '--hold-out', '0.2'],
      /--val and --hold-out exclude each other/,
    ],
    [
      'another network than that of the weights',
      ['train', 'x', '--from', 'run', '--preset', 'owt'],
      /--preset and --from exclude each other: the network is the one whose weights/,
    ],
    [
      'a size of a cache there is not',
      ['train', 'x', '--cache', 'none', '--cache-size', '1GiB'],
      /--cache-size: --cache none keeps nothing/,
    ],
    [
      'more parts than pictures',
      ['train', 'x', '--batch-size', '8', '--accumulate', '9'],
      /--accumulate: a batch of 8 has no 9 parts/,
    ],
    [
      'an impossible schedule',
      ['train', 'x', '--schedule', 'step:0'],
      /--schedule: .*every must be above 0, got 0/,
    ],
  ];
  for (const [what, args, stderr] of wrong) {
    it(`refuses ${what}`, async () => {
      const outcome = await alexnet(args);
      assert.deepEqual([outcome.code, outcome.stdout], [2, '']);
      assert.match(outcome.stderr, stderr);
    });
  }

  it('fails with a message, and with a stack only when debugging', async () => {
    const cwd = tempFiles({});
    const plain = await alexnet(['train', 'missing'], { cwd });
    assert.deepEqual([plain.code, plain.stdout], [1, '']);
    assert.equal(plain.stderr, 'error: missing: there is no such folder or file; check the path\n');
    const debugging = await alexnet(['train', 'missing'], { cwd, env: { ALEXNET_DEBUG: '1' } });
    assert.equal(debugging.code, 1);
    assert.match(debugging.stderr, /^DataError \[ERR_DATA\]: missing: .*\n +at .*caused by: Error: ENOENT/s);
  });

  it('does not mind a reader that goes away', async () => {
    const child = spawn(process.execPath, [fileURLToPath(new URL('dist/lib/cli/main.js', root)), '--help']);
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('says once that a disk is full, and fails', async function () {
    if (!existsSync('/dev/full')) this.skip();
    const output = new URL('dist/lib/cli/output.js', root).href;
    const script = `
      import { print, tolerateClosedPipes } from ${JSON.stringify(output)};
      tolerateClosedPipes();
      for (const line of ['one', 'two', 'three']) print(line);
    `;
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    let stderr = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const code = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(code, 1);
    assert.match(stderr, /^error: stdout cannot be written: ENOSPC.*\n$/);
  });

  it('ends at once at a second signal', async () => {
    const signals = new URL('dist/lib/cli/signals.js', root).href;
    const script = `
      import { StopRequest } from ${JSON.stringify(signals)};
      new StopRequest(() => console.log('stopping'));
      setInterval(() => {}, 1000);
      console.log('ready');
    `;
    const { code, stdout } = await runNode(['--input-type=module', '--eval', script], {
      onOutput: (_, child) => child.kill('SIGTERM'),
    });
    assert.deepEqual([code, stdout], [143, 'ready\nstopping\n']);
  });
});

describe('alexnet info', () => {
  it('reports versions, processor and devices', async () => {
    const { code, stdout } = await alexnet(['info']);
    assert.equal(code, 0);
    for (const name of [
      'alexnet',
      'node',
      'system',
      'cpu',
      'cpu features',
      'memory',
      'addon',
      'device cuda',
      'decoder',
    ]) {
      assert.match(stdout, new RegExp(`^${name} {2,}\\S`, 'm'));
    }
    assert.match(stdout, /^addon +\/.*\.node$/m);
    assert.match(stdout, /^device cpu +.*oneDNN \d/m);
  });

  it('gives one JSON object', async () => {
    const { code, stdout } = await alexnet(['info', '--json'], { env: { OMP_NUM_THREADS: '2' } });
    assert.equal(code, 0);
    const report = JSON.parse(stdout) as { node: string; environment: unknown; devices: { cpu: unknown } };
    assert.equal(report.node, process.versions.node);
    assert.deepEqual(report.environment, { OMP_NUM_THREADS: '2' });
    assert.equal((report.devices.cpu as { available: boolean }).available, true);
  });

  it('reports also where the addon does not load, and fails', async () => {
    const { code, stdout, stderr } = await alexnet(['info'], { env: { ALEXNET_PREBUILD: tempFiles({}) } });
    assert.deepEqual([code, stderr], [1, '']);
    assert.match(stdout, /^addon +not found$/m);
    assert.match(
      stdout,
      /^device cpu +not available: The native addon did not load on .*: No native build was found/m,
    );
    assert.match(stdout, /What to do: npm run build:native/);
  });
});
