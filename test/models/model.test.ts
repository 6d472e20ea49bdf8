// A model around its network: where it is, what it is asked, how it predicts.
// Invariant: predictions are those of the network, in the words of the class names.
import assert from 'node:assert/strict';
import { ArgumentError, DeviceError } from '../../lib/errors.js';
import { Flatten, Linear, Sequential } from '../../lib/layers/index.js';
import { Model, Preprocessing } from '../../lib/models/index.js';
import { forEachDevice } from '../helpers/devices.js';

/** Counts red, green and blue: 2 x 2 pixels of three colours to three classes. */
function colourCounter(): Model {
  const fc = new Linear({ name: 'fc', inFeatures: 12, outFeatures: 3, bias: false });
  return new Model({
    network: new Sequential([new Flatten(), fc]),
    inputShape: [3, 2, 2],
    classNames: ['red', 'green', 'blue'],
  });
}

const COUNTING = Array.from({ length: 36 }, (_, i) =>
  Math.floor((i % 12) / 4) === Math.floor(i / 12) ? 1 : 0,
);

const flat = (red: number, green: number, blue: number) => ({
  width: 4,
  height: 3,
  data: Uint8Array.from({ length: 36 }, (_, i) => [red, green, blue][i % 3]!),
});

forEachDevice('a model', (on) => {
  function trained(): Model {
    const model = colourCounter().initialize(on.device, { seed: 1 });
    model.network.parameters[0]!.assign(on.device.tensor(COUNTING, { shape: [3, 12] }));
    const mean = Float32Array.of(0, 0, 0);
    model.preprocessing = new Preprocessing({ side: 3, crop: 2, mean, std: [100, 100, 100] });
    return model;
  }

  it('predicts class names with their probabilities, likeliest first', async () => {
    using model = trained();
    const [first, second, third] = await model.predict(flat(0, 100, 50));
    assert.deepEqual(
      [first, second, third].map((scored) => scored!.className),
      ['green', 'blue', 'red'],
    );
    assert.deepEqual(
      [first, second, third].map((scored) => scored!.classIndex),
      [1, 2, 0],
    );
    // Logits: four pixels each of 0, 1 and 1/2.
    const exponentials = [4, 2, 0].map(Math.exp);
    const sum = exponentials.reduce((a, b) => a + b);
    for (const [i, scored] of [first, second, third].entries()) {
      assert.ok(Math.abs(scored!.probability - exponentials[i]! / sum) < 1e-6);
    }
  });

  it('predicts many pictures in batches, each as on its own', async () => {
    using model = trained();
    const pictures = [flat(9, 1, 2), flat(1, 9, 2), flat(1, 2, 9), flat(9, 8, 7), flat(7, 8, 9)];
    const together = await model.predict(pictures, { batchSize: 2, top: 1 });
    assert.deepEqual(
      together.map(([best]) => best!.className),
      ['red', 'green', 'blue', 'red', 'blue'],
    );
    for (const [i, picture] of pictures.entries()) {
      assert.deepEqual(await model.predict(picture, { top: 1 }), together[i]);
    }
  });

  it('predicts nothing for no pictures', async () => {
    using model = trained();
    assert.deepEqual(await model.predict([]), []);
  });

  for (const [what, options] of [
    ['more classes than it has', { top: 4 }],
    ['no class', { top: 0 }],
    ['half a picture at a time', { batchSize: 0.5 }],
  ] as const) {
    it(`refuses to predict ${what}`, async () => {
      using model = trained();
      await assert.rejects(model.predict(flat(1, 2, 3), options), ArgumentError);
    });
  }

  it('says what it needs to predict pictures', async () => {
    using model = colourCounter().initialize(on.device, { seed: 1 });
    await assert.rejects(model.predict(flat(1, 2, 3)), {
      code: 'ERR_ARGUMENT',
      message: /does not know how its input is prepared; set model\.preprocessing/,
    });
  });

  it('is on the device that it was initialized on, before on none', () => {
    using model = colourCounter();
    assert.throws(() => model.device, DeviceError);
    model.initialize(on.device, { seed: 1 });
    assert.equal(model.device, on.device);
  });

  it('refuses class names that are not as many as its classes, and keeps those it has', () => {
    const model = colourCounter();
    assert.throws(() => (model.classNames = ['red', 'green']), {
      code: 'ERR_ARGUMENT',
      message: 'The model has 3 classes; 2 names were given.',
    });
    assert.deepEqual(model.classNames, ['red', 'green', 'blue']);
    const { network } = model;
    assert.throws(() => new Model({ network, inputShape: [3, 2, 2], classNames: ['red'] }), ArgumentError);
  });

  it('numbers its classes if they have no names', () => {
    const network = new Sequential([new Flatten(), new Linear({ inFeatures: 12, outFeatures: 3 })]);
    assert.deepEqual(new Model({ network, inputShape: [3, 2, 2] }).classNames, ['0', '1', '2']);
  });
});

describe('preprocessing', () => {
  const options = { side: 3, crop: 2, std: [1, 1, 1] } as const;

  it('takes a mean colour or a mean picture, and no other mean', () => {
    assert.doesNotThrow(() => new Preprocessing({ ...options, mean: new Float32Array(3) }));
    assert.doesNotThrow(() => new Preprocessing({ ...options, mean: new Float32Array(27) }));
    assert.throws(() => new Preprocessing({ ...options, mean: new Float32Array(12) }), {
      code: 'ERR_ARGUMENT',
      message: 'preprocessing: the mean has 12 values, expected 3 or 3x3x3.',
    });
  });

  it('refuses a crop that is larger than the pictures', () => {
    assert.throws(() => new Preprocessing({ ...options, crop: 4, mean: new Float32Array(3) }), ArgumentError);
  });
});
