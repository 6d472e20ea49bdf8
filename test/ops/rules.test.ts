// What ops refuse, and in which words: the layer, what was expected, what was given, what to do.
// Invariant: everything here is refused at the call, before any work is submitted.
import assert from 'node:assert/strict';
import { ArgumentError, DeviceError, DTypeError, ShapeError } from '../../lib/errors.js';
import * as ops from '../../lib/ops/index.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';
import type { DType } from '../../lib/tensor/dtype.js';
import type { Shape } from '../../lib/tensor/shape.js';
import type { Tensor } from '../../lib/tensor/tensor.js';

let device: Device;

/** As untyped as JavaScript: what the compiler would refuse too is tested at run time. */
function zeros(shape: Shape, dtype: DType = 'float32'): never {
  const count = shape.reduce((a, b) => a * b, 1);
  return device.tensor(new Array<number>(count).fill(0), { shape, dtype }) as never;
}

interface Refusal {
  readonly what: string;
  readonly call: () => unknown;
  readonly error: typeof ShapeError | typeof DTypeError | typeof ArgumentError;
  readonly message: RegExp;
}

function refuse(title: string, refusals: readonly Refusal[]): void {
  describe(`${title} refuse`, () => {
    for (const { what, call, error, message } of refusals) {
      it(what, () => {
        device.scope(() => {
          assert.throws(call, (thrown) => {
            assert.ok(thrown instanceof error, String(thrown));
            assert.match(thrown.message, message);
            return true;
          });
        });
      });
    }
  });
}

const geometry = { padding: 2, groups: 2, label: 'conv2' } as const;

