// Trainings that are stopped by signals, and that go on.
// Invariant: what goes on ends at the weights that it would have had; nothing is left behind but the run's folder.

import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { alexnet, eventsOf, SMALL, type Outcome } from './run-cli.js';
import { reportOf, tensorsOf, trainIn, withPictures } from './small-training.js';

describe('a training that is interrupted', () => {
  it('by Ctrl-C writes a checkpoint, says how to go on, and exits with 130', async () => {
    const cwd = withPictures(4);
    const args = ['train', 'pictures', ...SMALL, '--epochs', '10000', '--json'];
    let sent = false;
    const { code, stdout, stderr } = await alexnet(args, {
      cwd,
      onOutput: (written, child) => {
        if (sent || !written.stdout.includes('"kind":"best"')) return;
        sent = child.kill('SIGINT');
      },
    });
    assert.equal(code, 130, stderr);
    assert.equal(eventsOf(stdout).at(-1)?.['reason'], 'aborted');
    assert.match(stderr, /\nwarning: stopping after this step; Ctrl-C again ends at once\n/);
    assert.match(
      stderr,
      /\nstopped after step \d+, with a checkpoint\nbest weights \(epoch \d+\): run\/best/,
    );
    assert.match(stderr, /\ngo on with: alexnet train --resume run\n$/);
    const predicted = await alexnet(['predict', 'run', 'pictures/red/0.png'], { cwd });
    assert.equal(predicted.code, 0, predicted.stderr);
    rmSync(join(cwd, 'run'), { recursive: true });
  });

  it('goes on with --resume and nothing else, to the same weights', async () => {
    const cwd = withPictures(5);
    const train = ['train', 'pictures', ...SMALL, '--epochs', '2', '--quiet', '--json'];
    assert.equal((await alexnet([...train, '--out', 'whole'], { cwd })).code, 0);
    let sent = false;
    const first = await alexnet([...train, '--checkpoint-every', '1'], {
      cwd,
      onOutput: (written, child) => {
        if (sent || !written.stdout.includes('"step":1,')) return;
        sent = child.kill('SIGINT');
      },
    });
    assert.equal(first.code, 130, first.stderr);
    const refused = await alexnet(['train', '--resume', join(cwd, 'run'), '--batch-size', '3']);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /^error: --batch-size and --resume exclude each other/);
    const second = await alexnet(['train', '--resume', join(cwd, 'run'), '--json']);
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stderr, /\nresumed: epoch [12]\/2, after step \d, from /);
    const [whole, resumed] = await Promise.all(
      ['whole', 'run'].map((run) => tensorsOf(join(cwd, run, 'last.safetensors'))),
    );
    assert.ok(resumed!.size > 30);
    assert.deepEqual(resumed, whole);
    const [report, wholeReport] = [await reportOf(join(cwd, 'run')), await reportOf(join(cwd, 'whole'))];
    assert.deepEqual(report.steps.loss, wholeReport.steps.loss, 'the curves have both parts');
    assert.equal(report.epochs.length, 2);
    const complete = await alexnet(['train', '--resume', 'run', '--out', 'copy'], { cwd });
    assert.match(complete.stderr, /\nresumed: all epochs are done, after step 4, from run\//);
    assert.equal(complete.stdout, 'next: alexnet predict run picture.jpg\n');
    rmSync(join(cwd, 'pictures', 'red', '4.png'));
    const changed = await alexnet(['train', '--resume', 'run', '--epochs', '3'], { cwd });
    assert.equal(changed.code, 1);
    assert.match(
      changed.stderr,
      /error: There are \d+ training pictures; the training had \d+\. Resume with/,
    );
    for (const run of ['whole', 'run']) rmSync(join(cwd, run), { recursive: true });
  });

  it('by SIGKILL keeps others out until then, and goes on with --resume', async () => {
    const cwd = withPictures(4);
    let others: Promise<Outcome[]> | undefined;
    const args = ['train', 'pictures', ...SMALL, '--epochs', '10000', '--json', '--checkpoint-every', '1'];
    const killed = await alexnet(args, {
      cwd,
      onOutput: (written, child) => {
        if (others || !written.stdout.includes('"type":"checkpoint"')) return;
        others = Promise.all([
          alexnet(['train', '--resume', 'run'], { cwd }),
          trainIn(cwd, '--overwrite'),
        ]).finally(() => child.kill('SIGKILL'));
      },
    });
    assert.equal(killed.code, null);
    for (const { code, stderr } of (await others) ?? []) {
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^error: run: process \d+ on .* has been writing here since .* another folder\.\n$/,
      );
    }
    const resumed = await alexnet(['train', '--resume', 'run', '--epochs', '2'], { cwd });
    assert.equal(resumed.code, 0, resumed.stderr);
    rmSync(join(cwd, 'run'), { recursive: true });
  });

  it('by SIGTERM early on says what there is, and exits with 143', async () => {
    const cwd = withPictures(4);
    let sent = false;
    const { code, stdout, stderr } = await alexnet(['train', 'pictures', ...SMALL], {
      cwd,
      onOutput: (written, child) => {
        if (!sent && /^training: /m.test(written.stderr)) sent = child.kill('SIGTERM');
      },
    });
    assert.equal(code, 143, stderr);
    assert.match(
      stdout,
      /^stopped (before the next step was done|after step \d+, with a checkpoint\ngo on with: .*)\n$/,
    );
    assert.equal(existsSync(join(cwd, 'run', 'last.safetensors')), false);
  });
});
