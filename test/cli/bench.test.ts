// `alexnet bench`, on the smallest network.
// Invariant: what is measured is looked at for being there, never for being fast.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChromeTrace, InferenceProfile, TrainingProfile } from '../../lib/profile/index.js';
import { supportOf } from '../helpers/devices.js';
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

  it('times predictions layer by layer', async () => {
    const args = [...SHORT, '--mode', 'infer', '--batch-size', '1'];
    const { code, stdout, stderr } = await alexnet(args);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^layer +kind +output +ms +share +MMACs +GFLOP\/s +weights +GB\/s +scratch/);
    assert.match(stdout, /\nconv2 +Conv2d +256x7x7 +[\d.]+ +[\d.]+ % /);
    assert.match(stdout, /\ntotal .* 100\.0 % /);
    assert.match(
      stdout,
      /\nA prediction of 1 picture in float32: [\d,.]+ ms \(median\), [\d,.]+ images\/s\.\n/,
    );
    assert.match(stderr, /, input 3x67x67, float32\n/);
  });

  for (const precision of ['bfloat16', 'int8'] as const) {
    if (supportOf('cpu', precision) !== 'fast') continue;
    it(`times predictions in ${precision}, as JSON too`, async () => {
      const args = [...SHORT, '--mode', 'infer', '--precision', precision, '--json'];
      const { code, stdout, stderr } = await alexnet(args);
      assert.equal(code, 0, stderr);
      const profile = JSON.parse(stdout) as InferenceProfile & { readonly mode: string };
      assert.deepEqual([profile.mode, profile.precision, profile.steps], ['infer', precision, 1]);
      const fc7 = profile.layers.find(({ name }) => name === 'fc7');
      assert.equal(fc7?.weightBytes, (4096 * 4096 + 4096) * (precision === 'int8' ? 1 : 2));
      assert.ok(fc7.forwardMs > 0);
    });
  }

  it('times training in another precision, but for 8-bit integers, which do not learn', async () => {
    if (supportOf('cpu', 'bfloat16') === 'fast') {
      const { code, stdout, stderr } = await alexnet([...SHORT, '--precision', 'bf16', '--json']);
      assert.equal(code, 0, stderr);
      assert.equal((JSON.parse(stdout) as { precision: string }).precision, 'bfloat16');
    }
    const { code, stderr } = await alexnet([...SHORT, '--precision', 'int8']);
    assert.equal(code, 2);
    assert.match(stderr, /^error: --precision int8 is for --mode infer: 8-bit integers do not learn\n/);
  });

  it('says where its trace cannot be written', async () => {
    const { code, stderr } = await alexnet([...SHORT, '--trace', 'nowhere/trace.json'], {
      cwd: tempFolder(),
    });
    assert.equal(code, 1);
    assert.match(stderr, /^error: nowhere\/trace\.json: it cannot be written: /);
  });
});
