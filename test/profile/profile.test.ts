// Profiles of training steps: which layer an operation is counted for, in which phase; the trace file.
// Invariant: times are checked on records that are made up; of real ones only what must be there.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import {
  Conv2d,
  Flatten,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Sequential,
} from '../../lib/layers/index.js';
import { alexnet, cifarNet } from '../../lib/models/index.js';
import {
  chromeTrace,
  profileInference,
  profileTraining,
  totalLayers,
  totalPredictions,
  type InferenceProfile,
  type TrainingProfile,
} from '../../lib/profile/index.js';
import { openDevice, type OpRecord } from '../../lib/tensor/device.js';

let clock = 0;
function record(op: string, label: string, change: Partial<OpRecord> = {}): OpRecord {
  const durationMs = op === 'mark' ? 0 : 2;
  const startMs = clock;
  clock += durationMs;
  return { op, label, startMs, durationMs, keptBytes: 0, scratchBytes: 0, ...change };
}

const network = new Sequential([
  new Conv2d({ name: 'conv1', inChannels: 3, outChannels: 4, kernelSize: 3 }),
  new ReLU({ name: 'relu1' }),
  new Flatten({ name: 'flatten' }),
  new Linear({ name: 'fc2', inFeatures: 4 * 6 * 6, outFeatures: 5 }),
]);

/** Two steps, the second twice as slow in conv1's forward pass. */
function twoSteps(): OpRecord[] {
  return [2, 4].flatMap((durationMs) => [
    record('mark', 'input'),
    record('upload', ''),
    record('mark', 'forward'),
    record('conv2dForward', 'conv1', { durationMs, keptBytes: 1000, scratchBytes: durationMs }),
    record('linearForward', 'fc2', { keptBytes: 10 }),
    record('mark', 'loss'),
    record('crossEntropyForward', 'crossEntropyForward'),
    record('mark', 'backward'),
    record('linearBackwardData', 'fc2'),
    record('linearBackwardWeights', 'fc2', { keptBytes: 500 }),
    record('conv2dBackwardWeights', 'conv1', { scratchBytes: 7 }),
    record('mark', 'update'),
    record('sgd', 'conv1.weight'),
    record('sgd', 'conv1.bias'),
    record('sgd', 'fc2.weight'),
    record('mark', 'metrics'),
    record('labelRank', 'labelRank'),
    record('download', ''),
  ]);
}

type Profile = TrainingProfile | InferenceProfile;

function assertLineForEachLayer(profile: Profile): void {
  const lines = profile.toString().split('\n');
  for (const { name } of profile.layers) {
    assert.ok(
      lines.some((line) => line.startsWith(`${name} `)),
      name,
    );
  }
}

function assertAccountsForAll({ records, steps, phases }: Profile): void {
  const all = records.entries.reduce((sum, { durationMs }) => sum + durationMs, 0) / steps;
  const counted = Object.values(phases).reduce((sum, ms) => sum + ms, 0);
  assert.ok(Math.abs(all - counted) < 1e-6 * all, `${all} and ${counted}`);
}

describe('the totals of a profile', () => {
  const totals = () =>
    totalLayers(
      { entries: twoSteps(), dropped: 0 },
      { network, inputShape: [3, 8, 8], batchSize: 2, steps: 2 },
    );

  it('count an operation for its layer and the phase it was done in, as the mean of the steps', () => {
    const times = totals().layers.map(({ name, forwardMs, backwardMs, updateMs }) => [
      name,
      forwardMs,
      backwardMs,
      updateMs,
    ]);
    assert.deepEqual(times, [
      ['conv1', 3, 2, 4],
      ['relu1', 0, 0, 0],
      ['flatten', 0, 0, 0],
      ['fc2', 2, 4, 2],
    ]);
    assert.deepEqual(totals().phases, { input: 2, forward: 5, loss: 2, backward: 6, update: 6, metrics: 4 });
  });

  it('have the arithmetic of a batch, and twice that backward except for the first layer', () => {
    const macs = totals().layers.map(({ forwardMacs, backwardMacs }) => [forwardMacs, backwardMacs]);
    const conv1 = 2 * 4 * 6 * 6 * 27;
    const fc2 = 2 * 144 * 5;
    assert.deepEqual(macs, [
      [conv1, conv1],
      [0, 0],
      [0, 0],
      [fc2, 2 * fc2],
    ]);
  });

  it('have the memory that the forward pass keeps, the largest scratch, and three times the parameters', () => {
    const [conv1, , , fc2] = totals().layers;
    assert.deepEqual(
      [conv1?.activationBytes, conv1?.scratchBytes, conv1?.parameterBytes],
      [1000, 7, 3 * 4 * (4 * 27 + 4)],
    );
    assert.deepEqual([fc2?.activationBytes, fc2?.outputShape], [10, [5]]);
  });
});

