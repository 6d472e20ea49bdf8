// Ops in a row, each reading what the one before left: in whatever layout, padded or not, values stay right.
// Invariant: the chains use channel counts that fill no block, so that padding is there to be mistaken for values.
import assert from 'node:assert/strict';
import * as ops from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, map, ndArray, type NdArray } from '../helpers/reference.js';

type Images = Tensor<'float32', readonly [number, number, number, number]>;

const SAME = { top: 1, bottom: 1, left: 1, right: 1 };
const NONE = { top: 0, bottom: 0, left: 0, right: 0 };
const CONV = { stride: { h: 1, w: 1 }, padding: SAME, groups: 1 };
const POOL = { kernel: { h: 3, w: 3 }, stride: { h: 2, w: 2 }, padding: NONE };
const LRN = { size: 5, alpha: 0.1, beta: 0.75, k: 2 };

function hash(shape: readonly number[], seed: number): NdArray {
  return hashNdArray({ shape, seed, low: -1, high: 1 });
}

function total(x: NdArray): number {
  return x.data.reduce((a, b) => a + b, 0);
}

forEachDevice('chains of ops', (on) => {
  for (const channels of [3, 5, 20, 33]) {
    it(`conv to ${channels} channels, lrn, max pool, sigmoid, affine, sum`, async () => {
      const [x, w] = [hash([3, 3, 9, 7], 141), hash([channels, 3, 3, 3], 142)];
      const actual = await on.compute(() => {
        const c = ops.conv2d(on.tensor(x), on.tensor(w), { padding: 1 });
        const n = ops.lrn(c, { ...LRN, alphaOver: 'sum' });
        const p = ops.maxPool2d(n, { kernelSize: 3, stride: 2 }).y;
        const s = ops.sigmoid(p);
        const a = ops.affine(s, { scale: 2, shift: 1 });
        return { n, p, s, a, sum: ops.sum(a), squares: ops.sumSquares(a) };
      });
      const n = reference.lrnAcrossChannels(reference.conv2d(x, w, undefined, CONV), LRN);
      const p = reference.maxPool2d(n, POOL).y;
      const a = map(reference.sigmoid(p), (value) => 2 * value + 1);
      on.expect('conv2dForward', actual.n, n, 'after conv and lrn');
      on.expect('conv2dForward', actual.p, p, 'after pooling');
      on.expect('sigmoidForward', actual.s, reference.sigmoid(p));
      on.expect('sigmoidForward', actual.a, a, 'after affine');
      on.expect('sum', actual.sum, ndArray([], [total(a)]));
      on.expect('sumSquares', actual.squares, ndArray([], [total(map(a, (value) => value ** 2))]));
    });

    it(`conv to ${channels} channels, average pool, tanh, and back to the picture`, async () => {
      const [x, w] = [hash([2, 3, 8, 8], 143), hash([channels, 3, 3, 3], 144)];
      const average = { ...POOL, divisor: 'clipped' } as const;
      const y = reference.conv2d(x, w, undefined, CONV);
      const t = reference.tanh(reference.avgPool2d(y, average));
      const dt = hash(t.shape, 145);
      const actual = await on.compute(() => {
        const c = ops.conv2d(on.tensor(x), on.tensor(w), { padding: 1 });
        const out = ops.tanh(ops.avgPool2d(c, { kernelSize: 3, stride: 2 }));
        const dp = ops.tanhBackward(on.tensor(dt), out);
        const dc = ops.avgPool2dBackward(dp, { kernelSize: 3, stride: 2, inputShape: c.shape });
        const dx = ops.conv2dBackwardData(dc, on.tensor(w), { padding: 1, inputShape: x.shape });
        const { dw, db } = ops.conv2dBackwardWeights(on.tensor(x), dc, { padding: 1, weightShape: w.shape });
        return { out, dx, dw, db: db! };
      });
      const dc = reference.avgPool2dBackward(reference.tanhBackward(t, dt), y.shape, average);
      const { dw, db } = reference.conv2dBackwardWeights(dc, x, w.shape, CONV);
      on.expect('conv2dForward', actual.out, t, 'output');
      on.expect('conv2dBackwardData', actual.dx, reference.conv2dBackwardData(dc, w, x.shape, CONV));
      on.expect('conv2dBackwardWeights', actual.dw, dw, 'dw');
      on.expect('conv2dBackwardWeights', actual.db, db, 'db');
    });
  }

  it('conv, relu, lrn, max pool and a second conv, and all the way back', async () => {
    const [x, w1, w2] = [hash([2, 3, 9, 9], 146), hash([20, 3, 3, 3], 147), hash([5, 20, 3, 3], 148)];
    const r = reference.relu(reference.conv2d(x, w1, undefined, CONV));
    const n = reference.lrnAcrossChannels(r, LRN);
    const pooled = reference.maxPool2d(n, POOL);
    const y = reference.conv2d(pooled.y, w2, undefined, CONV);
    const dy = hash(y.shape, 149);
    const actual = await on.compute(() => {
      const relu = ops.conv2d(on.tensor(x), on.tensor(w1), { padding: 1, relu: true });
      const norm = ops.lrn(relu, { ...LRN, alphaOver: 'sum' });
      const pool = ops.maxPool2d(norm, { kernelSize: 3, stride: 2, training: true });
      const out = ops.conv2d(pool.y, on.tensor(w2), { padding: 1 });
      const dpool = ops.conv2dBackwardData(on.tensor(dy), on.tensor(w2), {
        padding: 1,
        inputShape: pool.y.shape,
      });
      const inputShape = norm.shape;
      const dnorm = ops.maxPool2dBackward(dpool, pool.argmax as Tensor, {
        kernelSize: 3,
        stride: 2,
        inputShape,
      });
      const drelu = ops.lrnBackward(dnorm, relu, { ...LRN, alphaOver: 'sum' });
      const dconv = ops.reluBackward(drelu, relu);
      return { out, dx: ops.conv2dBackwardData(dconv, on.tensor(w1), { padding: 1, inputShape: x.shape }) };
    });
    const dpool = reference.conv2dBackwardData(dy, w2, pooled.y.shape, CONV);
    const dnorm = reference.maxPool2dBackward(dpool, pooled.argmax, n.shape);
    const dconv = reference.reluBackward(r, reference.lrnAcrossChannelsBackward(r, dnorm, LRN));
    on.expect('conv2dForward', actual.out, y);
    on.expect('conv2dBackwardData', actual.dx, reference.conv2dBackwardData(dconv, w1, x.shape, CONV));
  });

  it('a dropped, flattened and normalised convolution of 20 channels', async () => {
    const [x, w] = [hash([2, 3, 4, 4], 150), hash([20, 3, 3, 3], 151)];
    const at = { seed: 9, step: 1, stream: 2 };
    const { y } = await on.compute(() => {
      const c = ops.conv2d(on.tensor(x), on.tensor(w), { padding: 1 });
      return { y: ops.softmax(ops.flatten(ops.dropout(c, { rate: 0.5, scale: 2, ...at }))) };
    });
    const c = reference.conv2d(x, w, undefined, CONV);
    const dropped = reference.dropout(c, { rate: 0.5, mode: 'inverted', training: true, ...at });
    on.expect('conv2dForward', y, reference.softmax(reference.reshape(dropped, [2, 320])));
  });
});

