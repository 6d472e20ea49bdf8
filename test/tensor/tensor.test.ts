// Values into tensors and back, for every element type, and who owns what.
// Invariant: what is given is copied, what is read is a fresh copy.
import assert from 'node:assert/strict';
import { ArgumentError, DisposedError, DTypeError, ShapeError } from '../../lib/errors.js';
import { fill, maxPool2d, relu } from '../../lib/ops/index.js';
import { dtypes, makeArray, type ArrayOf, type DType } from '../../lib/tensor/dtype.js';
import { forEachDevice } from '../helpers/devices.js';

const VALUES: { [D in DType]: ArrayOf<D> } = {
  float32: Float32Array.of(0, -0, 1.5, NaN, -Infinity, 2 ** -149),
  bfloat16: Uint16Array.of(0, 0x8000, 0x3fc0, 0x7fc1, 0xff80, 1),
  float16: Uint16Array.of(0, 0x8000, 0x3e00, 0x7e01, 0xfc00, 1),
  int32: Int32Array.of(0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 24 + 1),
  uint8: Uint8Array.of(0, 1, 127, 128, 254, 255),
  int8: Int8Array.of(0, 1, -1, 127, -127, -128),
};

forEachDevice('a tensor', (on) => {
  for (const dtype of dtypes) {
    it(`holds ${dtype} bit for bit`, async () => {
      using x = on.device.tensor(VALUES[dtype], { shape: [2, 3], dtype });
      assert.equal(x.dtype, dtype);
      assert.deepEqual(x.shape, [2, 3]);
      assert.equal(x.size, 6);
      assert.deepEqual(await x.data(), VALUES[dtype]);
    });
  }

  it('takes its type from the array it is made of', () => {
    using floats = on.device.tensor(new Float32Array(2), { shape: [2] });
    using integers = on.device.tensor(new Int32Array(2), { shape: [2] });
    using bytes = on.device.tensor(new Uint8Array(2), { shape: [2] });
    assert.deepEqual([floats.dtype, integers.dtype, bytes.dtype], ['float32', 'int32', 'uint8']);
  });

  it('is made of numbers, as float32 or as it is told', async () => {
    using floats = on.device.tensor([0.1, 2], { shape: [2] });
    using integers = on.device.tensor([1, -2], { shape: [2], dtype: 'int32' });
    using bits = on.device.tensor([0x3f80], { shape: [1], dtype: 'bfloat16' });
    assert.deepEqual(await floats.data(), Float32Array.of(0.1, 2));
    assert.deepEqual(await integers.data(), Int32Array.of(1, -2));
    assert.deepEqual(await bits.data(), Uint16Array.of(0x3f80));
  });

  it('is made of a part of a buffer, at any offset', async () => {
    const whole = Float32Array.of(1, 2, 3, 4, 5);
    using x = on.device.tensor(whole.subarray(1, 4), { shape: [3] });
    using bytes = on.device.tensor(Buffer.from([9, 8, 7, 6]).subarray(1, 3), { shape: [2] });
    assert.deepEqual(await x.data(), Float32Array.of(2, 3, 4));
    assert.deepEqual(await bytes.data(), Uint8Array.of(8, 7));
  });

  it('is made of memory that threads share', async () => {
    const shared = new Float32Array(new SharedArrayBuffer(16), 4, 2);
    shared.set([5, 6]);
    using x = on.device.tensor(shared, { shape: [2] });
    assert.deepEqual(await x.data(), Float32Array.of(5, 6));
  });

  it('keeps its values when the array it was made of changes', async () => {
    const values = Float32Array.of(1, 2);
    using x = on.device.tensor(values, { shape: [2] });
    values.fill(9);
    assert.deepEqual(await x.data(), Float32Array.of(1, 2));
  });

  it("is made on the device's own thread where there are many values", async () => {
    const values = Float32Array.from({ length: 3_000_000 }, (_, i) => i);
    using x = await on.device.upload(values, { shape: [3, 1000, 1000] });
    assert.deepEqual([x.dtype, x.shape], ['float32', [3, 1000, 1000]]);
    assert.deepEqual(await x.data(), values);
    await assert.rejects(on.device.upload(values, { shape: [3] }), { code: 'ERR_SHAPE' });
  });

  it('is read into an array that fits, and no other', async () => {
    using x = on.device.tensor([1, 2], { shape: [2] });
    const target = new Float32Array(4);
    const part = target.subarray(1, 3);
    assert.equal(await x.data(part), part);
    assert.deepEqual(target, Float32Array.of(0, 1, 2, 0));
    await assert.rejects(x.data(target), {
      code: 'ERR_ARGUMENT',
      message: /does not fit into a Float32Array of 4/,
    });
    await assert.rejects(x.data(new Int32Array(2) as never), ArgumentError);
  });

  it('gives a new array each time it is read', async () => {
    using x = on.device.tensor([1, 2], { shape: [2] });
    const [first, second] = await Promise.all([x.data(), x.data()]);
    first.fill(9);
    assert.deepEqual(second, Float32Array.of(1, 2));
  });

  it('keeps its shape when the array that gave it changes', () => {
    const shape = [2, 3];
    using uploaded = on.device.tensor(new Float32Array(6), { shape });
    using made = fill(on.device, { shape, value: 1 });
    shape[0] = 7;
    assert.deepEqual(
      [uploaded.shape, made.shape],
      [
        [2, 3],
        [2, 3],
      ],
    );
  });

  it('of one element gives it as a number, of more refuses', async () => {
    using scalar = on.device.tensor([2.5], { shape: [] });
    using single = on.device.tensor(Int32Array.of(7), { shape: [1, 1] });
    using pair = on.device.tensor([1, 2], { shape: [2] });
    assert.equal(await scalar.item(), 2.5);
    assert.equal(await single.item(), 7);
    await assert.rejects(pair.item(), {
      name: 'ShapeError [ERR_SHAPE]',
      message: /needs one element; Tensor float32 \[2\]/,
    });
  });

  it('shares its elements with another owner, each released on its own', async () => {
    const x = on.device.tensor([1, 2], { shape: [2] });
    using shared = x.share();
    x.dispose();
    assert.deepEqual(await shared.data(), Float32Array.of(1, 2));
    assert.throws(() => x.share(), DisposedError);
  });

  it('is released at the end of the block that declared it', () => {
    let escaped;
    {
      using x = on.device.tensor([1], { shape: [1] });
      escaped = x;
      assert.equal(x.disposed, false);
    }
    assert.equal(escaped.disposed, true);
  });

  it('can be disposed twice', () => {
    const x = on.device.tensor([1], { shape: [1] });
    x.dispose();
    x.dispose();
    assert.equal(x.disposed, true);
  });

  it('can be disposed while an op that uses it is still to run', async () => {
    const x = on.device.tensor([-1, 2], { shape: [2] });
    using y = relu(x);
    const pending = x.data();
    x.dispose();
    assert.deepEqual(await pending, Float32Array.of(-1, 2));
    assert.deepEqual(await y.data(), Float32Array.of(0, 2));
  });

  it('cannot be read after it was disposed', async () => {
    const x = on.device.tensor([1], { shape: [1] });
    x.dispose();
    await assert.rejects(x.data(), {
      code: 'ERR_DISPOSED',
      message: `Tensor float32 [1] on ${on.kind} was used after it was disposed.`,
    });
    await assert.rejects(x.item(), DisposedError);
  });

  it('says what it is', () => {
    using x = on.device.tensor([1, 2], { shape: [1, 2] });
    assert.equal(x.toString(), `Tensor float32 [1, 2] on ${on.kind}`);
  });

  it('has an opaque type where it is the state of an op', () => {
    on.device.scope(() => {
      const x = fill(on.device, { shape: [1, 1, 2, 2], value: 1 });
      assert.equal(maxPool2d(x, { kernelSize: 2, training: true }).argmax!.dtype, 'opaque');
      assert.equal(maxPool2d(x, { kernelSize: 2 }).argmax, null);
    });
  });
});

