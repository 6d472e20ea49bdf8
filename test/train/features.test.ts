// Outputs of layers, picture by picture and for a dataset, against layers that are run one after the other.
// Invariant: what is asked for is the output of the layer as the user wrote it, whatever runs fused.
import assert from 'node:assert/strict';
import { ArgumentError, AbortedError } from '../../lib/errors.js';
import { inference, type Activations } from '../../lib/layers/index.js';
import type { Model } from '../../lib/models/index.js';
import { extractFeatures } from '../../lib/train/index.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { assertClose } from '../helpers/compare.js';
import { forEachDevice } from '../helpers/devices.js';
import { CROP, pictures, PICTURES, SIDE, smallModel } from './small.js';

const LAYERS = { conv: [4, 4, 4], relu: [4, 4, 4], flatten: [64], fc: [7] } as const;

/** One layer after the other, none of them fused. */
async function byHand(model: Model, x: Activations, layer: string): Promise<Float32Array> {
  let current = x.share();
  for (const each of model.network.layers) {
    const { y } = each.forward(current, inference);
    current.dispose();
    current = y;
    if (each.name === layer) break;
  }
  using last = current as Tensor<'float32'>;
  return await last.data();
}

async function square(index: number): Promise<Uint8Array> {
  const data = new Uint8Array(SIDE * SIDE * 3);
  await pictures().read([index], data);
  return data;
}

forEachDevice('features', (on) => {
  for (const [layer, shape] of Object.entries(LAYERS)) {
    it(`of ${layer} are its output: for tensors, for pictures and for a dataset`, async () => {
      using model = smallModel(on);
      const x = Float32Array.from({ length: 2 * 3 * CROP * CROP }, (_, i) => Math.sin(i));
      using input = on.device.tensor(x, { shape: [2, 3, CROP, CROP] });
      const { y } = await on.compute(() => ({ y: model.forwardTo(input, { layer }) }));
      assert.deepEqual(y.shape, [2, ...shape]);
      const close = { rtol: 1e-6, atol: 1e-6, what: layer };
      assertClose(y.data, await byHand(model, input, layer), close);

      let seen = 0;
      for await (const batch of extractFeatures(model, pictures(), { layer, batchSize: 10 })) {
        const n = batch.indices.length;
        assert.deepEqual(batch.shape, [n, ...shape]);
        assert.deepEqual(
          [...batch.indices],
          Array.from({ length: n }, (_, i) => seen + i),
        );
        assert.equal(batch.labels[0], (seen * 5) % 7);
        const data = await square(seen);
        const single = await model.features({ width: SIDE, height: SIDE, data }, { layer });
        assertClose(batch.features.subarray(0, single.length), single, close);
        seen += n;
      }
      assert.equal(seen, PICTURES);
    });
  }

  it('of several pictures are those of each', async () => {
    using model = smallModel(on);
    const inputs = await Promise.all(
      [3, 1, 4].map(async (i) => ({ width: SIDE, height: SIDE, data: await square(i) })),
    );
    const together = await model.features(inputs, { layer: 'relu', batchSize: 2 });
    assert.equal(together.length, 3);
    for (const [i, input] of inputs.entries()) {
      assertClose(together[i]!, await model.features(input, { layer: 'relu' }), {
        rtol: 1e-6,
        atol: 1e-6,
        what: String(i),
      });
    }
    assert.deepEqual(await model.features([], { layer: 'fc' }), []);
  });

  it('of a layer that does not exist are refused with the names that there are', async () => {
    using model = smallModel(on);
    const missing = { code: 'ERR_ARGUMENT', message: /no layer 'fc7'; there are conv, relu, flatten, fc\./ };
    await assert.rejects(model.features([], { layer: 'fc7' }), missing);
    await assert.rejects(extractFeatures(model, pictures(), { layer: 'fc7' }).next(), missing);
    await assert.rejects(model.features([], { layer: 'fc', batchSize: 0 }), ArgumentError);
  });

  it('end with the loop that takes them, and when they are aborted, without tensors left behind', async () => {
    using model = smallModel(on);
    for await (const batch of extractFeatures(model, pictures(), { layer: 'fc', batchSize: 4 })) {
      if (batch.indices.includes(9)) break;
    }
    const stop = new AbortController();
    const all = extractFeatures(model, pictures(), { layer: 'fc', batchSize: 4, signal: stop.signal });
    await all.next();
    stop.abort();
    await assert.rejects(all.next(), AbortedError);
  });
});