describe('the totals of predictions', () => {
  const lrn = { size: 5, alpha: 1, alphaOver: 'sum', beta: 0.75, k: 1 } as const;
  const chain = new Sequential([
    new Conv2d({ name: 'conv1', inChannels: 3, outChannels: 4, kernelSize: 3 }),
    new LocalResponseNorm({ name: 'lrn1', ...lrn }),
    new MaxPool2d({ name: 'pool1', kernelSize: 2 }),
  ]);
  const totals = (precision: 'float32' | 'int8') => {
    const entries = [
      record('upload', ''),
      record('mark', 'forward'),
      record('cast', 'cast'),
      record('conv2dForward', 'conv1', { durationMs: 6, scratchBytes: 9 }),
      record('lrnMaxPool2dForward', 'lrn1+pool1', { durationMs: 4 }),
      record('mark', 'output'),
      record('softmax', 'softmax'),
      record('download', ''),
    ];
    const options = { network: chain, inputShape: [3, 8, 8], batchSize: 2, steps: 2, precision };
    return totalPredictions({ entries, dropped: 0 }, options);
  };

  it('count what two layers do as one for the first of them', () => {
    const { layers, phases } = totals('float32');
    const times = layers.map(({ name, forwardMs }) => [name, forwardMs]);
    assert.deepEqual(times, [
      ['conv1', 3],
      ['lrn1', 2],
      ['pool1', 0],
    ]);
    assert.deepEqual(phases, { input: 1, forward: 6, output: 2 });
  });

  it('have the arithmetic, the scratch, and the weights in their precision', () => {
    const weights = 4 * 3 * 9 + 4;
    for (const [precision, bytes] of [
      ['float32', 4],
      ['int8', 1],
    ] as const) {
      const [conv1] = totals(precision).layers;
      assert.deepEqual(
        [conv1?.forwardMacs, conv1?.scratchBytes, conv1?.weightBytes, conv1?.outputShape],
        [2 * 4 * 6 * 6 * 27, 9, bytes * weights, [4, 6, 6]],
      );
    }
  });
});

describe('profileInference', () => {
  let profile: InferenceProfile;
  before(async () => {
    using device = openDevice('cpu');
    using model = alexnet({ classes: 5, inputSize: 67 });
    model.initialize(device, { seed: 1 });
    profile = await profileInference(model, { batchSize: 1, steps: 2 });
  });

  it('times every layer with weights, and normalisation with the pooling behind it', () => {
    const computing = profile.layers.filter(({ name, weightBytes }) => weightBytes > 0 || /^lrn/.test(name));
    assert.equal(computing.length, 10);
    for (const { name, forwardMs } of computing) assert.ok(forwardMs > 0, name);
  });

  it('accounts for all that the device did in the predictions that are not of the warm-up', () => {
    const outputs = profile.records.entries.filter(({ op, label }) => op === 'mark' && label === 'output');
    assert.equal(outputs.length, 2);
    assertAccountsForAll(profile);
  });

  it('prints a line for each layer', () => {
    assertLineForEachLayer(profile);
    assert.match(profile.toString(), /\ntotal .* 100\.0 % .*\n\nA prediction of 1 picture in float32: /);
  });

  it('refuses what is no number of pictures', async () => {
    using device = openDevice('cpu');
    using model = cifarNet({ net: '80sec' });
    model.initialize(device, { seed: 1 });
    await assert.rejects(profileInference(model, { batchSize: 0.5 }), ArgumentError);
  });
});

describe('profileTraining', () => {
  let profile: TrainingProfile;
  let weights: Float32Array[];
  before(async () => {
    using device = openDevice('cpu');
    using model = cifarNet({ net: '80sec' });
    model.initialize(device, { seed: 1 });
    const [parameter] = model.network.parameters;
    weights = [await parameter!.value.data()];
    profile = await profileTraining(model, { batchSize: 4, steps: 2 });
    weights.push(await parameter!.value.data());
  });

  it('times every layer with parameters forward, backward and in the update', () => {
    const learned = profile.layers.filter(({ parameterBytes }) => parameterBytes > 0);
    assert.equal(learned.length, 5);
    for (const { name, forwardMs, backwardMs, updateMs } of learned) {
      assert.ok(forwardMs > 0 && backwardMs > 0 && updateMs > 0, name);
    }
  });

  it('leaves out the steps of the warm-up', () => {
    const starts = profile.records.entries.filter(({ op, label }) => op === 'mark' && label === 'input');
    assert.equal(starts.length, 2);
  });

  it('accounts for all that the device did', () => {
    assertAccountsForAll(profile);
  });

  it('leaves the weights as they were', () => {
    assert.deepEqual(weights[1], weights[0]);
  });

  it('prints a line for each layer', () => {
    assertLineForEachLayer(profile);
    assert.match(profile.toString(), /\ntotal .* 100\.0 % .*\n\nA step of 4 pictures: /);
  });

  it('refuses what is no number of steps, and a device that is being profiled', async () => {
    using device = openDevice('cpu');
    using model = cifarNet({ net: '80sec' });
    model.initialize(device, { seed: 1 });
    await assert.rejects(profileTraining(model, { steps: 0 }), ArgumentError);
    device.startProfile();
    await assert.rejects(profileTraining(model, { batchSize: 2, steps: 1, warmUpSteps: 1 }), ArgumentError);
  });
});

describe('a Chrome trace', () => {
  it('has an event an operation in microseconds, an instant a mark, and the growth of memory', () => {
    const entries = [
      record('mark', 'forward', { startMs: 0 }),
      record('conv2dForward', 'conv1', { startMs: 1, durationMs: 2.5, keptBytes: 100 }),
      record('download', '', { startMs: 4, durationMs: 1, keptBytes: -30 }),
    ];
    const { traceEvents } = chromeTrace({ entries, dropped: 0 }, { device: 'cpu' });
    const brief = traceEvents.map(({ name, ph, ts, dur, args }) => [name, ph, ts, dur, args['grownBytes']]);
    assert.deepEqual(brief, [
      ['process_name', 'M', 0, undefined, undefined],
      ['thread_name', 'M', 0, undefined, undefined],
      ['forward', 'i', 0, undefined, undefined],
      ['conv1 conv2dForward', 'X', 1000, 2500, undefined],
      ['memory', 'C', 3500, undefined, 100],
      ['download', 'X', 4000, 1000, undefined],
      ['memory', 'C', 5000, undefined, 70],
    ]);
  });
});