forEachDevice('a tensor refuses', (on) => {
  for (const [what, data, options, error] of [
    ['too few values', new Float32Array(5), { shape: [2, 3] }, ShapeError],
    ['too many values', [1, 2], { shape: [] }, ShapeError],
    ['an extent of 0', [], { shape: [0] }, ShapeError],
    ['a negative extent', [1], { shape: [-1, -1] }, ShapeError],
    ['half an extent', [1], { shape: [0.5, 2] }, ShapeError],
    ['bits of 16 whose type is not said', new Uint16Array(1), { shape: [1] }, DTypeError],
    ['double precision', new Float64Array(1), { shape: [1] }, DTypeError],
    ['clamped bytes', new Uint8ClampedArray(1), { shape: [1] }, DTypeError],
    [
      'an array of another type than it is told',
      new Int32Array(1),
      { shape: [1], dtype: 'float32' },
      ArgumentError,
    ],
    ['16 bits for 8', new Uint16Array(1), { shape: [1], dtype: 'uint8' }, ArgumentError],
  ] as const) {
    it(what, () => {
      assert.throws(() => on.device.tensor(data as never, options as never), error);
    });
  }

  it('an array of another type by both names', () => {
    const wrong = () => on.device.tensor(new Int32Array(1) as never, { shape: [1], dtype: 'float32' });
    assert.throws(wrong, { message: 'tensor: float32 is held in a Float32Array, got a Int32Array.' });
  });
});

describe('element types', () => {
  it('have the arrays that hold them', () => {
    for (const dtype of dtypes) assert.equal(makeArray(dtype, 3).constructor, VALUES[dtype].constructor);
  });
});
