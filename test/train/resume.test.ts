// Training that is stopped and goes on, against training that was never stopped.
// Invariant: weights are compared bit for bit, and so are all numbers that events report of training.
import assert from 'node:assert/strict';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { InMemoryDataset } from '../../lib/data/index.js';
import { saveModel, type Model } from '../../lib/models/index.js';
import { cosineSchedule, warmUp } from '../../lib/optim/index.js';
import {
  checkpointsIn,
  findCheckpoint,
  Trainer,
  type TrainerOptions,
  type TrainingEvent,
} from '../../lib/train/index.js';
import { tempFiles } from '../data/temp-folder.js';
import { forEachDevice, supportOf, type TestDevice } from '../helpers/devices.js';
import { CLASSES, pictures, smallModel } from './small.js';

/** Four steps an epoch. */
const BASE: TrainerOptions = {
  epochs: 4,
  batchSize: 5,
  learningRate: 0.05,
  seed: 3,
  deadStartSteps: 0,
  plateau: { patience: 1, threshold: 0.5 },
};

const data = { train: pictures(), validation: pictures() };

type Stop = (event: TrainingEvent) => boolean;

interface Trained {
  readonly events: TrainingEvent[];
  readonly weights: Float32Array[];
}

async function weightsOf(model: Model): Promise<Float32Array[]> {
  return Promise.all(model.network.parameters.map(({ value }) => value.data()));
}

/** Trains until `stop` says so. */
async function train(trainer: Trainer, stop: Stop = () => false): Promise<Trained> {
  const controller = new AbortController();
  const events: TrainingEvent[] = [];
  const onEvent = (event: TrainingEvent): void => {
    events.push(event);
    if (stop(event)) controller.abort();
  };
  await trainer.run(data, { signal: controller.signal, onEvent });
  return { events, weights: await weightsOf(trainer.model) };
}

async function undisturbed(on: TestDevice, options: TrainerOptions): Promise<Trained> {
  using model = smallModel(on);
  return await train(new Trainer(model, options));
}

async function firstPart(on: TestDevice, options: TrainerOptions, stop: Stop): Promise<Trained> {
  using model = smallModel(on);
  return await train(new Trainer(model, options), stop);
}

async function goOn(on: TestDevice, run: string, stop?: Stop): Promise<Trained> {
  using model = smallModel(on);
  const trainer = await Trainer.resume(run, { device: on.device, model });
  return await train(trainer, stop);
}

/** What events say of training, without the time it took. */
function report(events: readonly TrainingEvent[]): unknown[] {
  return events.flatMap((event): unknown[] => {
    if (event.type === 'step') {
      return [[event.step, event.epoch, event.stepInEpoch, event.loss, event.top1, event.learningRate]];
    }
    if (event.type === 'epoch') {
      return [[event.epoch, event.train, event.validation, event.learningRate, event.best]];
    }
    if (event.type === 'learning-rate') return [[event.epoch, event.from, event.to, event.reason]];
    return [];
  });
}

const afterStep =
  (step: number): Stop =>
  (event) =>
    event.type === 'step' && event.step === step;

function assertSame(parts: readonly Trained[], whole: Trained, what: string): void {
  assert.deepEqual(
    parts.flatMap(({ events }) => report(events)),
    report(whole.events),
    what,
  );
  assert.deepEqual(parts.at(-1)!.weights, whole.weights, what);
}

const SETUPS: Readonly<Record<string, TrainerOptions>> = {
  'with a plateau': BASE,
  'with everything that can be turned on': {
    ...BASE,
    plateau: { patience: 2, threshold: 0.9 },
    schedule: warmUp({ epochs: 1, next: cosineSchedule({ epochs: 3 }) }),
    groups: [{ layers: ['conv'], rate: 0.5, schedule: cosineSchedule({ epochs: 4, floor: 0.2 }) }],
    accumulate: 2,
    clip: { norm: 0.5, value: 0.1 },
    labelSmoothing: 0.1,
    averaging: { decay: 0.5 },
    earlyStopping: { patience: 3, threshold: 0.9 },
  },
};

