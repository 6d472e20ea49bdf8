// `alexnet bench`, on the smallest network.
// Invariant: what is measured is looked at for being there, never for being fast.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChromeTrace, TrainingProfile } from '../../lib/profile/index.js';
import { tempFolder } from '../data/temp-folder.js';
import { alexnet } from './run-cli.js';

const SHORT = ['bench', '--input-size', '67', '--classes', '5', '--batch-size', '2', '--steps', '1'];

describe('alexnet bench', () => {
  it('prints a line for each layer and a total, and writes a trace of what was done', async () => {
    const cwd = tempFolder();
    const { code, stdout, stderr } = await alexnet([...SHORT, '--trace', 'trace.json'], { cwd });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^layer +kind +output +forward ms +backward ms +update ms +share /);
    assert.match(stdout, /\nconv2 +Conv2d +256x7x7 +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ % /);
    assert.match(stdout, /\ntotal .* 100\.0 % /);
    assert.match(
      stdout,
      /\nA step of 2 pictures: [\d,.]+ ms \(median\), [\d,.]+ images\/s\.\nMemory at its peak: /,
    );
    const { traceEvents } = JSON.parse(readFileSync(join(cwd, 'trace.json'), 'utf8')) as ChromeTrace;
    const names = new Set(traceEvents.map(({ name }) => name));
    for (const name of ['conv1 conv2dForward', 'conv1 conv2dBackwardWeights', 'fc8.weight sgd']) {
      assert.ok(names.has(name), `${name} is not in the trace`);
    }
  });

  it('prints the same as JSON', async () => {
    const { code, stdout, stderr } = await alexnet([...SHORT, '--json', '--preset', 'owt']);
    assert.equal(code, 0, stderr);
    const profile = JSON.parse(stdout) as TrainingProfile & { readonly preset: string };
    assert.deepEqual([profile.preset, profile.batchSize, profile.steps], ['owt', 2, 1]);
    const fc6 = profile.layers.find(({ name }) => name === 'fc6');
    assert.ok(fc6 && fc6.forwardMs > 0 && fc6.backwardMs > 0 && fc6.updateMs > 0);
  });

  it('says where its trace cannot be written', async () => {
    const { code, stderr } = await alexnet([...SHORT, '--trace', 'nowhere/trace.json'], {
      cwd: tempFolder(),
    });
    assert.equal(code, 1);
    assert.match(stderr, /^error: nowhere\/trace\.json: it cannot be written: /);
  });
});
