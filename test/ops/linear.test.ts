// Fully connected layers and their gradients against the float64 reference.
// Invariant: each case runs with and without bias, with and without ReLU, and backwards.
import assert from 'node:assert/strict';
import { flatten, linear, linearBackwardData, linearBackwardWeights } from '../../lib/ops/index.js';
import { forEachDevice, forEachLayout } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, type NdArray } from '../helpers/reference.js';

interface Problem {
  readonly what: string;
  readonly batch: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

const PROBLEMS: readonly Problem[] = [
  { what: 'a single number', batch: 1, inFeatures: 1, outFeatures: 1 },
  { what: 'odd sizes, batch 3', batch: 3, inFeatures: 37, outFeatures: 11 },
  { what: 'one row', batch: 1, inFeatures: 130, outFeatures: 70 },
  { what: 'one output', batch: 5, inFeatures: 64, outFeatures: 1 },
  { what: "as many inputs as AlexNet's fc6", batch: 2, inFeatures: 9216, outFeatures: 33 },
  { what: "as many inputs and outputs as AlexNet's fc8", batch: 2, inFeatures: 4096, outFeatures: 1000 },
];

function operands({ batch, inFeatures, outFeatures }: Problem): Record<'x' | 'w' | 'b' | 'dy', NdArray> {
  const data = (shape: readonly number[], seed: number) => hashNdArray({ shape, seed, low: -1, high: 1 });
  return {
    x: data([batch, inFeatures], 21),
    w: data([outFeatures, inFeatures], 22),
    b: data([outFeatures], 23),
    dy: data([batch, outFeatures], 24),
  };
}

forEachDevice('linear', (on) => {
  for (const problem of PROBLEMS) {
    const { x, w, b, dy } = operands(problem);

    for (const relu of [false, true]) {
      it(`gives the reference's output for ${problem.what}${relu ? ', with a fused ReLU' : ''}`, async () => {
        const { withBias, without } = await on.compute(() => ({
          withBias: linear(on.tensor(x), on.tensor(w), { b: on.tensor(b), relu }),
          without: linear(on.tensor(x), on.tensor(w), { relu }),
        }));
        on.expect('linearForward', withBias, reference.linear(x, w, b, { relu }), 'with bias');
        on.expect('linearForward', without, reference.linear(x, w, undefined, { relu }), 'without bias');
      });
    }

    it(`gives the reference's gradients for ${problem.what}`, async () => {
      const { dx, dw, db, dwAlone } = await on.compute(() => {
        const both = linearBackwardWeights(on.tensor(x), on.tensor(dy));
        const alone = linearBackwardWeights(on.tensor(x), on.tensor(dy), { bias: false });
        assert.equal(alone.db, null);
        const dx = linearBackwardData(on.tensor(dy), on.tensor(w));
        return { dx, dw: both.dw, db: both.db!, dwAlone: alone.dw };
      });
      const expected = reference.linearBackwardWeights(dy, x);
      on.expect('linearBackwardData', dx, reference.linearBackwardData(dy, w));
      on.expect('linearBackwardWeights', dw, expected.dw, 'dw');
      on.expect('linearBackwardWeights', db, expected.db, 'db');
      on.expect('linearBackwardWeights', dwAlone, expected.dw, 'dw without bias');
    });
  }

  forEachLayout('reads flattened pictures in the order C, H, W', async (layout) => {
    const pictures = hashNdArray({ shape: [2, 20, 3, 2], seed: 25, low: -1, high: 1 });
    const w = hashNdArray({ shape: [4, 120], seed: 26, low: -1, high: 1 });
    const { y } = await on.compute(() => ({
      y: linear(flatten(on.tensor(pictures, layout)), on.tensor(w)),
    }));
    on.expect('linearForward', y, reference.linear(reference.reshape(pictures, [2, 120]), w, undefined));
  });

  it('gives the same output for weights that another batch size has rearranged before', async () => {
    const { x, w } = operands(PROBLEMS[1]!);
    const row = hashNdArray({ shape: [1, 37], seed: 27, low: -1, high: 1 });
    const { first, second, dx, third, weights } = await on.compute(() => {
      const shared = on.tensor<readonly [number, number]>(w);
      const product = (input: NdArray) => linear(on.tensor<readonly [number, number]>(input), shared);
      const first = product(x);
      const second = product(row);
      return { first, second, dx: linearBackwardData(first, shared), third: product(x), weights: shared };
    });
    on.expect('linearForward', second, reference.linear(row, w, undefined), 'another batch');
    on.expect('linearBackwardData', dx, reference.linearBackwardData(reference.linear(x, w, undefined), w));
    assert.deepEqual(third.data, first.data);
    assert.deepEqual(weights.data, Float32Array.from(w.data));
  });
});
