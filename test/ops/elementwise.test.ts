// Fills, reshapes, elementwise arithmetic and reductions against the float64 reference.
// Invariant: operands that lie differently in memory combine element by element all the same.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import {
  add,
  affine,
  clamp,
  conv2d,
  fill,
  flatten,
  multiply,
  relu,
  reshape,
  scaleBy,
  sgdStep,
  sum,
  sumSquares,
} from '../../lib/ops/index.js';
import type { Shape } from '../../lib/tensor/shape.js';
import { forEachDevice, forEachLayout, layouts } from '../helpers/devices.js';
import { hashNdArray, map, ndArray, reshape as reshaped, zeros, type NdArray } from '../helpers/reference.js';

const SHAPES: readonly Shape[] = [
  [2, 3, 5, 4],
  [3, 20, 1, 1],
  [1, 20, 3, 7],
  [2, 32, 4, 4],
];

function hash(shape: Shape, seed: number): NdArray {
  return hashNdArray({ shape, seed, low: -2, high: 3 });
}

function total(x: NdArray): NdArray {
  return ndArray([], [x.data.reduce((a, b) => a + b, 0)]);
}

forEachDevice('fill', (on) => {
  for (const [dtype, value] of [
    ['float32', -0.1],
    ['float32', Infinity],
    ['int32', -(2 ** 31)],
    ['uint8', 255],
  ] as const) {
    it(`makes a ${dtype} tensor of ${value}`, async () => {
      const { y } = await on.compute(() => ({ y: fill(on.device, { shape: [2, 3], value, dtype }) }));
      assert.equal(y.dtype, dtype);
      const expected = ndArray([2, 3], new Array(6).fill(dtype === 'float32' ? Math.fround(value) : value));
      on.expect('fill', y, expected);
    });
  }

  it('makes a scalar', async () => {
    const { y } = await on.compute(() => ({ y: fill(on.device, { shape: [], value: 7 }) }));
    on.expect('fill', y, ndArray([], [7]));
  });

  for (const [dtype, value] of [
    ['uint8', 256],
    ['uint8', -1],
    ['int32', 2 ** 31],
    ['int32', 0.5],
    ['uint8', NaN],
  ] as const) {
    it(`refuses ${value} as ${dtype}`, () => {
      assert.throws(() => fill(on.device, { shape: [1], value, dtype }), ArgumentError);
    });
  }
});

forEachDevice('affine, add and multiply', (on) => {
  for (const shape of SHAPES) {
    forEachLayout(`affine of [${shape.join(', ')}] scales and shifts`, async (layout) => {
      const x = hash(shape, 71);
      const { y, shifted, scaled } = await on.compute(() => ({
        y: affine(on.tensor(x, layout), { scale: -1.5, shift: 0.25 }),
        shifted: affine(on.tensor(x, layout), { shift: 2 }),
        scaled: affine(on.tensor(x, layout), { scale: 3 }),
      }));
      on.expect(
        'affine',
        y,
        map(x, (value) => -1.5 * value + 0.25),
      );
      on.expect(
        'affine',
        shifted,
        map(x, (value) => value + 2),
      );
      on.expect(
        'affine',
        scaled,
        map(x, (value) => 3 * value),
      );
    });

    for (const [first, second] of [
      [layouts[0], layouts[0]],
      [layouts[0], layouts[1]],
      [layouts[1], layouts[0]],
      [layouts[1], layouts[1]],
    ] as const) {
      it(`[${shape.join(', ')}] ${first} and another ${second} combine element by element`, async () => {
        const [x, y] = [hash(shape, 72), hash(shape, 73)];
        const { added, multiplied } = await on.compute(() => ({
          added: add(on.tensor(x, first), on.tensor(y, second)),
          multiplied: multiply(on.tensor(x, first), on.tensor(y, second)),
        }));
        on.expect(
          'add',
          added,
          map(x, (value, i) => value + y.data[i]!),
        );
        on.expect(
          'multiply',
          multiplied,
          map(x, (value, i) => value * y.data[i]!),
        );
      });
    }
  }

  it('combine weights that a grouped convolution has rearranged with ones as uploaded', async () => {
    const [w, other] = [hash([32, 16, 3, 3], 74), hash([32, 16, 3, 3], 75)];
    const { oneWay, otherWay } = await on.compute(() => {
      const rearranged = on.tensor<readonly [number, number, number, number]>(w);
      conv2d(on.tensor(hash([1, 32, 4, 4], 76)), rearranged, { groups: 2 });
      return {
        oneWay: add(rearranged, on.tensor(other)),
        otherWay: multiply(on.tensor(other), rearranged),
      };
    });
    on.expect(
      'add',
      oneWay,
      map(w, (value, i) => value + other.data[i]!),
    );
    on.expect(
      'multiply',
      otherWay,
      map(w, (value, i) => value * other.data[i]!),
    );
  });
});

