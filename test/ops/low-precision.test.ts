// Ops on bfloat16 and float16 against the float64 reference of the rounded inputs.
// Invariant: weights and biases are float32, and count as rounded; what a device does not compute in is refused.
import assert from 'node:assert/strict';
import * as ops from '../../lib/ops/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { assertClose } from '../helpers/compare.js';
import { forEachDevice, supportOf, type HostTensor } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, map, nearest, type NdArray } from '../helpers/reference.js';
import { tolerance, type ToleranceKey } from '../helpers/tolerance.js';

type Images<D extends 'bfloat16' | 'float16'> = Tensor<D, readonly [number, number, number, number]>;

const CONVOLUTIONS = [
  { what: "conv1's shape", x: [2, 3, 23, 23], w: [16, 3, 11, 11], stride: 4, padding: 0, groups: 1 },
  {
    what: 'two groups of 16 channels',
    x: [2, 32, 7, 7],
    w: [64, 16, 5, 5],
    stride: 1,
    padding: 2,
    groups: 2,
  },
  { what: '20 channels', x: [3, 20, 5, 6], w: [20, 20, 3, 3], stride: 1, padding: 1, groups: 1 },
] as const;

forEachDevice('lower precision', (on) => {
  for (const dtype of ['bfloat16', 'float16'] as const) {
    const format = reference[dtype];
    const round = (x: NdArray): NdArray => map(x, (value) => nearest(value, format));
    const data = (shape: readonly number[], seed: number, bound = 1): NdArray =>
      round(hashNdArray({ shape, seed, low: -bound, high: bound }));
    const low = (x: NdArray) => ops.cast(on.tensor<readonly number[]>(x), { dtype });
    const expect = (op: ToleranceKey, actual: HostTensor, expected: NdArray, what = 'output') =>
      assertClose(actual.data, expected.data, {
        ...tolerance(
          op,
          expected.data,
          actual.dtype === 'float32' && isGradientOfWeights(what) ? 'float32' : dtype,
        ),
        what: `${op}, ${dtype}: ${what}`,
      });
    /** Brings results to the host as float32; fails unless they had the type. */
    const compute = (work: () => Readonly<Record<string, Tensor>>) =>
      on.compute(() =>
        Object.fromEntries(
          Object.entries(work()).map(([name, tensor]) => {
            assert.equal(tensor.dtype, isGradientOfWeights(name) ? 'float32' : dtype, name);
            return [name, ops.cast(tensor, { dtype: 'float32' })];
          }),
        ),
      );

    if (supportOf(on.target, dtype) === 'none') {
      it(`${dtype} is refused: this device does not compute in it`, async () => {
        using x = on.device.scope(() => low(data([2, 3], 320)));
        using y = ops.relu(x);
        await assert.rejects(y.data(), {
          code: 'ERR_UNSUPPORTED',
          message: /does not compute in b?float16; convert/,
        });
      });
      continue;
    }

    describe(dtype, () => {
      for (const { what, x: xShape, w: wShape, stride, padding, groups } of CONVOLUTIONS) {
        it(`convolution and gradients, ${what}`, async () => {
          const sides = { top: padding, bottom: padding, left: padding, right: padding };
          const options = { stride: { h: stride, w: stride }, padding: sides, groups };
          const [x, w, b] = [data(xShape, 301), data(wShape, 302), data([wShape[0]], 303)];
          const dy = data(reference.conv2dShape(xShape, wShape, options), 304);
          const geometry = { stride, padding, groups };
          const { y, rectified, dx, dw, db } = (await compute(() => {
            const weights = on.tensor<readonly [number, number, number, number]>(w);
            const input = low(x) as Images<typeof dtype>;
            const gradients = ops.conv2dBackwardWeights(input, low(dy), { weightShape: wShape, ...geometry });
            return {
              y: ops.conv2d(input, weights, { b: on.tensor(b), ...geometry }),
              rectified: ops.conv2d(input, weights, { b: on.tensor(b), relu: true, ...geometry }),
              dx: ops.conv2dBackwardData(low(dy), weights, { inputShape: xShape, ...geometry }),
              dw: gradients.dw,
              db: gradients.db!,
            };
          })) as Record<'y' | 'rectified' | 'dx' | 'dw' | 'db', HostTensor>;
          expect('conv2dForward', y, reference.conv2d(x, w, b, options), 'y');
          expect(
            'conv2dForward',
            rectified,
            reference.conv2d(x, w, b, { ...options, relu: true }),
            'with ReLU',
          );
          expect('conv2dBackwardData', dx, reference.conv2dBackwardData(dy, w, xShape, options), 'dx');
          const gradients = reference.conv2dBackwardWeights(dy, x, wShape, options);
          expect('conv2dBackwardWeights', dw, gradients.dw, 'dw');
          expect('conv2dBackwardWeights', db, gradients.db, 'db');
        });
      }

      it('fully connected layer and gradients', async () => {
        const [x, w, b, dy] = [data([5, 70], 305), data([33, 70], 306), data([33], 307), data([5, 33], 308)];
        const { y, dx, dw, db } = (await compute(() => {
          const weights = on.tensor<readonly [number, number]>(w);
          const input = low(x) as Tensor<typeof dtype, readonly [number, number]>;
          const gradients = ops.linearBackwardWeights(input, low(dy));
          return {
            y: ops.linear(input, weights, { b: on.tensor(b), relu: true }),
            dx: ops.linearBackwardData(low(dy), weights),
            dw: gradients.dw,
            db: gradients.db!,
          };
        })) as Record<'y' | 'dx' | 'dw' | 'db', HostTensor>;
        expect('linearForward', y, reference.linear(x, w, b, { relu: true }), 'y');
        expect('linearBackwardData', dx, reference.linearBackwardData(dy, w), 'dx');
        const gradients = reference.linearBackwardWeights(dy, x);
        expect('linearBackwardWeights', dw, gradients.dw, 'dw');
        expect('linearBackwardWeights', db, gradients.db, 'db');
      });

      for (const [name, forward, backward, expectedOutput, expectedGradient] of [
        ['relu', ops.relu, ops.reluBackward, reference.relu, reference.reluBackward],
        ['tanh', ops.tanh, ops.tanhBackward, reference.tanh, reference.tanhBackward],
        ['sigmoid', ops.sigmoid, ops.sigmoidBackward, reference.sigmoid, reference.sigmoidBackward],
      ] as const) {
        it(`${name} and its gradient`, async () => {
          const [x, dy] = [data([3, 20, 5, 4], 309, 4), data([3, 20, 5, 4], 310)];
          const { y, dx } = (await compute(() => {
            const output = forward(low(x));
            return { y: output, dx: backward(low(dy), output) };
          })) as Record<'y' | 'dx', HostTensor>;
          expect(`${name}Forward`, y, expectedOutput(x), 'y');
          const actual = { shape: x.shape, data: Float64Array.from(y.data) };
          expect(`${name}Backward`, dx, expectedGradient(actual, dy), 'dx');
        });
      }

      for (const channels of [20, 96]) {
        it(`response normalisation of ${channels} channels and its gradient`, async () => {
          const across = { size: 5, alpha: 0.1, alphaOver: 'sum', beta: 0.75, k: 2 } as const;
          const within = { size: 3, alpha: 0.1, alphaOver: 'sum', beta: 0.75, k: 1 } as const;
          const [x, dy] = [data([2, channels, 5, 3], 311, 3), data([2, channels, 5, 3], 312)];
          const { y, dx, yWithin, dxWithin } = (await compute(() => ({
            y: ops.lrn(low(x), across),
            dx: ops.lrnBackward(low(dy), low(x), across),
            yWithin: ops.lrnWithin(low(x), within),
            dxWithin: ops.lrnWithinBackward(low(dy), low(x), within),
          }))) as Record<'y' | 'dx' | 'yWithin' | 'dxWithin', HostTensor>;
          expect('lrnForward', y, reference.lrnAcrossChannels(x, across), 'y');
          expect('lrnBackward', dx, reference.lrnAcrossChannelsBackward(x, dy, across), 'dx');
          expect('lrnWithinForward', yWithin, reference.lrnWithinChannel(x, within), 'y');
          expect('lrnWithinBackward', dxWithin, reference.lrnWithinChannelBackward(x, dy, within), 'dx');
        });
      }

      it('max and average pooling and their gradients', async () => {
        const window = { kernelSize: 3, stride: 2 };
        const options = {
          kernel: { h: 3, w: 3 },
          stride: { h: 2, w: 2 },
          padding: { top: 0, bottom: 0, left: 0, right: 0 },
        };
        const shape = [2, 20, 7, 9];
        const [x, dy] = [data(shape, 313, 4), data([2, 20, 3, 4], 314)];
        const results = await compute(() => {
          const input = low(x) as Images<typeof dtype>;
          const { y, argmax } = ops.maxPool2d(input, { ...window, training: true });
          return {
            y,
            dx: ops.maxPool2dBackward(low(dy), argmax!, { ...window, inputShape: shape }),
            average: ops.avgPool2d(input, window),
            dxAverage: ops.avgPool2dBackward(low(dy), { ...window, inputShape: shape }),
          };
        });
        const { y, dx, average, dxAverage } = results as Record<
          'y' | 'dx' | 'average' | 'dxAverage',
          HostTensor
        >;
        expect('maxPool2dForward', y, reference.maxPool2d(x, options).y, 'y');
        const { argmax } = reference.maxPool2d(x, options);
        expect('maxPool2dBackward', dx, reference.maxPool2dBackward(dy, argmax, shape), 'dx');
        expect('avgPool2dForward', average, reference.avgPool2d(x, { ...options, divisor: 'clipped' }), 'y');
        expect(
          'avgPool2dBackward',
          dxAverage,
          reference.avgPool2dBackward(dy, shape, { ...options, divisor: 'clipped' }),
          'dx',
        );
      });

      it('elementwise arithmetic', async () => {
        const [x, y] = [data([3, 5, 1000], 315, 4), data([3, 5, 1000], 316, 4)];
        const { scaled, sum, product, inside, times } = (await compute(() => ({
          scaled: ops.affine(low(x), { scale: 1.5, shift: -0.25 }),
          sum: ops.add(low(x), low(y)),
          product: ops.multiply(low(x), low(y)),
          inside: ops.clamp(low(x), { low: -1, high: 2 }),
          times: ops.scaleBy(low(x), on.tensor<readonly []>(reference.ndArray([], [0.75]))),
        }))) as Record<'scaled' | 'sum' | 'product' | 'inside' | 'times', HostTensor>;
        expect(
          'affine',
          scaled,
          map(x, (value) => 1.5 * value - 0.25),
        );
        expect(
          'add',
          sum,
          map(x, (value, i) => value + y.data[i]!),
        );
        expect(
          'multiply',
          product,
          map(x, (value, i) => value * y.data[i]!),
        );
        expect(
          'clamp',
          inside,
          map(x, (value) => Math.min(2, Math.max(-1, value))),
        );
        expect(
          'scaleBy',
          times,
          map(x, (value) => 0.75 * value),
        );
      });

      it('dropout drops what it drops in float32', async () => {
        const x = data([7, 333], 317, 4);
        const options = { rate: 0.4, scale: 1 / 0.6, seed: 5, step: 6, stream: 7 };
        const { inFloat32 } = await on.compute(() => ({ inFloat32: ops.dropout(on.tensor(x), options) }));
        const { y } = (await compute(() => ({ y: ops.dropout(low(x), options) }))) as Record<'y', HostTensor>;
        expect('dropout', y, reference.ndArray(x.shape, inFloat32.data));
      });

      it('refuses a gradient of another type', () => {
        on.device.scope(() => {
          const x = low(data([2, 3], 318));
          assert.throws(() => ops.reluBackward(on.tensor(data([2, 3], 319)) as never, x), {
            code: 'ERR_DTYPE',
            message: /dy is float32, expected b?float16 as the other operand\. Convert it with cast/,
          });
        });
      });
    });
  }
});

function isGradientOfWeights(name: string): boolean {
  return name === 'dw' || name === 'db';
}
