// Parameters: how they start, who owns their value, how their gradient adds up.
// Invariant: the test's device counts tensors, so an owner that forgets one fails.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { Parameter } from '../../lib/layers/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, ndArray } from '../helpers/reference.js';

forEachDevice('a Parameter', (on) => {
  const make = () => new Parameter({ name: 'w', shape: [2, 3], initializer: { kind: 'gaussian', std: 1 } });
  const values = (low: number) =>
    on.tensor<readonly [2, 3]>(hashNdArray({ shape: [2, 3], seed: 185, low, high: 1 }));

  it('releases a value that is replaced', () => {
    using parameter = make();
    const first = values(0);
    parameter.assign(first);
    parameter.assign(values(-1));
    assert.equal(first.disposed, true);
  });

  it('keeps its value when it is assigned to itself', () => {
    using parameter = make();
    parameter.assign(values(0));
    parameter.assign(parameter.value);
    assert.equal(parameter.value.disposed, false);
  });

  it('refuses a value of another shape and keeps the one it has', () => {
    using parameter = make();
    parameter.assign(values(0));
    using wrong: Tensor<'float32'> = on.tensor(ndArray([3, 2], [0, 0, 0, 0, 0, 0]));
    assert.throws(() => parameter.assign(wrong), {
      code: 'ERR_SHAPE',
      message: /^w is \[2, 3\]; a value of \[3, 2\]/,
    });
    assert.equal(parameter.value.disposed, false);
  });

  it('adds up gradients until they are cleared', async () => {
    using parameter = make();
    parameter.assign(values(0));
    assert.equal(parameter.gradient, undefined);
    parameter.addGradient(values(0));
    parameter.addGradient(values(0));
    const single = hashNdArray({ shape: [2, 3], seed: 185, low: 0, high: 1 });
    assert.deepEqual(
      Array.from(await parameter.gradient!.data()),
      Array.from(single.data, (value) => 2 * value),
    );
    parameter.clearGradient();
    assert.equal(parameter.gradient, undefined);
  });

  it('takes no gradient while it is frozen', () => {
    using parameter = make();
    parameter.assign(values(0));
    parameter.frozen = true;
    const gradient = values(0);
    parameter.addGradient(gradient);
    assert.deepEqual([parameter.gradient, gradient.disposed], [undefined, true]);
    parameter.frozen = false;
    parameter.addGradient(values(0));
    assert.notEqual(parameter.gradient, undefined);
  });

  it('gives its value away for another of its shape', () => {
    using parameter = make();
    const [first, second] = [values(0), values(-1)];
    parameter.assign(first);
    using wrong: Tensor<'float32'> = on.tensor(ndArray([1], [0]));
    assert.throws(() => parameter.exchange(wrong), { code: 'ERR_SHAPE' });
    using before = parameter.exchange(second);
    assert.deepEqual([before === first, parameter.value === second, first.disposed], [true, true, false]);
  });

  it('has no value after it is disposed', () => {
    const parameter = make();
    parameter.assign(values(0));
    assert.equal(parameter.initialized, true);
    parameter.dispose();
    assert.equal(parameter.initialized, false);
    assert.throws(() => parameter.value, ArgumentError);
  });

  for (const [kind, initializer, expected] of [
    ['a constant', { kind: 'constant', value: 0.5 }, () => ndArray([7], new Array(7).fill(0.5))],
    [
      'a Gaussian',
      { kind: 'gaussian', std: 2 },
      () => ndArray([7], reference.gaussian(7, { mean: 0, std: 2 }, { seed: 3, step: 0, stream: 9 })),
    ],
    [
      'even numbers',
      { kind: 'uniform', bound: 2 },
      () => ndArray([7], reference.uniform(7, { low: -2, high: 2 }, { seed: 3, step: 0, stream: 9 })),
    ],
  ] as const) {
    it(`starts with ${kind}`, async () => {
      using parameter = new Parameter({ name: 'w', shape: [7], initializer });
      parameter.initialize(on.device, { seed: 3, stream: 9 });
      const { value } = await on.compute(() => ({ value: parameter.value.share() }));
      on.expect('gaussian', value, expected());
    });
  }
});
