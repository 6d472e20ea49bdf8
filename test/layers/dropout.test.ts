// Dropout in both conventions, in training and in evaluation, and what decides which elements it drops.
// Invariant: values are held against the float64 reference, masks against each other.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { Dropout, type Mode } from '../../lib/layers/index.js';
import { forEachDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray } from '../helpers/reference.js';

const TRAINING: Mode = { training: true, gradient: true, seed: 11, step: 4 };

forEachDevice('a Dropout layer', (on) => {
  const x = hashNdArray({ shape: [4, 31], seed: 183, low: 1, high: 2 });
  const dy = hashNdArray({ shape: x.shape, seed: 184, low: 1, high: 2 });

  /** Output and gradient of one pass. */
  function pass(layer: Dropout, mode: Mode) {
    return on.compute(() => {
      const { y, saved } = layer.forward(on.tensor(x), { ...mode, gradient: true });
      return { y, dx: layer.backward(on.tensor(dy), saved as never, { inputGradient: true })! };
    });
  }

  for (const convention of ['inverted', 'paper'] as const) {
    for (const training of [true, false]) {
      it(`${convention}, in ${training ? 'training' : 'evaluation'}: output and gradient are the reference's`, async () => {
        const { y, dx } = await pass(new Dropout({ rate: 0.3, convention, stream: 6 }), {
          ...TRAINING,
          training,
        });
        const { seed, step } = TRAINING;
        const options = { rate: 0.3, mode: convention, training, seed, step, stream: 6 };
        on.expect('dropout', y, reference.dropout(x, options), 'y');
        on.expect('dropout', dx, reference.dropoutBackward(dy, options), 'dx');
      });
    }
  }

  for (const [what, change] of [
    ['another step', { mode: { ...TRAINING, step: 5 }, stream: 6 }],
    ['another seed', { mode: { ...TRAINING, seed: 12 }, stream: 6 }],
    ['another layer', { mode: TRAINING, stream: 7 }],
  ] as const) {
    it(`drops other elements in ${what}`, async () => {
      const first = await pass(new Dropout({ stream: 6 }), TRAINING);
      const second = await pass(new Dropout({ stream: change.stream }), change.mode);
      assert.notDeepEqual(second.y.data, first.y.data);
    });
  }

  it('drops the same elements in a pass that is repeated', async () => {
    const layer = new Dropout({ stream: 6 });
    assert.deepEqual(await pass(layer, TRAINING), await pass(layer, TRAINING));
  });

  it('refuses to drop everything', () => {
    assert.throws(() => new Dropout({ rate: 1, stream: 0 }), ArgumentError);
  });
});
