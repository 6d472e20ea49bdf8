// What a report knows of a training: bounded curves, patches that say what has changed, pictures made on the way.
// Invariant: whoever applies all patches to the first state has the last one.
import assert from 'node:assert/strict';
import { subsetDataset } from '../../lib/data/index.js';
import { Curves } from '../../lib/report/curves.js';
import { RunRecord, type RunPatch, type RunState } from '../../lib/report/index.js';
import { Trainer } from '../../lib/train/index.js';
import { TestDevice } from '../helpers/devices.js';
import { pictures, smallModel } from '../train/small.js';
import { epochEvent, stepEvent, validationEvent } from './events.js';

/** As the page does it. */
function applied(state: RunState, patches: readonly RunPatch[]): RunState {
  const copy = structuredClone(state);
  for (const { set, append } of structuredClone(patches)) {
    Object.assign(copy, set);
    for (const [name, values] of Object.entries(append.steps ?? {})) {
      copy.steps[name as keyof RunState['steps']].push(...values);
    }
    copy.epochs.push(...(append.epochs ?? []));
    copy.notices.push(...(append.notices ?? []));
  }
  return copy;
}

describe('curves', () => {
  const values = (step: number) => {
    const { loss, top1, top5, learningRate, imagesPerSecond, memory, ...rest } = stepEvent(step);
    const { dataWaitMs, submitMs, deviceWaitMs, handlersMs } = rest;
    const times = { dataWaitMs, submitMs, deviceWaitMs, handlersMs };
    const { inUseBytes } = memory;
    return { step, loss, top1, top5, learningRate, imagesPerSecond, inUseBytes, ...times };
  };

  it('have a point a step as long as these are few', () => {
    const curves = new Curves(8);
    for (let step = 1; step <= 7; step++) assert.equal(curves.add(values(step)), 'point');
    assert.deepEqual(curves.columns.step, [1, 2, 3, 4, 5, 6, 7]);
  });

  it('have half the points, each the mean of two, when these are too many', () => {
    const curves = new Curves(8);
    const changes = Array.from({ length: 12 }, (_, i) => curves.add(values(i + 1)));
    assert.deepEqual(changes.slice(6), ['point', 'merged', null, 'point', null, 'point']);
    assert.deepEqual(curves.columns.step, [1.5, 3.5, 5.5, 7.5, 9.5, 11.5]);
    assert.equal(curves.columns.loss[0], (2 / 1 + 2 / 2) / 2);
  });

  it('stay bounded over a million steps', () => {
    const curves = new Curves(100);
    for (let step = 1; step <= 1_000_000; step++) curves.add({ ...one, step });
    const { step } = curves.columns;
    assert.ok(step.length >= 50 && step.length < 100, `${step.length} points`);
    assert.ok(step.at(-1)! > 950_000);
  });
  const one = values(1);
});