forEachDevice('training that is resumed', (on) => {
  for (const [what, options] of Object.entries(SETUPS)) {
    it(`${what} is that of a run that was never stopped, wherever it stopped`, async () => {
      const whole = await undisturbed(on, options);
      for (const step of [1, 4, 6]) {
        const out = tempFiles({});
        const first = await firstPart(on, { ...options, out }, afterStep(step));
        assert.equal((first.events.at(-1) as { reason?: string }).reason, 'aborted');
        const second = await goOn(on, out);
        assert.equal(second.events[0]?.type, 'resumed');
        assertSame([first, second], whole, `stopped after step ${step}`);
      }
    });
  }

  for (const precision of ['bfloat16', 'float16'] as const) {
    it(`in ${precision} is that of a run that was never stopped, loss scale and all`, async function () {
      if (supportOf(on.target, precision) !== 'fast') return this.skip();
      const runs = [tempFiles({}), tempFiles({})] as const;
      const part = async (out: string, stop?: Stop): Promise<Trained> => {
        using model = smallModel(on, { precision });
        const begun = (await checkpointsIn(out)).length > 0;
        const options = { device: on.device, model };
        return await train(
          begun ? await Trainer.resume(out, options) : new Trainer(model, { ...BASE, out }),
          stop,
        );
      };
      const whole = await part(runs[0]);
      const parts = [
        await part(runs[1], afterStep(3)),
        await part(runs[1], afterStep(9)),
        await part(runs[1]),
      ];
      assertSame(parts, whole, precision);
      const [expected, found] = await Promise.all(runs.map((run) => findCheckpoint(run)));
      assert.deepEqual(found?.lossScale, expected?.lossScale);
      assert.equal(expected?.lossScale !== undefined, precision === 'float16');
    });
  }

  it('can be stopped again and again', async () => {
    const whole = await undisturbed(on, BASE);
    const out = tempFiles({});
    const parts = [await firstPart(on, { ...BASE, out }, afterStep(2))];
    for (const step of [3, 5, 8, 9]) parts.push(await goOn(on, out, afterStep(step)));
    parts.push(await goOn(on, out));
    assertSame(parts, whole, 'in six parts');
  });

  it('can be stopped while it validates', async () => {
    const whole = await undisturbed(on, BASE);
    const out = tempFiles({});
    const first = await firstPart(on, { ...BASE, out }, (event) => event.type === 'validation-progress');
    assert.equal(first.events.filter(({ type }) => type === 'epoch').length, 0);
    assertSame([first, await goOn(on, out)], whole, 'stopped in the validation');
  });

  it('goes on from checkpoints within an epoch as a killed process leaves them', async () => {
    const out = tempFiles({});
    const options = { ...BASE, out, checkpoints: { everySteps: 1, keep: 100 } };
    const whole = await undisturbed(on, options);
    const checkpoints = await checkpointsIn(out);
    assert.ok(checkpoints.length > 4, String(checkpoints.length));
    for (const { path, step } of checkpoints) {
      const copy = tempFiles({});
      mkdirSync(join(copy, 'checkpoints'));
      copyFileSync(path, join(copy, 'checkpoints', `step-${String(step).padStart(8, '0')}.safetensors`));
      const rest = await goOn(on, copy);
      assert.deepEqual(rest.weights, whole.weights, path);
      const later = report(
        whole.events.filter((event) => !('step' in event) || event.step > step || event.type === 'epoch'),
      );
      const seen = report(rest.events);
      assert.deepEqual(seen, later.slice(later.length - seen.length), path);
    }
  });

  it('that was complete is complete', async () => {
    const out = tempFiles({});
    const whole = await undisturbed(on, { ...BASE, out });
    const { events, weights } = await goOn(on, out);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['resumed', 'done'],
    );
    assert.deepEqual(weights, whole.weights);
    assert.deepEqual(
      readdirSync(out).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });

  it('can be given more epochs', async () => {
    const out = tempFiles({});
    const whole = await undisturbed(on, { ...BASE, epochs: 6 });
    await undisturbed(on, { ...BASE, out });
    using model = smallModel(on);
    const trainer = await Trainer.resume(out, { device: on.device, model, epochs: 6 });
    assert.deepEqual((await train(trainer)).weights, whole.weights);
  });
});

