// Random numbers and dropout against the reference: which elements, exactly; which values, to rounding.
// Invariant: an element depends on seed, step, stream and its position alone, not on the tensor around it.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { dropout, gaussian, uniform } from '../../lib/ops/index.js';
import { forEachDevice, forEachLayout } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, map, ndArray, type RandomAt } from '../helpers/reference.js';

const SOURCES: readonly RandomAt[] = [
  { seed: 0, step: 0, stream: 0 },
  { seed: 7, step: 1, stream: 6 },
  { seed: 2 ** 53 - 1, step: 2 ** 32 - 1, stream: 2 ** 32 - 1 },
  { seed: 2 ** 32, step: 3, stream: 1 },
];

const COUNTS = [1, 2, 3, 4, 5, 7, 1003, 40_001];

forEachDevice('random numbers', (on) => {
  for (const at of SOURCES) {
    const { seed, step, stream } = at;

    it(`uniform, seed ${seed}, step ${step}, stream ${stream}: the reference's values`, async () => {
      for (const count of COUNTS) {
        const { y } = await on.compute(() => ({
          y: uniform(on.device, { shape: [count], low: -2, high: 3, ...at }),
        }));
        on.expect('uniform', y, ndArray([count], reference.uniform(count, { low: -2, high: 3 }, at)));
      }
    });

    it(`gaussian, seed ${seed}, step ${step}, stream ${stream}: the reference's values`, async () => {
      for (const count of COUNTS) {
        const { y } = await on.compute(() => ({
          y: gaussian(on.device, { shape: [count], mean: 1, std: 0.5, ...at }),
        }));
        on.expect('gaussian', y, ndArray([count], reference.gaussian(count, { mean: 1, std: 0.5 }, at)));
      }
    });
  }

  it('have mean 0, step 0 and stream 0 unless told otherwise', async () => {
    const { y, spelled } = await on.compute(() => ({
      y: gaussian(on.device, { shape: [9], std: 1, seed: 5 }),
      spelled: gaussian(on.device, { shape: [9], mean: 0, std: 1, seed: 5, step: 0, stream: 0 }),
    }));
    assert.deepEqual(y, spelled);
  });

  it('do not depend on the shape', async () => {
    const { pictures, row } = await on.compute(() => ({
      pictures: uniform(on.device, { shape: [2, 3, 5, 7], low: 0, high: 1, seed: 1 }),
      row: uniform(on.device, { shape: [210], low: 0, high: 1, seed: 1 }),
    }));
    assert.deepEqual(pictures.data, row.data);
  });

  for (const [what, source] of [
    ['a negative seed', { seed: -1 }],
    ['a fractional seed', { seed: 0.5 }],
    ['a seed beyond 2^53', { seed: 2 ** 53 }],
    ['a step of 2^32', { seed: 1, step: 2 ** 32 }],
    ['a negative stream', { seed: 1, stream: -1 }],
  ] as const) {
    it(`refuse ${what}`, () => {
      assert.throws(() => gaussian(on.device, { shape: [1], std: 1, ...source }), ArgumentError);
    });
  }
});

forEachDevice('dropout', (on) => {
  for (const mode of ['inverted', 'paper'] as const) {
    for (const rate of [0, 0.3, 0.5, 0.999]) {
      it(`${mode}, rate ${rate}: drops exactly the reference's elements, forwards and backwards`, async () => {
        const scale = mode === 'inverted' ? 1 / (1 - rate) : 1;
        for (const [i, at] of SOURCES.entries()) {
          const x = hashNdArray({ shape: [COUNTS[COUNTS.length - 1 - i]!], seed: 81, low: 1, high: 2 });
          const dy = hashNdArray({ shape: x.shape, seed: 82, low: 1, high: 2 });
          const { y, dx } = await on.compute(() => ({
            y: dropout(on.tensor(x), { rate, scale, ...at }),
            dx: dropout(on.tensor(dy), { rate, scale, ...at }),
          }));
          const options = { rate, mode, training: true, ...at };
          const kept = reference.dropoutMask(x.data.length, rate, at);
          assert.deepEqual(
            Array.from(y.data, (value) => Number(value !== 0)),
            Array.from(kept),
          );
          on.expect('dropout', y, reference.dropout(x, options), 'y');
          on.expect('dropout', dx, reference.dropoutBackward(dy, options), 'dx');
        }
      });
    }
  }

  forEachLayout('counts the elements of pictures in the order N, C, H, W', async (layout) => {
    const x = hashNdArray({ shape: [2, 20, 3, 3], seed: 83, low: 1, high: 2 });
    const at = { seed: 7, step: 2, stream: 6 };
    const { y } = await on.compute(() => ({
      y: dropout(on.tensor(x, layout), { rate: 0.5, scale: 2, ...at }),
    }));
    on.expect('dropout', y, reference.dropout(x, { rate: 0.5, mode: 'inverted', training: true, ...at }));
  });

  it('drops infinities and NaN like any other value', async () => {
    const at = { seed: 3, step: 0, stream: 0 };
    const kept = reference.dropoutMask(64, 0.5, at);
    const x = map(reference.zeros([64]), (_, i) => (i % 2 === 0 ? NaN : Infinity));
    const { y } = await on.compute(() => ({ y: dropout(on.tensor(x), { rate: 0.5, scale: 2, ...at }) }));
    on.expect(
      'dropout',
      y,
      map(x, (value, i) => (kept[i] === 1 ? value : 0)),
    );
  });

  for (const rate of [-0.1, 1, NaN]) {
    it(`refuses a rate of ${rate}`, async () => {
      await assert.rejects(
        on.compute(() => ({
          y: dropout(on.tensor(ndArray([1], [1])), { rate, scale: 1, seed: 1, label: 'drop6' }),
        })),
        { code: 'ERR_ARGUMENT', message: /^drop6: rate must be/ },
      );
    });
  }
});
