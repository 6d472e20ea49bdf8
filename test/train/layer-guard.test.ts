// What the guards say of layers and of the loss scale, from statistics that are made up.
// Invariant: each test changes one number of a healthy look.
import assert from 'node:assert/strict';
import { LayerGuard, type Look } from '../../lib/train/layer-guard.js';
import { LossScaleGuard } from '../../lib/train/loss-scale-guard.js';

function look(step: number, { ratio = 1e-3, bias = 1e-3, silent = [] as readonly number[] } = {}): Look {
  const norms = { weightNorm: 2, gradientNorm: 1, updateNorm: 2 * ratio };
  return {
    ...{ step, learningRate: 0.01 },
    parameters: [
      { name: 'conv1.weight', ...norms, updateRatio: ratio },
      { name: 'conv1.bias', ...norms, updateRatio: bias },
    ],
    units: [{ layer: 'relu1', units: 4, silent }],
  };
}

function warningsOf(looks: readonly Look[]): string[] {
  const guard = new LayerGuard();
  return looks.flatMap((one) => guard.judge(one));
}

const steps = [100, 200, 300, 400, 500];

describe('The guard of layers', () => {
  it('says nothing of a network that learns', () => {
    assert.deepEqual(warningsOf(steps.map((step) => look(step, { silent: [0] }))), []);
  });

  it('says once that half of the ReLUs of a layer are dead, and how many', () => {
    const [first, ...more] = warningsOf(steps.map((step) => look(step, { silent: [0, 2, 3] })));
    assert.match(first!, /^Dead ReLUs: 3 of the 4 units of relu1 gave 0 .* last 3 batches .* step 300/);
    assert.match(first!, /Try a lower learning rate, biases of 0.1/);
    assert.deepEqual(more, []);
  });

  it('counts a unit as dead only if it is silent in three looks in a row', () => {
    const changing = steps.map((step, i) => look(step, { silent: i % 2 === 0 ? [0, 1] : [2, 3] }));
    assert.deepEqual(warningsOf(changing), []);
  });

  it('says that updates are too large, of weights but not of biases', () => {
    const [first, ...more] = warningsOf(steps.map((step) => look(step, { ratio: 0.3 })));
    assert.match(
      first!,
      /changes conv1\.weight by 3\.0e-1 of its norm .* step 300.* 0\.01 is too high .* try 0\.001/,
    );
    assert.deepEqual(more, []);
    assert.deepEqual(warningsOf(steps.map((step) => look(step, { bias: 5 }))), []);
  });

  it('says that updates are too small', () => {
    const [first, ...more] = warningsOf(steps.map((step) => look(step, { ratio: 1e-12 })));
    assert.match(first!, /changes conv1\.weight by 1\.0e-12 .* hardly learns/);
    assert.deepEqual(more, []);
  });

  it('forgives a few steps', () => {
    assert.deepEqual(warningsOf([look(100, { ratio: 0.3 }), look(200, { ratio: 0.3 }), look(300)]), []);
  });
});

describe('The guard of the loss scale', () => {
  const state = (scale: number) => ({ scale, steps: 1, skippedSteps: 40 });

  it('says nothing of a scale that has found its place', () => {
    assert.equal(new LossScaleGuard().judge(state(1), 100), undefined);
  });

  it('warns once of a scale below 1', () => {
    const guard = new LossScaleGuard();
    assert.match(guard.judge(state(0.25), 100)!, /fallen to 2\.5e-1 by step 100; 40 steps .* were skipped/);
    assert.equal(guard.judge(state(0.25), 200), undefined);
  });

  it('ends a training whose scale falls for ever, with a code and what to try', () => {
    assert.throws(
      () => new LossScaleGuard().judge(state(2 ** -20), 100),
      (error: { code: string; message: string }) =>
        error.code === 'ERR_NON_FINITE' && /overflow whatever the scale is.*'bfloat16'/.test(error.message),
    );
  });
});