forEachDevice('checkpoints', (on) => {
  /** A run of three epochs with all its checkpoints. */
  async function makeRun(): Promise<string> {
    const out = tempFiles({});
    await undisturbed(on, { ...BASE, epochs: 3, out, checkpoints: { keep: 5 } });
    return out;
  }

  const newest = async (run: string): Promise<string> => (await checkpointsIn(run))[0]!.path;

  it('are told of, and the last ones stay', async () => {
    const out = tempFiles({});
    const { events } = await undisturbed(on, { ...BASE, out });
    const told = events.filter((event) => event.type === 'checkpoint');
    assert.deepEqual(
      told.map(({ step }) => step),
      [4, 8, 12, 16],
    );
    assert.deepEqual(
      (await checkpointsIn(out)).map(({ step }) => step),
      [16, 12],
    );
    assert.equal(told.at(-1)!.bytes, readFileSync(told.at(-1)!.path).byteLength);
    assert.deepEqual(readdirSync(out).sort(), ['best.safetensors', 'checkpoints', 'last.safetensors']);
    assert.deepEqual(readFileSync(join(out, 'last.safetensors')), readFileSync(await newest(out)));
  });

  it('hold what the caller wants remembered', async () => {
    const out = tempFiles({});
    await undisturbed(on, { ...BASE, epochs: 1, out, configuration: { pictures: '/data/flowers' } });
    assert.deepEqual((await findCheckpoint(out)).configuration, { pictures: '/data/flowers' });
  });

  for (const [what, damage, reason] of [
    ['cut short', (file: string) => truncateSync(file, 3000), /truncated/],
    ['empty', (file: string) => truncateSync(file, 0), /empty/],
    ['something else', (file: string) => writeFileSync(file, '<html>'.repeat(99)), /a web page/],
    [
      'changed in one bit',
      (file: string) => {
        const bytes = readFileSync(file);
        bytes[bytes.length - 1000]! ^= 1;
        writeFileSync(file, bytes);
      },
      /do not match its checksum/,
    ],
  ] as const) {
    it(`of which the newest is ${what}: it is named, and the one before is taken`, async () => {
      const run = await makeRun();
      const whole = await undisturbed(on, { ...BASE, epochs: 3 });
      const broken = await newest(run);
      damage(broken);
      const { skipped, path } = await findCheckpoint(run);
      assert.match(skipped[0]!.message, reason);
      assert.match(path, /step-00000008/);
      const { events, weights } = await goOn(on, run);
      assert.ok(events.some((event) => event.type === 'warning' && event.message.includes(broken)));
      assert.deepEqual(weights, whole.weights);
      assert.equal((await findCheckpoint(run)).state.step, 12);
    });
  }

  it('that are all damaged are an error with what is wrong with each', async () => {
    const run = await makeRun();
    for (const { path } of await checkpointsIn(run)) truncateSync(path, 100);
    await assert.rejects(findCheckpoint(run), (error: Error) => {
      assert.match(error.message, /there is no checkpoint to go on from/);
      assert.equal(error.message.match(/truncated/g)?.length, 3);
      return true;
    });
    await assert.rejects(
      findCheckpoint(tempFiles({})),
      /there is no checkpoint to go on from in .*checkpoints$/,
    );
  });

  for (const name of ['last', 'best']) {
    it(`that are all damaged: the error leads to the ${name} epoch's, which is whole`, async () => {
      const run = await makeRun();
      const file = join(run, `${name}.safetensors`);
      const bytes = readFileSync(await newest(run));
      for (const { path } of await checkpointsIn(run)) truncateSync(path, 100);
      for (const each of ['last', 'best']) rmSync(join(run, `${each}.safetensors`));
      writeFileSync(file, bytes);
      await assert.rejects(findCheckpoint(run), (error: Error) => {
        const [, ...lines] = error.message.split('\n');
        assert.equal(lines.length, 4);
        assert.equal(
          lines.at(-1),
          `${file} is whole, from step 12. Go on from there: alexnet train --resume ${file}`,
        );
        return true;
      });
      assert.equal((await findCheckpoint(file)).state.step, 12);
    });
  }

  it('are no weights files, which have no training to go on with', async () => {
    using model = smallModel(on);
    const path = join(tempFiles({}), 'weights.safetensors');
    await saveModel(model, path);
    await assert.rejects(findCheckpoint(path), /holds no training to go on with/);
  });

  it('are not gone on from with other pictures', async () => {
    const run = await makeRun();
    const { labels } = pictures();
    const images = new Uint8Array(pictures().length * 9 * 9 * 3);
    const classNames = Array.from({ length: CLASSES }, (_, i) => String(i));
    const other = new InMemoryDataset({
      images,
      labels: labels.map((label) => (label + 1) % CLASSES),
      classNames,
      side: 9,
    });
    const fewer = new InMemoryDataset({
      images: images.subarray(243),
      labels: labels.subarray(1),
      classNames,
      side: 9,
    });
    for (const [changed, message] of [
      [{ ...data, train: other }, /The training pictures have other names, another order or other classes/],
      [{ ...data, train: fewer }, /There are 22 training pictures; the training had 23/],
      [{ ...data, validation: fewer }, /There are 22 validation pictures/],
      [{ train: data.train }, /the training had validation pictures/],
    ] as const) {
      using model = smallModel(on);
      const trainer = await Trainer.resume(run, { device: on.device, model, epochs: 9 });
      await assert.rejects(trainer.run(changed), (error: Error) => {
        assert.match(error.message, message);
        return true;
      });
    }
  });

  it('that cannot be written cost a warning, and an error at the end if the last one cannot', async () => {
    const out = tempFiles({});
    mkdirSync(join(out, 'checkpoints', 'step-00000008.safetensors'), { recursive: true });
    const { events } = await undisturbed(on, { ...BASE, out });
    const warnings = events.filter((event) => event.type === 'warning');
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0]!.message,
      /no checkpoint of step 8, training goes on: .*step-00000008.safetensors/,
    );
    const last = tempFiles({});
    mkdirSync(join(last, 'checkpoints', 'step-00000016.safetensors'), { recursive: true });
    await assert.rejects(undisturbed(on, { ...BASE, out: last }), { code: 'ERR_FILE' });
  });

  it('of an earlier training in the folder go when this one has its first', async () => {
    const run = await makeRun();
    using model = smallModel(on);
    await train(new Trainer(model, { ...BASE, out: run, epochs: 1 }));
    assert.deepEqual(
      (await checkpointsIn(run)).map(({ step }) => step),
      [4],
    );
  });
});