describe('a record of a training', () => {
  it('tells what has changed, so that a page that follows shows the same', () => {
    const record = new RunRecord({ title: 'T', facts: [['a', 'b']] });
    const first = structuredClone(record.state);
    const patches: RunPatch[] = [];
    const stop = record.subscribe((patch) => patches.push(structuredClone(patch)));
    record.handle({ type: 'preparing', imagesDone: 1, images: 2 });
    for (let step = 1; step <= 4500; step++) record.handle(stepEvent(step));
    record.handle({ type: 'warning', message: 'w' });
    record.handle({ type: 'learning-rate', epoch: 1, from: 0.01, to: 0.001, reason: 'r' });
    record.handle(
      validationEvent(
        ['a', 'b'],
        [
          [1, 2],
          [0, 3],
        ],
      ),
    );
    record.handle(epochEvent(1));
    record.handle({ type: 'done', epochs: 1, steps: 4500, durationMs: 1, reason: 'completed' });
    assert.deepEqual(applied(first, patches), record.state);
    assert.equal(record.state.status, 'completed');
    assert.deepEqual(record.state.confusion?.entries, [
      [0, 0, 1],
      [0, 1, 2],
      [1, 1, 3],
    ]);
    assert.ok(record.state.steps.step.length < 2000);
    stop();
    record.handle({ type: 'warning', message: 'later' });
    assert.notDeepEqual(applied(first, patches), record.state);
  });

  it('has the curves, epochs and notices of a part that it is told of afterwards', () => {
    const [followed, told] = [new RunRecord(), new RunRecord()];
    const events = [stepEvent(1), stepEvent(2), { type: 'warning', message: 'w' } as const, epochEvent(1)];
    for (const event of events) followed.handle(event);
    told.recall(events);
    const { steps, epochs, notices } = followed.state;
    assert.deepEqual([told.state.steps, told.state.epochs, told.state.notices], [steps, epochs, notices]);
  });

  it('says that training failed, and why', () => {
    const record = new RunRecord();
    record.handle(stepEvent(1));
    record.fail(new Error('the loss is NaN'));
    assert.deepEqual([record.state.status, record.state.failure], ['failed', 'the loss is NaN']);
  });

  it('keeps two hundred notices, and then says that there are more', () => {
    const record = new RunRecord();
    for (let i = 0; i < 300; i++) record.handle({ type: 'warning', message: `skipped ${i}` });
    const { notices } = record.state;
    assert.deepEqual([notices.length, notices.at(-1)?.text], [201, 'more notices are in log.jsonl']);
  });

  const test = new TestDevice('cpu');
  before(() => test.open());
  after(() => test.close());

  it('of a real training has kernels, predictions and their nearest training pictures', async () => {
    using model = smallModel(test);
    const all = pictures();
    const part = (from: number, to: number) =>
      subsetDataset(
        all,
        Array.from({ length: to - from }, (_, i) => from + i),
      );
    const data = { train: part(0, 18), validation: part(18, 23) };
    const errors: Error[] = [];
    const record = new RunRecord({ model, data, onError: (error) => errors.push(error) });
    const trainer = new Trainer(model, { epochs: 2, batchSize: 6 });
    await trainer.run(data, { onEvent: (event) => record.handle(event) });
    await record.close();
    assert.deepEqual(errors, []);
    const { filters, examples, confusion, classes, mistakes, epochs } = record.state;
    assert.deepEqual([filters?.layer, filters?.epoch, epochs.length], ['conv', 2, 2]);
    assert.match(filters!.src, /^data:image\/png;base64,/);
    assert.deepEqual(examples?.compared, { layer: 'relu', pictures: 18 });
    assert.equal(examples?.examples.length, 5);
    for (const [n, example] of examples.examples.entries()) {
      assert.equal(example.className, all.classNames[all.labels[18 + n]!]);
      assert.equal(example.predictions.length, 5);
      const probabilities = example.predictions.map(({ probability }) => probability);
      assert.deepEqual(
        probabilities,
        [...probabilities].sort((a, b) => b - a),
      );
      const distances = example.neighbours.map(({ distance }) => distance);
      assert.equal(distances.length, 6);
      assert.deepEqual(
        distances,
        [...distances].sort((a, b) => a - b),
      );
      assert.ok(example.neighbours.every(({ name }) => Number(name.slice(1)) < 18));
    }
    assert.equal(
      confusion?.entries.reduce((sum, [, , pictures]) => sum + pictures, 0),
      5,
    );
    assert.equal(
      classes?.rows.reduce((sum, { images }) => sum + images, 0),
      5,
    );
    const right = classes.rows.reduce((sum, { correct }) => sum + correct, 0);
    assert.deepEqual([mistakes?.epoch, mistakes?.mistakes.length], [2, 5 - right]);
    for (const { name, className, takenFor } of mistakes!.mistakes) {
      assert.equal(className, all.classNames[all.labels[Number(name.slice(1))]!]);
      assert.notEqual(takenFor, className);
    }
  });

  it('finds a training picture to be its own nearest neighbour', async () => {
    using model = smallModel(test);
    const train = pictures();
    const record = new RunRecord({ model, data: { train } });
    await new Trainer(model, { epochs: 1, batchSize: 6 }).run(
      { train },
      { onEvent: (event) => record.handle(event) },
    );
    await record.close();
    for (const { name, neighbours } of record.state.examples!.examples) {
      assert.deepEqual([neighbours[0]?.name, neighbours[0]?.distance], [name, 0]);
    }
  });
});
