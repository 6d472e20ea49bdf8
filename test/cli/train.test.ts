// From a folder of pictures to predictions, with the commands that a user types.
// Invariant: every training is of the smallest network; its weights are deleted with its test.

import assert from 'node:assert/strict';
import { rmSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { tempFiles } from '../data/temp-folder.js';
import { supportOf } from '../helpers/devices.js';
import { alexnet, eventsOf, SMALL, type Outcome } from './run-cli.js';
import { reportOf, stateOf, tensorsOf, trainIn, withPictures } from './small-training.js';

interface Measured {
  readonly loss: number;
  readonly top1: number;
  readonly images: number;
}

describe('a training from the command line', () => {
  let cwd: string;
  let trained: Outcome;
  before(async () => {
    cwd = withPictures(12);
    trained = await trainIn(cwd, '--epochs', '3', '--json', '--tensorboard');
  });
  after(() => rmSync(join(cwd, 'run'), { recursive: true }));

  it('reports its events in JSON lines, from start to done', () => {
    assert.equal(trained.code, 0, trained.stderr);
    const events = eventsOf(trained.stdout);
    const { preset, pictures, classNames } = events[0] as Record<string, unknown>;
    assert.deepEqual([preset, pictures], ['bvlc', { train: 33, validation: 3 }]);
    assert.deepEqual(classNames, ['blue', 'green', 'red']);
    assert.equal(events.filter(({ type }) => type === 'step').length, 15);
    assert.deepEqual([events[0]?.['type'], events.at(-1)?.['type']], ['start', 'done']);
  });

  it('shows plain lines on stderr where there is no terminal, and says what to type next', () => {
    assert.match(
      trained.stderr,
      /^model: AlexNet \(bvlc\), 20,180,355 parameters, input 67x67, initial weights: lecun\n/,
    );
    assert.match(
      trained.stderr,
      /\ndata: 33 pictures of 3 classes from pictures; validation with 3 pictures \(held out/,
    );
    assert.match(trained.stderr, /\nepoch 3\/3 {2}train loss .* validation loss /);
    assert.match(trained.stderr, /\nbest weights \(epoch \d\): run\/best.safetensors\n/);
    assert.match(trained.stderr, /\nnext: alexnet predict run picture.jpg\n$/);
    // eslint-disable-next-line no-control-regex -- control characters are what must not be there
    assert.doesNotMatch(trained.stderr, /[\x00-\x09\x0b-\x1f]/);
  });

  it('leaves a log with the same events, their times added', async () => {
    const file = await readFile(join(cwd, 'run', 'log.jsonl'), 'utf8');
    const logged = eventsOf(file).map(({ time, ...event }) => {
      assert.equal(typeof time, 'string');
      return event;
    });
    const told = eventsOf(trained.stdout).filter(
      ({ type }) => type !== 'preparing' && type !== 'validation-progress',
    );
    assert.deepEqual(logged, told);
  });

  it('leaves a report with its curves, kernels, predictions and neighbours, and says where it is', async () => {
    assert.match(trained.stderr, /\nreport: run\/report\.html\n/);
    const state = await reportOf(join(cwd, 'run'));
    assert.deepEqual([state.title, state.status], ['AlexNet on pictures', 'completed']);
    assert.deepEqual([state.steps.step.length, state.epochs.length], [15, 3]);
    assert.equal(state.filters?.kernels, 96);
    assert.deepEqual(state.examples?.compared, { layer: 'relu7', pictures: 33 });
    assert.ok(state.examples.examples.every(({ neighbours }) => neighbours.length === 6));
  });

  it("leaves TensorBoard's files", async () => {
    const files = await readdir(join(cwd, 'run', 'tensorboard'), { recursive: true });
    const runs = files.filter((name) => name.includes('tfevents')).map((name) => name.split('/')[0]);
    assert.deepEqual(runs.sort(), ['train', 'validation']);
  });

  it('leaves weights that score as they did in training, on the pictures that were held out', async () => {
    const { code, stdout, stderr } = await alexnet(
      ['evaluate', 'run', 'pictures', '--split', 'val', '--json'],
      { cwd },
    );
    assert.equal(code, 0, stderr);
    const result = JSON.parse(stdout) as Measured & {
      weights: string[];
      classes: unknown[];
      skipped: unknown[];
    };
    const { validation } = eventsOf(trained.stdout).at(-1)?.['best'] as { validation: Measured };
    assert.deepEqual([result.images, result.top1], [validation.images, validation.top1]);
    assert.ok(
      Math.abs(result.loss - validation.loss) < 1e-4,
      `${result.loss}, in training ${validation.loss}`,
    );
    assert.deepEqual([result.weights, result.classes.length], [['run/best.safetensors'], 3]);
    assert.deepEqual(result.skipped, []);
  });

  const whereInt8 = supportOf('cpu', 'int8') === 'fast' ? it : it.skip;

  whereInt8('leaves weights that 8-bit integers are made of, with what that costs beside it', async () => {
    const made = await alexnet(['quantize', 'run', 'pictures', '--images', '6'], { cwd });
    assert.equal(made.code, 0, made.stderr);
    assert.match(made.stderr, /^33 training, 3 validation pictures\ncalibrating with 6 training pictures\n/);
    assert.match(made.stdout, /^run\/int8\.safetensors: [\d.]+ MiB\non 3 validation pictures, held out: /);
    for (const precision of ['float32', 'int8']) {
      assert.match(made.stdout, new RegExp(`\\n${precision} +[\\d.]+ % +[\\d.]+ % +[\\d.]+ +[\\d.]+ %\\n`));
    }
    assert.match(made.stdout, /\nlayer +SNR dB +cosine\nrelu1 +[\d.]+ +0\.9\d+\n/);
    const args = ['evaluate', 'run', 'pictures', '--precision', 'int8', '--json'];
    const { code, stdout, stderr } = await alexnet(args, { cwd });
    assert.equal(code, 0, stderr);
    const { weights, images } = JSON.parse(stdout) as Measured & { weights: string[] };
    assert.deepEqual([weights, images], [['run/int8.safetensors'], 36]);
  });

  whereInt8('compares 8-bit integers on the validation pictures that it is given', async () => {
    const args = ['quantize', 'run', 'pictures', '--val', 'pictures', '--images', '3', '--json'];
    const { code, stdout, stderr } = await alexnet(args, { cwd });
    assert.equal(code, 0, stderr);
    const found = JSON.parse(stdout) as { pictures: string; results: Measured[] };
    assert.equal(found.pictures, 'from pictures');
    assert.ok(found.results.every(({ images }) => images === 36));
    const both = await alexnet([...args, '--hold-out', '0.2'], { cwd });
    assert.equal(both.code, 2);
    assert.match(both.stderr, /--val and --hold-out exclude each other/);
  });

  it('leaves weights that can be evaluated on all pictures, class by class', async () => {
    const { code, stdout } = await alexnet(['evaluate', 'run/last.safetensors', 'pictures'], { cwd });
    assert.equal(code, 0);
    assert.match(
      stdout,
      /^run\/last.safetensors on 36 pictures: all of pictures, which has neither test nor val\n/,
    );
    assert.match(stdout, /\nloss {3}\d\.\d{4}\ntop-1 {2}[\d.]+ %\ntop-5 {2}100.0 %\n/);
    assert.match(stdout, /\n {2}green +precision +[\d.]+ % +recall +[\d.]+ % +F1 +[\d.]+ % +\(\d+ of 12\)\n/);
  });

  it('leaves weights that can be evaluated with ten views', async () => {
    const metricsOf = async (...more: readonly string[]): Promise<Measured> => {
      const how = ['evaluate', 'run', 'pictures', '--json', '--batch-size', '50', ...more];
      const { code, stdout, stderr } = await alexnet(how, { cwd });
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout) as Measured;
    };
    const [one, ten] = [await metricsOf(), await metricsOf('--views', '10')];
    assert.deepEqual([ten.images, one.images], [36, 36]);
    assert.notEqual(ten.loss, one.loss);
  });

  it('leaves weights that can be averaged with others, with a matrix of confusions as CSV', async () => {
    const { code, stdout, stderr } = await alexnet(
      [
        'evaluate',
        'run',
        'run/last.safetensors',
        'pictures',
        '--confusion',
        'confusion.csv',
        '--report',
        'r.md',
        '--json',
      ],
      { cwd },
    );
    assert.equal(code, 0, stderr);
    const { weights, images } = JSON.parse(stdout) as Measured & { weights: string[] };
    assert.deepEqual([weights, images], [['run/best.safetensors', 'run/last.safetensors'], 36]);
    const [head, ...rows] = (await readFile(join(cwd, 'confusion.csv'), 'utf8')).trimEnd().split('\n');
    assert.equal(head, 'class,blue,green,red');
    const counts = rows.map((row) => row.split(',').slice(1).map(Number));
    assert.deepEqual(
      counts.map((row) => row.reduce((sum, count) => sum + count, 0)),
      [12, 12, 12],
    );
    const report = await readFile(join(cwd, 'r.md'), 'utf8');
    assert.match(report, /^# run\/best.safetensors, run\/last.safetensors on all of pictures, .*\n/);
    assert.match(report, /\n\| green \| 12 \| /);
    const page = await alexnet(['evaluate', 'run', 'pictures', '--report', 'r.html', '--json'], { cwd });
    const { mistakes } = JSON.parse(page.stdout) as { mistakes: { picture: string }[] };
    const shown = await stateOf(join(cwd, 'r.html'));
    assert.deepEqual(
      shown.mistakes?.mistakes.map(({ name }) => name),
      mistakes.map(({ picture }) => picture),
    );
    assert.equal(shown.evaluation?.images, 36);
  });

  it('leaves weights that predict the class of a picture', async () => {
    const images = ['pictures/red/3.png', 'pictures/green/0.png'];
    const { code, stdout } = await alexnet(['predict', 'run', ...images, '--json'], { cwd });
    assert.equal(code, 0);
    const results = JSON.parse(stdout) as {
      image: string;
      predictions: { className: string; probability: number }[];
    }[];
    assert.deepEqual(
      results.map(({ image, predictions }) => [image, predictions[0]?.className, predictions.length]),
      [
        [images[0], 'red', 3],
        [images[1], 'green', 3],
      ],
    );
    const sum = results[0]!.predictions.reduce((total, { probability }) => total + probability, 0);
    assert.ok(Math.abs(sum - 1) < 1e-5);
  });

  it('leaves weights that predict although one picture cannot be decoded', async () => {
    const images = ['missing.png', 'pictures/blue/1.png'];
    const { code, stdout, stderr } = await alexnet(['predict', 'run', ...images, '--top', '1'], { cwd });
    assert.equal(code, 1);
    assert.match(stdout, /^pictures\/blue\/1.png\n +[\d.]+ % {2}blue\n$/);
    assert.match(stderr, /^error: missing.png: there is no such file/);
    const json = JSON.parse(
      (await alexnet(['predict', 'run', ...images, '--json'], { cwd })).stdout,
    ) as object[];
    assert.deepEqual(
      json.map((result) => Object.keys(result)),
      [
        ['image', 'error'],
        ['image', 'predictions'],
      ],
    );
  });

  it('is not overwritten by another one, unless that is asked for', async () => {
    const best = join(cwd, 'run', 'best.safetensors');
    const before = statSync(best);
    const refused = await trainIn(cwd, '--epochs', '1');
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(
      refused.stderr,
      /^error: run\/best.safetensors is there already: .* go on with it: alexnet train --resume run; .*--out.*--overwrite\n$/,
    );
    assert.deepEqual([statSync(best).ino, statSync(best).mtimeMs], [before.ino, before.mtimeMs]);
    const replaced = await trainIn(cwd, '--epochs', '1', '--overwrite', '--quiet', '--no-log');
    assert.deepEqual([replaced.code, replaced.stderr], [0, '']);
    assert.equal(
      replaced.stdout,
      'best weights (epoch 1): run/best.safetensors\nlast weights (epoch 1): run/last.safetensors\n' +
        'next: alexnet predict run picture.jpg\n',
    );
    assert.notEqual(statSync(best).ino, before.ino);
    const report = await readFile(join(cwd, 'run', 'report.html'), 'utf8');
    assert.match(report, /"epochs":\[\{"epoch":1,[^\]]*\}\]/, 'the report is of the new training');
  });
});

describe('fine-tuning from the command line', () => {
  it('begins with exported weights of a training, keeps what is frozen, and learns other classes', async () => {
    const cwd = withPictures(4);
    assert.equal((await trainIn(cwd, '--epochs', '1', '--quiet')).code, 0);
    const exported = await alexnet(['export', 'run', '--out', 'flowers.safetensors'], { cwd });
    assert.equal(
      exported.stdout,
      'flowers.safetensors: the weights of run/best.safetensors, 77.0 MiB\n' +
        'next: alexnet predict flowers.safetensors picture.jpg\n',
    );
    const refused = await alexnet(['export', 'run', '--out', 'flowers.safetensors'], { cwd });
    assert.match(refused.stderr, /^error: flowers.safetensors is there already: .* --overwrite\n$/);
    rmSync(join(cwd, 'pictures', 'green'), { recursive: true });
    const options = ['--batch-size', '6', '--epochs', '1', '--threads', '2', '--out', 'tuned', '--quiet'];
    const rules = [
      '--freeze',
      'conv1,conv2',
      '--trunk-rate',
      '0',
      '--schedule',
      'cosine',
      '--clip-norm',
      '5',
    ];
    const tuned = await alexnet(
      ['train', 'pictures', '--from', 'flowers.safetensors', ...options, ...rules],
      { cwd },
    );
    assert.equal(tuned.code, 0, tuned.stderr);
    const [before, after] = await Promise.all(
      ['run', 'tuned'].map((run) => tensorsOf(join(cwd, run, 'last.safetensors'))),
    );
    // A rate of 0 keeps the others too.
    for (const name of ['conv1.weight', 'conv2.bias', 'conv5.weight', 'fc7.weight', 'preprocessing.mean']) {
      assert.equal(after!.get(name), before!.get(name), name);
    }
    assert.notEqual(after!.get('fc8.weight'), before!.get('fc8.weight'));
    assert.equal(after!.has('velocity/conv1.weight'), false);
    const predicted = await alexnet(['predict', 'tuned', 'pictures/red/0.png', '--json'], { cwd });
    assert.equal((JSON.parse(predicted.stdout) as { predictions: unknown[] }[])[0]!.predictions.length, 2);
    const alone = await alexnet(['train', 'pictures', '--trunk-rate', '0.1'], { cwd });
    assert.match(alone.stderr, /^error: --trunk-rate: it is for --from/);
    for (const run of ['run', 'tuned']) rmSync(join(cwd, run), { recursive: true });
  });
});

describe('the dashboard of a training', () => {
  it('is there while it trains, and follows it', async () => {
    const cwd = withPictures(4);
    const port = await freePort();
    let page: Promise<number> | undefined;
    const { code, stderr } = await alexnet(
      ['train', 'pictures', ...SMALL, '--epochs', '1', `--dashboard=${port}`, '--no-report', '--no-log'],
      {
        cwd,
        onOutput: (written) => {
          const url = /\ndashboard: (\S+)\n/.exec(written.stderr)?.[1];
          if (url !== undefined) page ??= fetch(url).then(({ status }) => status);
        },
      },
    );
    assert.equal(code, 0, stderr);
    assert.equal(await page, 200);
    assert.deepEqual((await readdir(join(cwd, 'run'))).sort(), [
      'best.safetensors',
      'checkpoints',
      'last.safetensors',
    ]);
    rmSync(join(cwd, 'run'), { recursive: true });
  });
});

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

describe('noise on colours', () => {
  it('changes what is learned from the first step on', async () => {
    const cwd = withPictures(4);
    const losses: unknown[] = [];
    for (const [out, ...more] of [['a'], ['b', '--pca-colour']] as const) {
      const { code, stdout, stderr } = await trainIn(cwd, '--epochs', '1', '--json', '--out', out, ...more);
      assert.equal(code, 0, stderr);
      losses.push(eventsOf(stdout).find(({ type }) => type === 'step')?.['loss']);
      rmSync(join(cwd, out), { recursive: true });
    }
    assert.equal(new Set(losses).size, 2, losses.join());
  });
});

describe('a picture that cannot be decoded', () => {
  const damaged = { 'red/damaged.jpg': 'not a picture' };

  it('is named, even with --quiet, and left out of training', async () => {
    const cwd = withPictures(3, damaged);
    const { code, stdout, stderr } = await trainIn(cwd, '--epochs', '1', '--quiet');
    assert.match(stderr, /^warning: skipped pictures\/red\/damaged.jpg: it is not a picture: .*\n$/);
    assert.equal(code, 0);
    assert.match(stdout, /^best weights \(epoch 1\)/);
    const evaluated = await alexnet(['evaluate', 'run', 'pictures', '--json'], { cwd });
    assert.match(evaluated.stderr, /^skipped pictures\/red\/damaged.jpg: it is not a picture: /);
    const { images, skipped } = JSON.parse(evaluated.stdout) as {
      images: number;
      skipped: { path: string }[];
    };
    assert.deepEqual([images, skipped.map(({ path }) => path)], [9, ['pictures/red/damaged.jpg']]);
    rmSync(join(cwd, 'run'), { recursive: true });
  });

  it('does not keep a batch of all pictures from being filled', async () => {
    const cwd = withPictures(3, damaged);
    const { code, stderr } = await trainIn(cwd, '--epochs', '1', '--batch-size', '100');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /\ndone: 1 epoch, 1 step in /);
    rmSync(join(cwd, 'run'), { recursive: true });
  });

  it('ends training with --strict', async () => {
    const { code, stderr } = await trainIn(withPictures(3, damaged), '--strict', '--quiet');
    assert.equal(code, 1);
    assert.match(stderr, /^error: pictures\/red\/damaged.jpg: it is not a picture: .*\n$/);
  });
});

