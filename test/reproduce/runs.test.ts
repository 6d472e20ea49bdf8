// The reproductions on made-up pictures: what is trained, what is kept, and what the reports say of it.
// Invariant: the pictures are noise; nothing here depends on what a network learns of them.
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { InMemoryDataset, openDevice } from '../../lib/index.js';
import { writeCifarReport } from '../../reproduce/cifar-report.js';
import { CIFAR, figure1Run, figure1Trial, shortened, type Experiment } from '../../reproduce/experiments.js';
import { writeFigure1Report } from '../../reproduce/figure1-report.js';
import { buildNet } from '../../reproduce/nets.js';
import { readResults, resultFile, writeResult, type RunResult } from '../../reproduce/results.js';
import { runExperiment } from '../../reproduce/train.js';
import { tempFiles } from '../data/temp-folder.js';
import { hashNdArray } from '../helpers/reference.js';

const CLASS_NAMES = Array.from({ length: 10 }, (_, i) => `class ${i}`);

function noise(pictures: number): InMemoryDataset {
  const values = hashNdArray({ shape: [pictures, 32, 32, 3], seed: 3, low: 0, high: 256 }).data;
  return new InMemoryDataset({
    images: Uint8Array.from(values),
    labels: Array.from({ length: pictures }, (_, i) => i % 10),
    classNames: CLASS_NAMES,
    side: 32,
  });
}

function named(name: string): Experiment {
  return CIFAR.find((experiment) => experiment.name === name)!;
}

describe('The nets of the reproductions', () => {
  for (const experiment of [...CIFAR, figure1Trial('relu', 0.001), figure1Trial('tanh', 0.001)]) {
    it(`have the authors' parameters and shapes: ${experiment.name}`, () => {
      const { variant } = experiment;
      const { network } = buildNet(variant, CLASS_NAMES);
      const parameters = network.parameters.reduce((sum, { size }) => sum + size, 0);
      assert.equal(parameters, variant.net === '80sec' ? 145_578 : 89_578);
      const kinds = network.layers.map(({ kind }) => kind);
      const count = (kind: string) => kinds.filter((other) => other === kind).length;
      const norms = variant.normalization === 'none' ? 0 : 2;
      const normed = variant.net === '18pct' || variant.normalization === 'within';
      assert.equal(count('LocalResponseNorm'), normed ? norms : 0);
      const [activations, others] = variant.activation === 'tanh' ? ['Tanh', 'ReLU'] : ['ReLU', 'Tanh'];
      assert.deepEqual([count(activations), count(others)], [variant.net === '80sec' ? 4 : 3, 0]);
    });
  }

  it('are pooled without overlap only where they are named after it', () => {
    const pooled = buildNet({ net: '80sec', pooling: 'plain' }, CLASS_NAMES).network.layers;
    const sizes = pooled.flatMap((layer) => ('kernelSize' in layer ? [layer.kernelSize] : []));
    assert.ok(!sizes.includes(3));
    const shapes = (layers: typeof pooled) => {
      let shape: readonly number[] = [1, 3, 32, 32];
      return layers.map((layer) => (shape = layer.outputShape(shape)));
    };
    assert.deepEqual(shapes(pooled), shapes(buildNet({ net: '80sec' }, CLASS_NAMES).network.layers));
  });
});

describe('A run of the reproductions', () => {
  const data = { train: noise(256), test: noise(64) };
  const experiment: Experiment = { ...named('80sec'), stages: [2, 1] };
  const options = { data, seed: 1, threads: 1, log: () => {} };

  it('follows the schedule, and is not trained again when it has ended', async () => {
    const folder = tempFiles({});
    const result = await runExperiment(experiment, { ...options, folder });
    assert.deepEqual(
      result.epochs.map(({ epoch, learningRate }) => [epoch, Number(learningRate.toPrecision(6))]),
      [
        [1, 0.001],
        [2, 0.001],
        [3, 0.0001],
      ],
    );
    assert.ok(result.epochs.every(({ testError }) => testError! > 0.5 && testError! <= 1));
    const again = await runExperiment(experiment, { ...options, folder });
    assert.deepEqual(again, result);
  });

  it('goes on after its last whole epoch when it was interrupted, to the same numbers', async () => {
    const whole = await runExperiment(experiment, { ...options, folder: tempFiles({}) });
    const folder = tempFiles({});
    const lines: string[] = [];
    const interrupted = runExperiment(experiment, {
      ...options,
      folder,
      log: (line) => {
        if (line.includes('epoch 2')) throw new Error('interrupted');
      },
    });
    await assert.rejects(interrupted, /interrupted/);
    const second = await runExperiment(experiment, {
      ...options,
      folder,
      log: (line) => lines.push(line),
    });
    const numbers = ({ epochs }: Pick<RunResult, 'epochs'>) =>
      epochs.map(({ epoch, learningRate, trainLoss, testLoss }) => [
        epoch,
        learningRate,
        trainLoss,
        testLoss,
      ]);
    assert.deepEqual(numbers(second), numbers(whole));
    const trained = lines.filter((line) => /: epoch \d/.test(line));
    assert.deepEqual([trained.length, /epoch 3/.test(trained[0]!)], [1, true]);
    assert.deepEqual(await readdir(folder), [path.basename(resultFile(folder, second))]);
  });

  it('begins anew when its checkpoint is gone', async () => {
    const folder = tempFiles({});
    const whole = await runExperiment(experiment, { ...options, folder });
    const { ended: _, ...unfinished } = whole;
    await writeResult(folder, { ...unfinished, epochs: whole.epochs.slice(0, 1) });
    const again = await runExperiment(experiment, { ...options, folder });
    assert.deepEqual(
      again.epochs.map(({ testLoss }) => testLoss),
      whole.epochs.map(({ testLoss }) => testLoss),
    );
  });

  it('ends with the epoch that reaches the training error it goes for', async () => {
    const folder = tempFiles({});
    const easy = { ...figure1Run('relu', 0.001), untilTrainError: 1 };
    const { epochs, ended } = await runExperiment(easy, { ...options, folder });
    assert.deepEqual([epochs.length, ended], [1, 'completed']);
  });

  it('that diverges is a result, not an error', async () => {
    const folder = tempFiles({});
    const { ended, failure } = await runExperiment(figure1Trial('relu', 1e38), { ...options, folder });
    assert.equal(ended, 'failed');
    assert.match(failure!, /The loss is (NaN|Infinity)/);
  });

  it('leaves its device closed', () => {
    using device = openDevice('cpu');
    assert.equal(device.memory().tensors, 0);
  });
});

