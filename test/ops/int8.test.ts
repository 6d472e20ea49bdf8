// Quantisation and sums of 8-bit integers against exact integer arithmetic; on the CPU, the one device that has them.
// Invariant: sums are exact, so scales that are powers of two leave nothing to a tolerance; elsewhere one integer is the most.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ArgumentError, DTypeError, NativeError, ShapeError } from '../../lib/errors.js';
import {
  conv2dInt8,
  dequantize,
  flatten,
  linearInt8,
  lrnInt8,
  maxPool2d,
  quantize,
  quantizeWeights,
  type Quantization,
} from '../../lib/ops/index.js';
import type { QuantizedDType } from '../../lib/tensor/dtype.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice, layouts, supportOf, testTargets } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, map, ndArray, type NdArray } from '../helpers/reference.js';

type Images<D extends QuantizedDType> = Tensor<D, readonly [number, number, number, number]>;

/** Integers of all sizes, among them the ends of the range in the first places. */
function integers(shape: readonly number[], dtype: QuantizedDType, seed: number): NdArray {
  const [low, high] = dtype === 'uint8' ? [0, 255] : [-127, 127];
  const x = map(hashNdArray({ shape, seed, low, high: high + 1 }), Math.floor);
  x.data[0] = low;
  x.data[1] = high;
  return x;
}

const POWERS = { inputScale: 2 ** -5, weightScale: 2 ** -7, outputScale: 2 ** -2 };

interface Case {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly stride?: number;
  /** The same on all sides. */
  readonly padding?: number;
  readonly groups?: number;
  readonly why: string;
}

const CONVOLUTIONS: readonly Case[] = [
  { x: [2, 3, 11, 9], w: [8, 3, 5, 3], stride: 2, why: 'three colours' },
  { x: [2, 64, 7, 7], w: [32, 64, 3, 3], padding: 1, why: 'whole blocks of channels' },
  { x: [1, 12, 6, 6], w: [10, 6, 3, 3], padding: 1, groups: 2, why: 'two groups' },
  { x: [1, 96, 5, 5], w: [128, 48, 5, 5], padding: 2, groups: 2, why: "AlexNet's groups" },
  { x: [2, 8, 5, 5], w: [8, 1, 3, 3], padding: 1, groups: 8, why: 'a channel a group' },
  { x: [1, 5, 6, 7], w: [7, 5, 3, 2], stride: 3, padding: 2, why: 'a stride as wide as the kernel' },
];

/** On a device, with scales of one power for all outputs, unless they are given. */
function upload(on: { device: Parameters<typeof quantize>[0]['device'] }, x: NdArray, format: Quantization) {
  const values = Float32Array.from(x.data, (q) => q * format.scale);
  using given = on.device.tensor(values, { shape: x.shape });
  return quantize(given, format) as Images<QuantizedDType>;
}

const hasInt8 = supportOf('cpu', 'int8') === 'fast';