describe('ops, before any work is submitted', () => {
  before(() => {
    device = openDevice('cpu');
  });
  after(() => device.dispose());

  refuse('convolutions', [
    {
      what: 'an input with the channels of one group only',
      call: () => ops.conv2d(zeros([2, 48, 27, 27]), zeros([256, 48, 5, 5]), geometry),
      error: ShapeError,
      message:
        /^conv2: 48 input channels, expected 96 \(2 groups of 48\)\. x is \[2, 48, 27, 27\], weights are \[256, 48, 5, 5\]\. Weights hold the channels of one group/,
    },
    {
      what: 'output channels that do not divide into the groups',
      call: () => ops.conv2d(zeros([1, 4, 5, 5]), zeros([3, 2, 3, 3]), geometry),
      error: ShapeError,
      message: /^conv2: 3 output channels do not divide into 2 groups/,
    },
    {
      what: 'rows of features',
      call: () => ops.conv2d(zeros([2, 48]), zeros([4, 48, 1, 1])),
      error: ShapeError,
      message: /^conv2dForward: x is \[2, 48\], expected rank 4: \[N, C, H, W\]/,
    },
    {
      what: 'a kernel larger than the padded input, naming the layer',
      call: () => ops.conv2d(zeros([1, 3, 4, 9]), zeros([2, 3, 11, 3]), { padding: 1, label: 'conv1' }),
      error: ShapeError,
      message:
        /^conv1: the window of 11 is larger than the input's height of 4 with 2 of padding.*use larger pictures/,
    },
    {
      what: 'a bias of another length',
      call: () => ops.conv2d(zeros([1, 3, 4, 4]), zeros([2, 3, 3, 3]), { b: zeros([3]) }),
      error: ShapeError,
      message: /b is \[3\], expected \[2\]: one value for each output channel/,
    },
    {
      what: 'bytes, and say how to convert them',
      call: () => ops.conv2d(zeros([1, 3, 4, 4], 'uint8'), zeros([2, 3, 3, 3])),
      error: DTypeError,
      message: /x is uint8, expected float32, bfloat16 or float16\. Convert it with cast\(x, \{ dtype \}\)/,
    },
    {
      what: "a gradient that has not the output's shape",
      call: () =>
        ops.conv2dBackwardData(zeros([1, 2, 3, 3]), zeros([2, 3, 3, 3]), { inputShape: [1, 3, 4, 4] }),
      error: ShapeError,
      message: /dy is \[1, 2, 3, 3\], expected \[1, 2, 2, 2\]: the shape of the output/,
    },
    {
      what: 'no groups',
      call: () => ops.conv2d(zeros([1, 3, 4, 4]), zeros([2, 3, 3, 3]), { groups: 0 }),
      error: ArgumentError,
      message: /^conv2d: groups must be a positive integer, got 0/,
    },
    {
      what: 'a fractional stride',
      call: () => ops.conv2d(zeros([1, 3, 4, 4]), zeros([2, 3, 3, 3]), { stride: [1, 0.5] }),
      error: ArgumentError,
      message: /^conv2d: stride must be a positive integer, or two of them; got \[1,0\.5\]/,
    },
    {
      what: 'negative padding',
      call: () => ops.conv2d(zeros([1, 3, 4, 4]), zeros([2, 3, 3, 3]), { padding: { left: -1 } }),
      error: ArgumentError,
      message: /^conv2d: padding must be a non-negative integer, got \{"left":-1\}/,
    },
  ]);

  refuse('fully connected layers', [
    {
      what: 'pictures, and say to flatten them',
      call: () => ops.linear(zeros([2, 3, 4, 4]), zeros([5, 48]), { label: 'fc6' }),
      error: ShapeError,
      message: /^fc6: x is \[2, 3, 4, 4\], expected rank 2: \[N, features\]; flatten pictures first/,
    },
    {
      what: 'features that the weights do not have',
      call: () => ops.linear(zeros([2, 9215]), zeros([3, 9216]), { label: 'fc6' }),
      error: ShapeError,
      message: /^fc6: 9215 input features, expected 9216\. x is \[2, 9215\], weights are \[3, 9216\]/,
    },
    {
      what: 'a gradient of another batch',
      call: () => ops.linearBackwardWeights(zeros([2, 4]), zeros([3, 5])),
      error: ShapeError,
      message: /dy is \[3, 5\], expected \[2, 5\]: one row for each row of x/,
    },
  ]);

  refuse('elementwise ops', [
    {
      what: 'operands of different shapes',
      call: () => ops.add(zeros([2, 3]), zeros([3, 2])),
      error: ShapeError,
      message: /^add: y is \[3, 2\], expected \[2, 3\]: it must have the shape of x/,
    },
    {
      what: 'integers',
      call: () => ops.relu(zeros([2], 'int32'), { label: 'relu1' }),
      error: DTypeError,
      message: /^relu1: x is int32, expected float32/,
    },
    {
      what: 'a reshape to another number of elements',
      call: () => ops.reshape(zeros([2, 3]), { shape: [5] }),
      error: ShapeError,
      message: /^reshape: \[2, 3\] has 6 elements, \[5\] has 5/,
    },
    {
      what: 'a fill of no elements',
      call: () => ops.fill(device, { shape: [2, 0], value: 1 }),
      error: ShapeError,
      message: /^fill: every extent must be a positive integer, got \[2, 0\]/,
    },
    {
      what: 'to flatten a scalar',
      call: () => ops.flatten(zeros([])),
      error: ShapeError,
      message: /^flatten: a scalar cannot be flattened/,
    },
  ]);

  const strength = { alpha: 1e-4, alphaOver: 'sum', beta: 0.75, k: 2, label: 'lrn1' } as const;

  refuse('response normalisation', [
    {
      what: 'an even window',
      call: () => ops.lrn(zeros([1, 4, 2, 2]), { ...strength, size: 4 }),
      error: ShapeError,
      message: /^lrn1: the window's size is 4, expected an odd number/,
    },
    {
      what: 'k of zero',
      call: () => ops.lrn(zeros([1, 4, 2, 2]), { ...strength, size: 5, k: 0 }),
      error: ShapeError,
      message: /^lrn1: k is 0 and beta 0\.75; both must be positive/,
    },
    {
      what: 'channels that do not divide into the groups',
      call: () => ops.lrn(zeros([1, 5, 2, 2]), { ...strength, size: 5, channelGroups: 2 }),
      error: ShapeError,
      message: /^lrn1: 5 channels do not divide into 2 groups/,
    },
    {
      what: 'a negative number of groups',
      call: () => ops.lrn(zeros([1, 5, 2, 2]), { ...strength, size: 5, channelGroups: -1 }),
      error: ShapeError,
      message: /^lrn1: channelGroups is -1, expected a positive integer/,
    },
    {
      what: 'rows',
      call: () => ops.lrnWithin(zeros([4, 4]), { ...strength, size: 3 }),
      error: ShapeError,
      message: /^lrn1: x is \[4, 4\], expected rank 4/,
    },
  ]);

  refuse('pooling', [
    {
      what: 'padding as large as the kernel',
      call: () => ops.maxPool2d(zeros([1, 1, 4, 4]), { kernelSize: 2, padding: 2, label: 'pool1' }),
      error: ArgumentError,
      message: /^pool1: padding must be smaller than the kernel of 2x2/,
    },
    {
      what: 'a window larger than the input',
      call: () => ops.avgPool2d(zeros([1, 1, 2, 4]), { kernelSize: 3, label: 'pool5' }),
      error: ShapeError,
      message: /^pool5: the window of 3 is larger than the input's height of 2/,
    },
    {
      what: "a gradient that has not the output's shape",
      call: () => ops.avgPool2dBackward(zeros([1, 1, 3, 3]), { kernelSize: 2, inputShape: [1, 1, 4, 4] }),
      error: ShapeError,
      message: /dy is \[1, 1, 3, 3\], expected \[1, 1, 2, 2\]/,
    },
  ]);

  refuse('losses and scores', [
    {
      what: 'labels of another batch',
      call: () => ops.crossEntropy(zeros([4, 10]), zeros([3], 'int32'), { label: 'loss' }),
      error: ShapeError,
      message: /^loss: labels is \[3\], expected \[4\]: one class index for each row/,
    },
    {
      what: 'labels that are not integers',
      call: () => ops.crossEntropy(zeros([4, 10]), zeros([4])),
      error: DTypeError,
      message: /labels is float32, expected int32\. Make it of int32/,
    },
    {
      what: 'more of the top than there are classes',
      call: () => ops.topK(zeros([4, 10]), { k: 11 }),
      error: ShapeError,
      message: /^topK: k is 11, expected 1 to 10, the number of classes/,
    },
    {
      what: 'softmax of a scalar',
      call: () => ops.softmax(zeros([])),
      error: ShapeError,
      message: /^softmaxForward: x is a scalar, expected rows of classes/,
    },
  ]);

  const picture = { mean: [3], std: [3] } as const;

  function augmented(
    { images, mean, std }: { images: Shape; mean: Shape; std: Shape },
    crop: number,
    records: Shape = [images[0]!, 22],
  ): () => unknown {
    const constants = () => ({ records: zeros(records), mean: zeros(mean), std: zeros(std) });
    return () => ops.augment(zeros(images, 'uint8'), { ...constants(), crop });
  }

  refuse('augmentation and the optimiser', [
    {
      what: 'grey pictures',
      call: augmented({ images: [2, 8, 8, 1], ...picture }, 4),
      error: ShapeError,
      message: /images have 1 channels, expected 3/,
    },
    {
      what: 'a mean picture of another size',
      call: augmented({ images: [2, 8, 8, 3], mean: [7, 7, 3], std: [3] }, 4),
      error: ShapeError,
      message: /mean is \[7, 7, 3\], expected \[8, 8, 3\]: a mean image has the size of the stored pictures/,
    },
    {
      what: 'records of another length',
      call: augmented({ images: [2, 8, 8, 3], ...picture }, 4, [2, 3]),
      error: ShapeError,
      message: /records is \[2, 3\], expected \[2, 22\]: a record for each view of each picture/,
    },
    {
      what: 'records that do not divide among the pictures',
      call: augmented({ images: [2, 8, 8, 3], ...picture }, 4, [5, 22]),
      error: ShapeError,
      message: /5 records for 2 pictures, expected the same number for each picture/,
    },
    {
      what: 'a gradient of another shape than the weights',
      call: () =>
        ops.sgdStep(zeros([2, 3]), zeros([2, 3]), zeros([3, 2]), {
          ...{ learningRate: 1, momentum: 0, weightDecay: 0, form: 'paper' },
          label: 'fc6.weight',
        }),
      error: ShapeError,
      message: /^fc6\.weight: dw is \[3, 2\], expected \[2, 3\]: it must have the shape of w/,
    },
  ]);

  describe('the state that max pooling saves', () => {
    const pool = { kernelSize: 2, training: true } as const;
    const saved = (shape: Shape) => ops.maxPool2d(zeros(shape), pool).argmax as Tensor;

    it('has no values: it is refused by cast and reshape, and cannot be read', async () => {
      using argmax = device.scope(() => saved([1, 1, 4, 4]));
      assert.throws(() => ops.cast(argmax, { dtype: 'float32' }), DTypeError);
      assert.throws(() => ops.reshape(argmax, { shape: [4] }), DTypeError);
      assert.throws(() => ops.relu(argmax as Tensor<'float32'>), DTypeError);
      await assert.rejects(argmax.data(), DTypeError);
    });

    it('fits the pooling that it comes from, and no other', async () => {
      const misused = (inputShape: Shape, options: ops.Pool2dOptions) =>
        device.scope(() =>
          ops.maxPool2dBackward(zeros([1, 1, 2, 2]), saved([1, 1, 4, 4]), { ...options, inputShape }),
        );
      using right = misused([1, 1, 4, 4], pool);
      assert.equal((await right.data()).length, 16);
      using larger = misused([1, 1, 5, 5], pool);
      await assert.rejects(larger.data(), /saved state is that of another max pooling/);
      using overlapping = misused([1, 1, 4, 4], { kernelSize: 3, stride: 1 });
      await assert.rejects(overlapping.data(), /saved state is that of another max pooling/);
      using none = device.scope(() => {
        return ops.maxPool2dBackward(zeros([1, 1, 2, 2]), zeros([1, 1, 2, 2]), {
          ...pool,
          inputShape: [1, 1, 4, 4],
        });
      });
      await assert.rejects(none.data(), /saved state is not that of a max pooling/);
    });
  });

  describe('ops', () => {
    it('refuse tensors of different devices, and say how to copy one over', () => {
      using other = openDevice('cpu');
      device.scope(() => {
        const foreign = other.tensor([1, 2], { shape: [2] });
        assert.throws(
          () => ops.add(zeros([2]), foreign),
          (error) => {
            assert.ok(error instanceof DeviceError);
            assert.match(
              error.message,
              /^add: tensors of different devices \(cpu and cpu\) were mixed\. Copy one over/,
            );
            return true;
          },
        );
      });
    });

    it('refuse a disposed tensor by name', () => {
      const x = device.tensor([1, 2], { shape: [2] });
      x.dispose();
      assert.throws(() => ops.relu(x), {
        code: 'ERR_DISPOSED',
        message: /^Tensor float32 \[2\] on cpu was used after/,
      });
    });
  });

  describe('shapes without computing', () => {
    it("are those of conv1's and pool1's outputs", () => {
      const conv1 = { stride: 4, padding: { right: 3, bottom: 3 } };
      assert.deepEqual(ops.conv2dShape([128, 3, 224, 224], [96, 3, 11, 11], conv1), [128, 96, 55, 55]);
      assert.deepEqual(ops.pool2dShape([128, 96, 55, 55], { kernelSize: 3, stride: 2 }), [128, 96, 27, 27]);
    });

    it('round pooling up where a window may run over the edge', () => {
      const sizes = (extent: number, options: object = {}) =>
        ops.pool2dShape([1, 1, extent, extent], {
          kernelSize: 3,
          stride: 2,
          rounding: 'ceil',
          ...options,
        })[2];
      assert.deepEqual(
        [32, 16, 8, 13, 14].map((extent) => sizes(extent)),
        [16, 8, 4, 6, 7],
      );
    });

    it('leave out a last window that would see padding alone', () => {
      const options = {
        kernelSize: 2,
        stride: 3,
        rounding: 'ceil',
        padding: { bottom: 1, right: 1 },
      } as const;
      assert.deepEqual(ops.pool2dShape([1, 1, 3, 3], options), [1, 1, 1, 1]);
    });
  });
});