/** A result with these errors, an epoch each. */
function made(experiment: Experiment, seed: number, errors: readonly number[]): RunResult {
  const machine = { cpu: 'a CPU', threads: '1', instructionSet: 'AVX2', oneDnn: '3', node: 'v20' };
  const epochs = errors.map((error, i) => ({
    ...{ epoch: i + 1, learningRate: 0.001, trainLoss: 1, seconds: 2 },
    ...{ trainError: error, testError: error + 0.01 },
  }));
  const where = { date: '2026-01-02T03:04:05Z', machine, parameters: 1, trainImages: 1 };
  return { experiment, seed, ...where, epochs, ended: 'completed' };
}

describe('The reports of the reproductions', () => {
  it('give the mean test error of the last epoch over seeds, beside the published one', async () => {
    const folder = tempFiles({ 'notes.md': '## Notes\n\nAs written by hand.\n' });
    await writeResult(folder, made(named('80sec'), 1, [0.4, 0.2, 0.25]));
    await writeResult(folder, made(named('80sec'), 2, [0.4, 0.2, 0.27]));
    await writeResult(folder, made(shortened(named('18pct'), 10), 1, [0.3]));
    const report = await readFile(await writeCifarReport(folder), 'utf8');
    assert.match(report, /\n\| 80sec +\| 8 \+ 2 +\| 2 +\| 27.00 % +\| 26.00 % to 28.00 % +\| 26 % /);
    assert.match(report, /\n\| 18pct \(with LRN\) +\| 12 \+ 1 \+ 1 +\| 1 .*\| 18 % with 120 \+ 10 \+ 10 /);
    assert.match(report, /As written by hand\.\n$/);
    const svgs = (await readdir(folder)).filter((name) => name.endsWith('.svg'));
    assert.deepEqual(svgs.sort(), ['18pct.svg', '80sec.svg']);
    for (const svg of svgs) assert.match(await readFile(path.join(folder, svg), 'utf8'), /^<svg /);
  });

  it('interpolate where the training error is reached, and say where it is not', async () => {
    const folder = tempFiles({});
    await writeResult(folder, made(figure1Run('relu', 0.004), 1, [0.5, 0.3, 0.2]));
    await writeResult(folder, made(figure1Run('tanh', 0.008), 1, [0.6, 0.5]));
    const before = await readFile(await writeFigure1Report(folder), 'utf8');
    assert.match(before, /\n\| ReLU +\| 0.004 +\| 1 +\| 2.5 /);
    assert.match(before, /\n\| tanh +\| 0.008 +\| 1 +\| not reached /);
    assert.match(
      before,
      /error of 50\.00 %, the lowest that both reached, ReLU takes 1\.0 epochs and tanh 2\.0: 2\.0 times/,
    );
    await writeResult(folder, made(figure1Run('tanh', 0.008), 1, [0.6, 0.5, 0.4, 0.3, 0.2]));
    const after = await readFile(await writeFigure1Report(folder), 'utf8');
    assert.match(after, /error of 25\.00 %, ReLU takes 2\.5 epochs and tanh 4\.5: 1\.8 times as many/);
  });

  it('come from files that are named after what was trained', async () => {
    const folder = tempFiles({});
    const result = made(shortened(named('18pct'), 10), 3, [0.3]);
    await writeResult(folder, result);
    assert.equal(path.basename(resultFile(folder, result)), '18pct.12+1+1-epochs.seed3.json');
    await writeFile(path.join(folder, 'README.md'), 'not a result');
    assert.deepEqual(await readResults(folder), [result]);
  });
});