/** Everything that takes pictures, on weights of a grouped convolution, which lie as if they had one more dimension. */
forEachDevice('weights that a grouped convolution has rearranged', (on) => {
  const w = hash([32, 16, 3, 3], 152);
  const dy = hash(w.shape, 153);

  function rearranged(): Images {
    const weights: Images = on.tensor(w);
    ops.conv2d(on.tensor(hash([1, 32, 4, 4], 154)), weights, { groups: 2 });
    return weights;
  }

  it('can be read', async () => {
    const { weights } = await on.compute(() => ({ weights: rearranged() }));
    assert.deepEqual(weights.data, Float32Array.from(w.data));
  });

  it('go through activations and their gradients', async () => {
    const { y, dx } = await on.compute(() => {
      const output = ops.relu(rearranged());
      return { y: output, dx: ops.reluBackward(on.tensor(dy), output) };
    });
    on.expect('reluForward', y, reference.relu(w));
    on.expect('reluBackward', dx, reference.reluBackward(w, dy));
  });

  it('are a gradient like any other', async () => {
    const { dx, dn } = await on.compute(() => ({
      dx: ops.tanhBackward(rearranged(), on.tensor(dy)),
      dn: ops.lrnBackward(rearranged(), on.tensor(dy), { ...LRN, alphaOver: 'sum' }),
    }));
    on.expect('tanhBackward', dx, reference.tanhBackward(dy, w));
    on.expect('lrnBackward', dn, reference.lrnAcrossChannelsBackward(dy, w, LRN));
  });

  it('are pooled, normalised and convolved as pictures', async () => {
    const other = hash([4, 16, 3, 3], 155);
    const { max, average, normal, convolved } = await on.compute(() => ({
      max: ops.maxPool2d(rearranged(), { kernelSize: 3 }).y,
      average: ops.avgPool2d(rearranged(), { kernelSize: 3 }),
      normal: ops.lrn(rearranged(), { ...LRN, alphaOver: 'sum' }),
      convolved: ops.conv2d(rearranged(), on.tensor(other)),
    }));
    const whole = { kernel: { h: 3, w: 3 }, stride: { h: 3, w: 3 }, padding: NONE };
    on.expect('maxPool2dForward', max, reference.maxPool2d(w, whole).y);
    on.expect('avgPool2dForward', average, reference.avgPool2d(w, { ...whole, divisor: 'clipped' }));
    on.expect('lrnForward', normal, reference.lrnAcrossChannels(w, LRN));
    on.expect('conv2dForward', convolved, reference.conv2d(w, other, undefined, { ...CONV, padding: NONE }));
  });
});