describe('a folder that cannot be trained on', () => {
  const cases: readonly [what: string, files: Record<string, string>, message: RegExp][] = [
    ['has no pictures', { 'a/note.txt': '' }, /no pictures .* were found, but 1 other files: 1 \.txt/],
    ['has an empty class', { 'a/1.png': '', 'b/note.txt': '' }, /these classes have no pictures .*: b/],
    ['has one class', { 'a/1.png': '' }, /there is one class only, a; training needs two or more/],
  ];
  for (const [what, files, message] of cases) {
    it(`is refused if it ${what}`, async () => {
      const dir = tempFiles(files);
      const { code, stdout, stderr } = await alexnet(['train', dir, '--out', join(dir, 'run')]);
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, message);
    });
  }
});

describe('a network that is too large', () => {
  it('for the memory of the machine is refused before it is made', async function () {
    const [cwd, size] = [withPictures(2), 4096];
    // 17 milliards of parameters, at twelve bytes.
    if (totalmem() > 190 * 2 ** 30) this.skip();
    const { code, stderr } = await alexnet(['train', 'pictures', '--input-size', `${size}`], { cwd });
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^error: the network has 1\d,\d+,\d+,\d+ parameters: .* GiB of memory at least, .* smaller --input-size\n$/,
    );
  });
});

describe('weights that are not there', () => {
  it('are missed by name', async () => {
    const cwd = withPictures(1);
    const missing = await alexnet(['predict', 'run', 'pictures/red/0.png'], { cwd });
    assert.equal(missing.code, 1);
    assert.match(
      missing.stderr,
      /^error: run: there is no such folder or file; give the folder of a training/,
    );
    const without = await alexnet(['evaluate', 'pictures', 'pictures'], { cwd });
    assert.equal(without.code, 1);
    assert.match(
      without.stderr,
      /^error: pictures: the folder has neither best.safetensors nor last.safetensors/,
    );
  });
});