forEachDevice('sum and sumSquares', (on) => {
  for (const shape of [[1], [3, 7], [2, 20, 5, 3], [1, 32, 4, 4], [4, 48, 27, 27], [300_001]]) {
    it(`of [${shape.join(', ')}] are the reference's`, async () => {
      const x = hash(shape, 77);
      for (const layout of shape.length === 4 ? layouts : layouts.slice(0, 1)) {
        const { y, squares } = await on.compute(() => ({
          y: sum(on.tensor(x, layout)),
          squares: sumSquares(on.tensor(x, layout)),
        }));
        on.expect('sum', y, total(x), layout);
        on.expect('sumSquares', squares, total(map(x, (value) => value ** 2)), layout);
      }
    });
  }
});

forEachDevice('clamp and scaleBy', (on) => {
  for (const shape of SHAPES) {
    forEachLayout(`of [${shape.join(', ')}] go element by element`, async (layout) => {
      const x = hash(shape, 81);
      const { clamped, scaled } = await on.compute(() => ({
        clamped: clamp(on.tensor(x, layout), { low: -0.5, high: 1 }),
        scaled: scaleBy(on.tensor(x, layout), on.tensor(ndArray([], [-1.5]))),
      }));
      on.expect(
        'clamp',
        clamped,
        map(x, (value) => Math.min(1, Math.max(-0.5, Math.fround(value)))),
      );
      on.expect(
        'scaleBy',
        scaled,
        map(x, (value) => -1.5 * value),
      );
    });
  }

  it('clamp keeps NaN and bounds infinities; low may equal high, not exceed it', async () => {
    const x = ndArray([4], [NaN, Infinity, -Infinity, 0.25]);
    const { y } = await on.compute(() => ({ y: clamp(on.tensor(x), { low: -1, high: 1 }) }));
    on.expect('clamp', y, ndArray([4], [NaN, 1, -1, 0.25]));
    const { one } = await on.compute(() => ({ one: clamp(on.tensor(x), { low: 2, high: 2 }) }));
    on.expect('clamp', one, ndArray([4], [NaN, 2, 2, 2]));
    const refused = () => on.device.scope(() => clamp(on.tensor(x), { low: 1, high: -1 }));
    assert.throws(refused, ArgumentError);
  });
});

forEachDevice('reshape and flatten', (on) => {
  for (const shape of SHAPES) {
    forEachLayout(`keep the order N, C, H, W of [${shape.join(', ')}]`, async (layout) => {
      const x = hash(shape, 78);
      const size = x.data.length;
      const { flat, column, same } = await on.compute(() => {
        const input = on.tensor(x, layout);
        return {
          flat: flatten(input),
          column: reshape(input, { shape: [size, 1] }),
          same: reshape(reshape(input, { shape: [size] }), { shape }),
        };
      });
      on.expect('reshape', flat, reshaped(x, [shape[0]!, size / shape[0]!]), 'rows');
      on.expect('reshape', column, reshaped(x, [size, 1]), 'a column');
      on.expect('reshape', same, x, 'there and back');
    });
  }

  it('turn one element into a scalar and back', async () => {
    const { scalar, vector } = await on.compute(() => {
      const scalar = reshape(on.tensor(ndArray([1, 1], [5])), { shape: [] });
      return { scalar, vector: reshape(scalar, { shape: [1] }) };
    });
    on.expect('reshape', scalar, ndArray([], [5]));
    on.expect('reshape', vector, ndArray([1], [5]));
  });

  it('keep the other types as they are', async () => {
    const shape = [2, 3];
    const { bytes, integers } = await on.compute(() => ({
      bytes: reshape(on.device.tensor(Uint8Array.of(1, 2, 3, 4, 5, 255), { shape: [6] }), { shape }),
      integers: reshape(on.device.tensor(Int32Array.of(1, -2, 3, -4, 5, 2 ** 30), { shape: [6] }), { shape }),
    }));
    assert.deepEqual(bytes, { dtype: 'uint8', shape, data: Uint8Array.of(1, 2, 3, 4, 5, 255) });
    assert.deepEqual(integers, { dtype: 'int32', shape, data: Int32Array.of(1, -2, 3, -4, 5, 2 ** 30) });
  });

  it('give a view of a parameter that later updates of it do not reach', async () => {
    const w = hash([4, 6], 79);
    const { view, parameter } = await on.compute(() => {
      const parameter = on.tensor(w);
      const view = reshape(parameter, { shape: [24] });
      const [v, dw] = [on.tensor(zeros(w.shape)), on.tensor(map(w, () => 1))];
      sgdStep(parameter, v, dw, { learningRate: 1, momentum: 0, weightDecay: 0, form: 'paper' });
      return { view, parameter };
    });
    on.expect('reshape', view, reshaped(w, [24]));
    on.expect(
      'sgd',
      parameter,
      map(w, (value) => value - 1),
    );
  });

  it('give a view whose source can be disposed first', async () => {
    const x = hash([3, 4], 80);
    const { y } = await on.compute(() => {
      const source = on.tensor(x);
      const view = reshape(source, { shape: [12] });
      source.dispose();
      return { y: relu(view) };
    });
    on.expect(
      'reluForward',
      y,
      map(reshaped(x, [12]), (value) => Math.max(value, 0)),
    );
  });
});
