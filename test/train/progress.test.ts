// The progress display, seen through a terminal that is as simple as terminals get, and through a log.
// Invariant: tests look at what a person would see on the screen, not at the order of escape sequences.

import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import type { EpochEvent, StepEvent, TrainingEvent } from '../../lib/train/events.js';
import { createProgress, type Progress, type ProgressOptions } from '../../lib/train/progress.js';

/** Knows carriage return, line feed, "erase to the end of the line" and colours, and fails on everything else. */
class Terminal extends Writable {
  readonly lines: string[] = [''];
  readonly isTTY: boolean;
  columns: number;
  /** Everything as written. */
  raw = '';
  writes = 0;
  #column = 0;

  constructor({ isTTY = true, columns = 120 } = {}) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
    this.columns = columns;
  }

  override _write(text: string, _encoding: BufferEncoding, done: () => void): void {
    this.raw += text;
    this.writes += 1;
    // eslint-disable-next-line no-control-regex -- the escape character is what is looked for
    for (const [token] of text.matchAll(/\x1b\[\d*[A-Za-z]|[^]/g)) this.#take(token);
    done();
  }

  #take(token: string): void {
    const line = this.lines.at(-1) ?? '';
    if (token === '\n') {
      this.lines.push('');
      this.#column = 0;
    } else if (token === '\r') this.#column = 0;
    else if (token === '\x1b[K') this.lines[this.lines.length - 1] = line.slice(0, this.#column);
    else if (token.startsWith('\x1b')) assert.match(token, /m$/, 'only colours and erasing are expected');
    else {
      assert.ok(token >= ' ' && token !== '\x7f', `control character ${JSON.stringify(token)}`);
      this.lines[this.lines.length - 1] = line.slice(0, this.#column) + token + line.slice(this.#column + 1);
      this.#column += 1;
    }
  }

  /** The line that the cursor is in. */
  get last(): string {
    return this.lines.at(-1) ?? '';
  }
}

const utf8 = { TERM: 'xterm-256color', LANG: 'de_DE.UTF-8', NO_COLOR: '1' };

interface Setup extends ProgressOptions {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

function setUp(options: Setup = {}): { terminal: Terminal; progress: Progress; clock: { ms: number } } {
  const terminal = new Terminal(options);
  const clock = { ms: 5000 };
  const progress = createProgress({ env: utf8, stream: terminal, now: () => clock.ms, ...options });
  return { terminal, progress, clock };
}

const step = (change: Partial<StepEvent> = {}): StepEvent => ({
  type: 'step',
  epoch: 3,
  epochs: 10,
  step: 285,
  stepInEpoch: 45,
  stepsPerEpoch: 120,
  batchSize: 128,
  loss: 1.23456,
  top1: 0.5625,
  top5: 0.8125,
  learningRate: 0.01,
  imagesPerSecond: 91.24,
  dataWaitMs: 3,
  submitMs: 2,
  deviceWaitMs: 990,
  handlersMs: 1,
  memory: { inUseBytes: 900 * 2 ** 20, peakBytes: 1300 * 2 ** 20 },
  remainingMs: 200_000,
  ...change,
});

const epoch = (change: Partial<EpochEvent> = {}): EpochEvent => ({
  type: 'epoch',
  epoch: 3,
  epochs: 10,
  step: 360,
  train: { images: 15360, loss: 1.5, top1: 0.5, top5: 0.75 },
  validation: { images: 1000, loss: 1.25, top1: 0.625, top5: 0.875 },
  learningRate: 0.01,
  durationMs: 63_000,
  best: true,
  ...change,
});

const validating: TrainingEvent = {
  type: 'validation-progress',
  epoch: 3,
  epochs: 10,
  imagesDone: 1000,
  images: 5000,
};

describe('progress: on a terminal', () => {
  it('shows the state of training in one line', () => {
    const { terminal, progress } = setUp({ columns: 140 });
    progress.handle(step());
    assert.equal(
      terminal.last,
      'epoch 3/10  [█████████░░░░░░░░░░░░░░░] 45/120  91.2 images/s  loss 1.2346  top-1 56.3 %  top-5 81.3 %  memory 900.0 MiB  3m20s left',
    );
  });

  it('redraws that line in place, at most ten times a second', () => {
    const { terminal, progress, clock } = setUp();
    for (let index = 0; index < 100; index += 1) {
      progress.handle(step({ stepInEpoch: index + 1 }));
      clock.ms += 10;
    }
    assert.equal(terminal.writes, 10);
    assert.equal(terminal.lines.length, 1);
    assert.match(terminal.last, / 91\/120 /);
  });

  it('leaves nothing of a longer line behind', () => {
    const { terminal, progress, clock } = setUp();
    progress.handle(step({ remainingMs: 50 * 3_600_000 }));
    clock.ms += 200;
    progress.handle(step({ remainingMs: 5000 }));
    assert.match(terminal.last, /5\.0s left$/);
  });

  it('moves on to validation at once', () => {
    const { terminal, progress } = setUp({ columns: 80 });
    progress.handle(step());
    progress.handle(validating);
    assert.equal(terminal.last, 'epoch 3/10 validation  [████░░░░░░░░░░░░░░░░░░░░] 1,000/5,000');
  });

  it('averages loss and accuracies over about the last 20 steps', () => {
    const { terminal, progress, clock } = setUp();
    const show = (loss: number): string => {
      clock.ms += 200;
      progress.handle(step({ loss }));
      return /loss (\S+)/.exec(terminal.last)?.[1] ?? '';
    };
    assert.equal(show(4), '4.0000');
    assert.equal(show(2), '3.0000');
    assert.equal(show(0), '2.0000');
    for (let index = 0; index < 200; index += 1) show(1);
    assert.match(show(1), /^1\.000/);
    assert.equal(show(NaN), 'NaN');
    assert.equal(show(1), '1.0000');
  });

  it('says so when steps wait for data', () => {
    const { terminal, progress, clock } = setUp({ columns: 140 });
    // A step of 128 images at 64 images/s takes 2 s.
    progress.handle(step({ imagesPerSecond: 64, dataWaitMs: 180 }));
    assert.doesNotMatch(terminal.last, /data wait/);
    clock.ms += 200;
    progress.handle(step({ imagesPerSecond: 64, dataWaitMs: 1020 }));
    assert.match(terminal.last, / {2}data wait 30 % {2}/);
    terminal.columns = 80;
    clock.ms += 200;
    progress.handle(step({ imagesPerSecond: 64, dataWaitMs: 600 }));
    assert.equal(terminal.last, 'epoch 3/10  45/120  loss 1.2346  top-1 56.3 %  data wait 30 %  3m20s left');
  });

  it('puts permanent lines above the live line', () => {
    const { terminal, progress, clock } = setUp();
    progress.handle(step());
    progress.handle({ type: 'warning', message: '3 pictures could not be decoded' });
    progress.handle(step());
    progress.handle(epoch());
    clock.ms += 1;
    progress.handle(step({ epoch: 4, stepInEpoch: 1 }));
    assert.equal(terminal.lines.length, 3);
    assert.equal(terminal.lines[0], 'warning: 3 pictures could not be decoded');
    assert.equal(
      terminal.lines[1],
      'epoch  3/10  train loss 1.5000 top-1 50.0 %  validation loss 1.2500 top-1 62.5 % top-5 87.5 %  lr 0.01  1m03s  *',
    );
    assert.match(terminal.last, /^epoch 4\/10 .* 1\/120/);
  });

  it('leaves the last state readable when training ends without a last event', () => {
    const { terminal, progress } = setUp();
    progress.handle(step());
    progress.close();
    progress.close();
    progress.handle(step());
    progress.handle({ type: 'warning', message: 'late' });
    assert.equal(terminal.lines.length, 2);
    assert.match(terminal.lines[0] ?? '', /^epoch 3\/10/);
    assert.equal(terminal.last, '');
  });

  it('ends with what was trained, the best epoch, and where its weights are', () => {
    const { terminal, progress } = setUp();
    progress.handle(step());
    for (const saved of [1, 7]) {
      progress.handle({ type: 'saved', kind: 'best', epoch: saved, path: `/runs/best-${saved}.safetensors` });
    }
    progress.handle({ type: 'saved', kind: 'last', epoch: 10, path: '/runs/last.safetensors' });
    const validation = { images: 1000, loss: 1.25, top1: 0.625, top5: 0.875 };
    const best = { epoch: 7, validation };
    progress.handle({ type: 'done', epochs: 10, steps: 1200, durationMs: 2e6, reason: 'completed', best });
    progress.close();
    assert.deepEqual(terminal.lines, [
      'done: 10 epochs, 1,200 steps in 33m20s; best was epoch 7: validation loss 1.2500 top-1 62.5 % top-5 87.5 %',
      'best weights (epoch 7): /runs/best-7.safetensors',
      'last weights (epoch 10): /runs/last.safetensors',
      '',
    ]);
  });
});

describe('progress: width', () => {
  const widest =
    'epoch 3/10  [█████████░░░░░░░░░░░░░░░] 45/120  91.2 images/s  loss 1.2346  top-1 56.3 %  top-5 81.3 %  memory 900.0 MiB  3m20s left';
  const expected: readonly [columns: number, line: string][] = [
    [widest.length + 1, widest],
    [
      120,
      'epoch 3/10  [████░░░░░░░░] 45/120  91.2 images/s  loss 1.2346  top-1 56.3 %  top-5 81.3 %  memory 900.0 MiB  3m20s left',
    ],
    [
      100,
      'epoch 3/10  [███░░░░░░░] 45/120  91.2 images/s  loss 1.2346  top-1 56.3 %  top-5 81.3 %  3m20s left',
    ],
    [94, 'epoch 3/10  [█░░░] 45/120  91.2 images/s  loss 1.2346  top-1 56.3 %  top-5 81.3 %  3m20s left'],
    [80, 'epoch 3/10  [█░░░] 45/120  91.2 images/s  loss 1.2346  top-1 56.3 %  3m20s left'],
    [79, 'epoch 3/10  45/120  91.2 images/s  loss 1.2346  top-1 56.3 %  3m20s left'],
    [60, 'epoch 3/10  45/120  loss 1.2346  top-1 56.3 %  3m20s left'],
    [40, 'epoch 3/10  [█░░░░] 45/120  loss 1.2346'],
    [34, 'epoch 3/10  45/120  loss 1.2346'],
    [20, 'epoch 3/10  45/120…'],
    [2, '…'],
    [1, ''],
  ];
  for (const [columns, line] of expected) {
    it(`shows what fits into ${columns} columns`, () => {
      const { terminal, progress } = setUp({ columns });
      progress.handle(step());
      assert.equal(terminal.last, line);
    });
  }

  it('never reaches the last column, in colour or not', () => {
    for (const env of [utf8, { TERM: 'xterm', LC_ALL: 'C' }, { TERM: 'xterm', LANG: 'C.UTF-8' }]) {
      for (let columns = 1; columns <= 160; columns += 1) {
        const { terminal, progress } = setUp({ columns, env });
        progress.handle(step({ dataWaitMs: 900 }));
        assert.ok(terminal.last.length < columns, `${terminal.last.length} of ${columns}: ${terminal.last}`);
        progress.handle(validating);
        assert.ok(terminal.last.length < columns, `${terminal.last.length} of ${columns}: ${terminal.last}`);
      }
    }
  });

  it('follows the terminal when it is resized, and takes 80 columns where it does not know', () => {
    const { terminal, progress, clock } = setUp({ columns: 0 });
    progress.handle(step());
    assert.ok(terminal.last.length > 60 && terminal.last.length < 80);
    terminal.columns = 40;
    clock.ms += 200;
    progress.handle(step());
    assert.equal(terminal.last, 'epoch 3/10  [█░░░░] 45/120  loss 1.2346');
  });

  it('fills the bar only when everything is done', () => {
    const bar = (done: number): string => {
      const { terminal, progress } = setUp();
      progress.handle(step({ stepInEpoch: done, stepsPerEpoch: 1000 }));
      return /\[(.*)\]/.exec(terminal.last)?.[1] ?? '';
    };
    assert.match(bar(0), /^░+$/);
    assert.match(bar(999), /^█+░$/);
    assert.match(bar(1000), /^█+$/);
    assert.match(bar(1001), /^█+$/);
  });
});

describe('progress: colours and characters', () => {
  const colourCases: readonly [what: string, options: Setup, coloured: boolean][] = [
    ['a terminal', { env: { TERM: 'xterm' } }, true],
    ['a terminal under NO_COLOR', { env: { TERM: 'xterm', NO_COLOR: '1' } }, false],
    ['a terminal under an empty NO_COLOR', { env: { TERM: 'xterm', NO_COLOR: '' } }, true],
    ['a log', { env: { TERM: 'xterm' }, isTTY: false }, false],
    ['a dumb terminal', { env: { TERM: 'dumb' } }, false],
  ];
  for (const [what, options, coloured] of colourCases) {
    it(`${coloured ? 'colours' : 'does not colour'} ${what}`, () => {
      const { terminal, progress } = setUp(options);
      progress.handle(step());
      progress.handle(epoch());
      progress.handle({ type: 'warning', message: 'w' });
      assert.equal(terminal.raw.includes('\x1b[1m'), coloured);
      // eslint-disable-next-line no-control-regex -- colours begin with the escape character
      assert.equal(/\x1b\[\d+m/.test(terminal.raw), coloured);
    });
  }

  for (const [env, unicode] of [
    [{ LANG: 'C.UTF-8' }, true],
    [{ LANG: 'en_US.utf8' }, true],
    [{ LC_CTYPE: 'UTF-8' }, true],
    [{ LC_ALL: 'C', LANG: 'C.UTF-8' }, false],
    [{ LANG: 'de_DE.ISO-8859-1' }, false],
    [{}, false],
  ] as const) {
    it(`uses ${unicode ? 'Unicode' : 'ASCII only'} under ${JSON.stringify(env)}`, () => {
      const { terminal, progress } = setUp({ env: { TERM: 'xterm', ...env }, columns: 30 });
      progress.handle(validating);
      terminal.columns = 120;
      progress.handle(step());
      progress.handle({ type: 'learning-rate', epoch: 2, from: 0.01, to: 0.001, reason: 'r' });
      assert.equal(/\P{ASCII}/u.test(terminal.raw), unicode);
      assert.match(terminal.raw, unicode ? /█.*░[^]*→/ : /#.*-[^]*->/);
    });
  }

  it('does not let messages move the cursor or colour the screen', () => {
    const { terminal, progress } = setUp();
    progress.handle({ type: 'warning', message: 'a\x1b[2Jb\r\nc\x07\u009b31md' });
    assert.deepEqual(terminal.lines, ['warning: a [2Jb c 31md', '']);
  });
});

describe('progress: in a log', () => {
  it('writes the state every ten seconds and permanent lines at once, each whole', () => {
    const { terminal, progress, clock } = setUp({ isTTY: false });
    for (let index = 0; index < 31; index += 1) {
      progress.handle(step({ stepInEpoch: index + 1 }));
      clock.ms += 1000;
    }
    progress.handle(validating);
    progress.handle(epoch({ best: false }));
    progress.handle({
      type: 'learning-rate',
      epoch: 3,
      from: 0.01,
      to: 0.01 / 10,
      reason: 'no better for 5 epochs',
    });
    progress.close();
    const tail = '91.2 images/s  loss 1.2346  top-1 56.3 %  top-5 81.3 %  memory 900.0 MiB  3m20s left';
    assert.deepEqual(terminal.raw.split('\n'), [
      `epoch 3/10  step 1/120  ${tail}`,
      `epoch 3/10  step 11/120  ${tail}`,
      `epoch 3/10  step 21/120  ${tail}`,
      `epoch 3/10  step 31/120  ${tail}`,
      'epoch  3/10  train loss 1.5000 top-1 50.0 %  validation loss 1.2500 top-1 62.5 % top-5 87.5 %  lr 0.01  1m03s',
      'learning rate 0.01 → 0.001 after epoch 3: no better for 5 epochs',
      '',
    ]);
  });

  it('shows validation, and epochs without a validation set', () => {
    const { terminal, progress } = setUp({ isTTY: false });
    const { validation, ...rest } = epoch({ best: false, learningRate: 0.0001 });
    assert.ok(validation);
    progress.handle(validating);
    progress.handle(rest);
    assert.deepEqual(terminal.lines, [
      'epoch 3/10 validation  image 1,000/5,000',
      'epoch  3/10  train loss 1.5000 top-1 50.0 %  lr 0.0001  1m03s',
      '',
    ]);
  });

  it('tells stopped training from finished training', () => {
    const { terminal, progress } = setUp({ isTTY: false });
    progress.handle({ type: 'done', epochs: 1, steps: 1, durationMs: 4200, reason: 'aborted' });
    assert.equal(terminal.raw, 'stopped: 1 epoch, 1 step in 4.2s\n');
  });
});

describe('progress: a stream that breaks', () => {
  it('goes quiet and lets training go on', async () => {
    class Broken extends Writable {
      override _write(_chunk: unknown, _encoding: BufferEncoding, done: (error: Error) => void): void {
        done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
      }
    }
    const stream = new Broken();
    const progress = createProgress({ stream, env: utf8, plainIntervalMs: 0 });
    progress.handle(step());
    await new Promise(setImmediate);
    progress.handle(step());
    progress.handle(epoch());
    progress.close();
    assert.ok(stream.destroyed);
  });

  it('lets go of a healthy stream', async () => {
    const { terminal, progress } = setUp();
    assert.equal(terminal.listenerCount('error'), 1);
    progress.close();
    await new Promise(setImmediate);
    assert.equal(terminal.listenerCount('error'), 0);
  });
});
