// Training on pictures that are not cut to squares.
// Invariant: the same pictures as squares, in frames of their own size, train to the same losses.
import assert from 'node:assert/strict';
import type { InMemoryDataset } from '../../lib/data/index.js';
import { randomCrop, type ImageDataset } from '../../lib/data/index.js';
import { Preprocessing } from '../../lib/models/index.js';
import { evaluate, Trainer } from '../../lib/train/index.js';
import { forEachDevice } from '../helpers/devices.js';
import { CROP, pictures, PICTURES, SIDE, smallModel } from './small.js';

/** The squares, but said to be of sizes of their own. */
function framed(): ImageDataset {
  const squares: InMemoryDataset = pictures();
  const sides = new Int32Array(PICTURES).fill(SIDE);
  return Object.assign(squares, { sizes: { heights: sides, widths: sides } });
}

forEachDevice('pictures in frames', (on) => {
  const options = { epochs: 2, batchSize: 8, deadStartSteps: 0, augmentation: [randomCrop({ size: CROP })] };

  async function losses(train: ImageDataset): Promise<number[]> {
    using model = smallModel(on);
    const found: number[] = [];
    await new Trainer(model, options).run(
      { train },
      { onEvent: (event) => event.type === 'step' && found.push(event.loss) },
    );
    found.push((await evaluate(model, train, { views: 'ten' })).loss);
    return found;
  }

  it('train as squares do', async () => {
    const found = await losses(framed());
    assert.equal(found.length, 5);
    assert.deepEqual(found, await losses(pictures()));
  });

  it('have a mean colour subtracted, and are refused where the model subtracts a mean picture', async () => {
    using model = smallModel(on);
    model.preprocessing = undefined;
    await new Trainer(model, { ...options, epochs: 1 }).run({ train: framed() });
    assert.equal(model.preprocessing!.options.mean.length, 3);
    const mean = new Float32Array(SIDE * SIDE * 3);
    model.preprocessing = new Preprocessing({ side: SIDE, crop: CROP, mean, std: [1, 1, 1] });
    await assert.rejects(
      evaluate(model, framed()),
      /a mean picture, which has no place in pictures of several/,
    );
  });
});
