// The log of a training as JSON lines, on real files.
// Invariant: what cannot be written is told once, and never thrown.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileWriteError } from '../../lib/errors.js';
import { JsonLinesLogger, loggedEvents } from '../../lib/report/index.js';
import { tempFolder } from '../data/temp-folder.js';
import { epochEvent, stepEvent } from './events.js';

function linesOf(file: string): Record<string, unknown>[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  assert.equal(lines.pop(), '', 'the last line must be whole');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('JsonLinesLogger', () => {
  it('writes a line an event, in order, each with its time, and makes the folder', async () => {
    const file = join(tempFolder(), 'deep', 'log.jsonl');
    const log = new JsonLinesLogger(file);
    log.write({ type: 'start', seed: 7 });
    for (let step = 1; step <= 200; step++) log.handle(stepEvent(step));
    log.handle(epochEvent(1));
    await log.close();
    const lines = linesOf(file);
    assert.deepEqual(
      lines.map(({ step }) => step).slice(1, 201),
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    assert.deepEqual([lines[0]?.['seed'], lines.at(-1)?.['type'], lines.length], [7, 'epoch', 202]);
    const { time, ...rest } = lines[1]!;
    assert.match(String(time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(rest, JSON.parse(JSON.stringify(stepEvent(1))));
  });

  it('leaves out how far a mean picture or a validation has come', async () => {
    const file = join(tempFolder(), 'log.jsonl');
    const log = new JsonLinesLogger(file);
    log.handle({ type: 'preparing', imagesDone: 1, images: 2 });
    log.handle({ type: 'validation-progress', epoch: 1, epochs: 3, imagesDone: 1, images: 2 });
    log.handle({ type: 'warning', message: 'w' });
    await log.close();
    assert.deepEqual(
      linesOf(file).map(({ type }) => type),
      ['warning'],
    );
  });

  it('begins a log anew, or goes on with it', async () => {
    const file = join(tempFolder(), 'log.jsonl');
    for (const [append, expected] of [
      [false, 1],
      [true, 2],
      [false, 1],
    ] as const) {
      const log = new JsonLinesLogger(file, { append });
      log.handle({ type: 'warning', message: 'w' });
      await log.close();
      assert.equal(linesOf(file).length, expected);
    }
  });

  it('goes on below a line that was cut off, and is read without it', async () => {
    const file = join(tempFolder(), 'log.jsonl');
    writeFileSync(file, `${JSON.stringify(stepEvent(1))}\n{"type":"st`);
    const log = new JsonLinesLogger(file, { append: true });
    log.handle(stepEvent(2));
    await log.close();
    assert.deepEqual(await loggedEvents(file, { upToStep: 9 }), [stepEvent(1), stepEvent(2)]);
  });

  it('is read up to a step, what was done twice as it was the last time', async () => {
    const file = join(tempFolder(), 'log.jsonl');
    const log = new JsonLinesLogger(file);
    for (const step of [1, 2, 3]) log.handle(stepEvent(step));
    log.handle({ type: 'resumed', epoch: 1, epochs: 3, step: 1, path: 'p' });
    for (const step of [2, 3, 4]) log.handle(stepEvent(step, { loss: 9 }));
    await log.close();
    assert.deepEqual(await loggedEvents(file, { upToStep: 3 }), [
      stepEvent(1),
      stepEvent(2, { loss: 9 }),
      stepEvent(3, { loss: 9 }),
    ]);
    assert.deepEqual(await loggedEvents(join(file, 'missing'), { upToStep: 3 }), []);
  });

  it('tells once that it cannot write, names the file, and is silent from then on', async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'in-the-way'), '');
    const errors: Error[] = [];
    const log = new JsonLinesLogger(join(folder, 'in-the-way', 'log.jsonl'), {
      onError: (error) => errors.push(error),
    });
    log.handle({ type: 'warning', message: 'first' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    log.handle({ type: 'warning', message: 'second' });
    await log.close();
    await log.close();
    assert.equal(errors.length, 1);
    assert.ok(errors[0] instanceof FileWriteError);
    assert.match(errors[0].message, /in-the-way\/log\.jsonl: it cannot be written: .*Training goes on/);
  });
});
