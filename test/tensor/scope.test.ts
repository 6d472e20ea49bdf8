// Scopes: what is made in one is gone after it, but for what it returns.
// Invariant: whatever way a scope ends, it holds nothing afterwards.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { add, affine, relu } from '../../lib/ops/index.js';
import { openDevice } from '../../lib/tensor/device.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { forEachDevice } from '../helpers/devices.js';

forEachDevice('device.scope', (on) => {
  const make = (value = 1): Tensor<'float32'> => on.device.tensor([value], { shape: [1] });

  it('disposes what was made in it, and returns what the function returns', () => {
    let inside: Tensor | undefined;
    const result = on.device.scope(() => {
      inside = relu(make());
      return 42;
    });
    assert.equal(result, 42);
    assert.equal(inside!.disposed, true);
  });

  it('keeps a tensor that is returned', async () => {
    using kept = on.device.scope(() => add(make(1), make(2)));
    assert.deepEqual(await kept.data(), Float32Array.of(3));
  });

  it('keeps tensors that are returned in an array or an object', () => {
    const kept = on.device.scope(() => ({ list: [make(), [make()]] as const, lost: make() }));
    assert.equal(kept.lost.disposed, false);
    assert.equal(kept.list[0].disposed, true);
    kept.lost.dispose();
    const [first, second] = on.device.scope(() => [make(), make()] as const);
    assert.deepEqual([first.disposed, second.disposed], [false, false]);
    first.dispose();
    second.dispose();
  });

  it('leaves alone what was made outside', () => {
    using outside = make();
    on.device.scope(() => void relu(outside));
    assert.equal(outside.disposed, false);
  });

  it('hands what an inner scope returns to the outer one', () => {
    let inner: Tensor | undefined;
    on.device.scope(() => {
      inner = on.device.scope(() => relu(make()));
      assert.equal(inner.disposed, false);
    });
    assert.equal(inner!.disposed, true);
  });

  it('lets what an inner scope returns go all the way out', async () => {
    using kept = on.device.scope(() =>
      on.device.scope(() => on.device.scope(() => affine(make(), { scale: 5 }))),
    );
    assert.deepEqual(await kept.data(), Float32Array.of(5));
  });

  it('disposes what was made before it failed, and fails with the same error', () => {
    let inside: Tensor | undefined;
    const failure = new Error('on purpose');
    const failing = () =>
      on.device.scope(() => {
        inside = make();
        throw failure;
      });
    assert.throws(failing, failure);
    assert.equal(inside!.disposed, true);
  });

  it('is over after it failed', () => {
    assert.throws(() => on.device.scope(() => assert.fail('on purpose')));
    using after = make();
    on.device.scope(() => {});
    assert.equal(after.disposed, false);
  });

  it('takes a tensor that is disposed within it', () => {
    on.device.scope(() => {
      using x = make();
      x.dispose();
    });
  });

  it('counts a share as made in it', () => {
    using x = make();
    let shared: Tensor | undefined;
    on.device.scope(() => {
      shared = x.share();
    });
    assert.deepEqual([x.disposed, shared!.disposed], [false, true]);
  });

  it('leaves the tensors of other devices alone', () => {
    using other = openDevice('cpu');
    using foreign = on.device.scope(() => ({ tensor: other.tensor([1], { shape: [1] }) })).tensor;
    assert.equal(foreign.disposed, false);
  });

  it('refuses an asynchronous function, and disposes what that has made', async () => {
    let inside: Tensor<'float32'> | undefined;
    const asynchronous = () =>
      on.device.scope(async () => {
        inside = make();
        await inside.data();
        relu(inside);
      });
    assert.throws(asynchronous, (error: Error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(error.message, /the function is asynchronous; declare its tensors with `using` instead/);
      return true;
    });
    assert.equal(inside!.disposed, true);
    // The function goes on and fails; had nobody caught that, this process would end here.
    await on.device.synchronize();
  });
});