forEachDevice('quantisation', (on) => {
  if (on.target !== 'cpu') return;

  for (const dtype of ['uint8', 'int8'] as const) {
    for (const layout of layouts) {
      it(`rounds to the nearest ${dtype}, ties to even, and saturates; input ${layout}`, async () => {
        const x = hashNdArray({ shape: [2, 16, 5, 3], seed: 501, low: -40, high: 80 });
        x.data.set([0.125, 0.375, -0.125, -0.375, 1e9, -1e9, 63.875, -31.75, -32]);
        const format = { dtype, scale: 0.25 };
        const { q, back } = await on.compute(() => {
          const quantized = quantize(on.tensor(x, layout), format);
          assert.deepEqual([quantized.dtype, quantized.scale], [dtype, 0.25]);
          return { q: quantized, back: dequantize(quantized) };
        });
        const expected = reference.quantize(x, format);
        on.expect('quantize', q, expected);
        on.expect(
          'dequantize',
          back,
          map(expected, (value) => value * 0.25),
        );
      });
    }

    it(`writes pictures of three colours as ${dtype}, more than a chunk of them`, async () => {
      const x = hashNdArray({ shape: [3, 3, 37, 41], seed: 502, low: -200, high: 300 });
      const format = { dtype, scale: 1 };
      const { q } = await on.compute(() => ({ q: quantize(on.tensor(x), format) }));
      on.expect('quantize', q, reference.quantize(x, format));
    });

    it(`makes NaN a 0 of ${dtype}, and infinities its ends`, async () => {
      const x = ndArray([4], [NaN, Infinity, -Infinity, 3]);
      const { q } = await on.compute(() => ({ q: quantize(on.tensor(x), { dtype, scale: 1 }) }));
      assert.deepEqual(Array.from(q.data), dtype === 'uint8' ? [0, 255, 0, 3] : [0, 127, -127, 3]);
    });
  }

  it('gives each output of weights a scale of its own, also one of zeros', async () => {
    const w = hashNdArray({ shape: [6, 4, 3, 3], seed: 503, low: -1, high: 1 });
    for (let i = 0; i < 36; i++) {
      w.data[36 + i]! *= 1000;
      w.data[72 + i] = 0;
    }
    const found = await on.compute(() => quantizeWeights(on.tensor(w)));
    const { q, scales } = reference.quantizeWeights(w);
    on.expect('quantizeWeights', found.scales, ndArray([6], scales), 'scales');
    on.expect('quantizeWeights', found.q, q);
  });

  it('says by an infinite scale that weights are not finite', async () => {
    const w = ndArray([3, 2], [1, NaN, Infinity, 2, 1, 127]);
    const { scales } = await on.compute(() => quantizeWeights(on.tensor(w)));
    assert.deepEqual(Array.from(scales.data), [Infinity, Infinity, 1]);
  });

  it('keeps the scale in what is shared, reshaped and pooled', async () => {
    const x = integers([2, 4, 5, 5], 'uint8', 504);
    const { y, flat } = await on.compute(() => {
      const quantized = upload(on, x, { dtype: 'uint8', scale: 0.5 });
      const { y: pooled } = maxPool2d(quantized, { kernelSize: 3, stride: 2 });
      const rows = flatten(pooled.share());
      assert.deepEqual([pooled.scale, rows.scale], [0.5, 0.5]);
      return { y: pooled, flat: rows };
    });
    const expected = reference.maxPool2d(x, {
      kernel: { h: 3, w: 3 },
      stride: { h: 2, w: 2 },
      padding: { top: 0, bottom: 0, left: 0, right: 0 },
    }).y;
    assert.deepEqual(Array.from(y.data), Array.from(expected.data));
    assert.deepEqual(Array.from(flat.data), Array.from(expected.data));
  });

  it('refuses scales that are no scales, and values without one', () => {
    on.device.scope(() => {
      const x = on.device.tensor([1, 2], { shape: [1, 2] });
      const q = on.device.tensor(Uint8Array.of(1, 2), { shape: [1, 2] });
      const w = on.device.tensor(Int8Array.of(1, 2), { shape: [1, 2] });
      const scales = on.device.tensor([1], { shape: [1] });
      for (const scale of [0, -1, NaN, Infinity]) {
        assert.throws(() => quantize(x, { dtype: 'uint8', scale }), ArgumentError);
      }
      assert.throws(() => quantize(x, { dtype: 'int32' as 'int8', scale: 1 }), ArgumentError);
      assert.throws(() => dequantize(q), /x is uint8 without a scale.*quantize\(x/);
      assert.throws(() => linearInt8(q, w, { scales }), DTypeError);
    });
  });

  it('refuses sums that may not fit into 32 bits, and scales that are not one for each output', () => {
    on.device.scope(() => {
      const wide = (length: number) => ({
        x: quantize(on.device.tensor(new Float32Array(length), { shape: [1, length] }), {
          dtype: 'uint8',
          scale: 1,
        }),
        w: on.device.tensor(new Int8Array(2 * length), { shape: [2, length] }),
      });
      const two = on.device.tensor([1, 1], { shape: [2] });
      const { x, w } = wide(65_537);
      assert.throws(() => linearInt8(x, w, { scales: two, label: 'fc' }), {
        name: 'ShapeError [ERR_SHAPE]',
        message: /^fc: sums of 65537 products, .* up to 65536/,
      });
      const narrow = wide(4);
      const three = on.device.tensor([1, 1, 1], { shape: [3] });
      assert.throws(() => linearInt8(narrow.x, narrow.w, { scales: three }), ShapeError);
    });
  });

  it('refuses to keep where maxima of integers were', () => {
    on.device.scope(() => {
      const x = upload(on, integers([1, 1, 3, 3], 'uint8', 505), { dtype: 'uint8', scale: 1 });
      assert.throws(() => maxPool2d(x, { kernelSize: 3, training: true }), DTypeError);
    });
  });
});

forEachDevice('sums of 8-bit integers', (on) => {
  if (on.target !== 'cpu' || !hasInt8) return;

  for (const dtype of ['uint8', 'int8'] as const) {
    for (const { x: xShape, w: wShape, why, ...geometry } of CONVOLUTIONS) {
      it(`convolutions of ${dtype} are exact: ${why}`, async () => {
        const x = integers(xShape, dtype, 511);
        const w = integers(wShape, 'int8', 512);
        const [outputs = 1] = wShape;
        const { inputScale, weightScale, outputScale } = POWERS;
        const b = Array.from({ length: outputs }, (_, o) => (o % 5) - 2);
        const output = { dtype: 'uint8', scale: outputScale } as const;
        const found = await on.compute(() => {
          const quantized = upload(on, x, { dtype, scale: inputScale });
          const weights = on.device.tensor(Int8Array.from(w.data), { shape: w.shape });
          const how = {
            ...geometry,
            scales: on.tensor(map(ndArray([outputs], b), () => weightScale)),
            b: on.device.tensor(b, { shape: [outputs] }),
          };
          return {
            floats: conv2dInt8(quantized, weights, how),
            relu: conv2dInt8(quantized, weights, { ...how, relu: true, output }),
            signed: conv2dInt8(quantized, weights, { ...how, output: { ...output, dtype: 'int8' } }),
            // What oneDNN made of the weights is still what was given.
            weights,
          };
        });
        const { stride = 1, padding = 0, groups = 1 } = geometry;
        const sums = reference.conv2d(x, w, undefined, {
          stride: { h: stride, w: stride },
          padding: { top: padding, bottom: padding, left: padding, right: padding },
          groups,
        });
        const scaled = { inputScale, scales: b.map(() => weightScale), b };
        const values = reference.scaleSums(sums, scaled);
        on.expect('conv2dInt8', found.floats, values);
        on.expect('conv2dInt8', found.relu, reference.quantize(values, output));
        // Sums may be -128, which quantisation itself never writes.
        const signed = map(values, (value) =>
          Math.min(127, Math.max(-128, reference.roundHalfEven(value / outputScale))),
        );
        on.expect('conv2dInt8', found.signed, signed);
        assert.deepEqual(Array.from(found.weights.data), Array.from(w.data));
      });
    }

    for (const [n, inputs, outputs] of [
      [1, 4096, 33],
      [5, 65_536, 3],
      [64, 256, 128],
    ] as const) {
      it(`${n} rows of ${inputs} ${dtype} times ${outputs} are exact`, async () => {
        const x = integers([n, inputs], dtype, 513);
        // The largest sums that there can be: nothing saturates on the way.
        const w = map(integers([outputs, inputs], 'int8', 514), (q, i) => (i < inputs ? 127 : q));
        x.data.fill(dtype === 'uint8' ? 255 : -127, 0, inputs);
        const { inputScale, weightScale } = POWERS;
        const output = { dtype: 'uint8', scale: 2 ** 11 } as const;
        const found = await on.compute(() => {
          const quantized = upload(on, x, { dtype, scale: inputScale }) as Tensor as Tensor<QuantizedDType>;
          const weights = on.device.tensor(Int8Array.from(w.data), { shape: w.shape });
          const scales = on.device.tensor(new Float32Array(outputs).fill(weightScale), { shape: [outputs] });
          return {
            floats: linearInt8(quantized, weights, { scales }),
            bytes: linearInt8(quantized, weights, { scales, output }),
          };
        });
        const sums = reference.linear(x, w, undefined);
        const values = reference.scaleSums(sums, {
          inputScale,
          scales: Array.from({ length: outputs }, () => weightScale),
        });
        on.expect('linearInt8', found.floats, values);
        on.expect('linearInt8', found.bytes, reference.quantize(values, output));
      });
    }
  }

  it('uses the scale of each output', async () => {
    const x = integers([3, 32], 'uint8', 515);
    const w = integers([4, 32], 'int8', 516);
    const scales = [1, 0.5, 2 ** -10, 4];
    const { y } = await on.compute(() => ({
      y: linearInt8(
        upload(on, x, { dtype: 'uint8', scale: 1 }) as Tensor as Tensor<QuantizedDType>,
        on.device.tensor(Int8Array.from(w.data), { shape: w.shape }),
        { scales: on.device.tensor(scales, { shape: [4] }) },
      ),
    }));
    const expected = reference.scaleSums(reference.linear(x, w, undefined), { inputScale: 1, scales });
    on.expect('linearInt8', y, expected);
  });

  for (const channelGroups of [1, 2]) {
    it(`normalisation is within one integer of the formula, ${channelGroups} groups of channels`, async () => {
      const options = { size: 5, alpha: 0.02, alphaOver: 'sum', beta: 0.75, k: 2, channelGroups } as const;
      const x = integers([2, 96, 5, 4], 'uint8', 517);
      const scale = 0.125;
      const output = { dtype: 'uint8', scale: 0.01 } as const;
      const { y } = await on.compute(() => {
        const quantized = upload(on, x, { dtype: 'uint8', scale }) as Tensor as Tensor<'uint8'>;
        return { y: lrnInt8(quantized, { ...options, scale: output.scale }) };
      });
      const values = map(x, (q) => q * scale);
      const expected = reference.quantize(reference.lrnAcrossChannels(values, options), output);
      on.expect('lrnInt8', y, expected);
    });
  }
});

describe('a device without fast 8-bit integers', () => {
  it('refuses the sums where the instruction set has no VNNI', async () => {
    const program = `
      import { openDevice, ops } from ${JSON.stringify(new URL('../../lib/index.js', import.meta.url).href)};
      const device = openDevice('cpu');
      const x = ops.quantize(device.tensor([1, 2], { shape: [1, 2] }), { dtype: 'uint8', scale: 1 });
      const w = device.tensor(Int8Array.of(1, 2), { shape: [1, 2] });
      const y = ops.linearInt8(x, w, { scales: device.tensor([1], { shape: [1] }) });
      console.log(device.support('int8'), await y.data().catch(({ name, message }) => name + ': ' + message));
      device.dispose();`;
    const env = { ...process.env, ONEDNN_MAX_CPU_ISA: 'AVX2' };
    const args = ['--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env });
    assert.match(stdout, /^none NativeError .*no VNNI.*use float32/s);
  });

  for (const target of testTargets.filter((each) => each !== 'cpu')) {
    forEachDevice(`(${target})`, (on) => {
      if (on.target !== target) return;
      it('says that it has no kernel', async () => {
        assert.equal(on.device.support('int8'), 'none');
        const quantized = on.compute(() => ({
          q: quantize(on.device.tensor([1], { shape: [1] }), { dtype: 'int8', scale: 1 }),
        }));
        await assert.rejects(quantized, NativeError);
      });
    });
  }
});
