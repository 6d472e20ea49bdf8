// A training and a prediction as a user of the package would write them; the library is given, however it was loaded.
// Invariant: plain CommonJS, so that every kind of program can load it; it throws unless the network has learnt.
const assert = require('node:assert/strict');

/** A red square, 8 x 8 pixels. */
const RED_PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4ISKCFTEMLQkAnyE8ARP7+HkAAAAASUVORK5CYII=';
const SIDE = 16;

function redAndGreen(library) {
  const labels = Array.from({ length: 32 }, (_, i) => i % 2);
  const images = Uint8Array.from(
    labels.flatMap((label) =>
      Array(SIDE * SIDE)
        .fill(label ? [20, 200, 20] : [200, 20, 20])
        .flat(),
    ),
  );
  return new library.InMemoryDataset({ images, labels, classNames: ['red', 'green'], side: SIDE });
}

function smallModel({ Conv2d, Flatten, Linear, Model, Preprocessing, ReLU, Sequential }) {
  const network = new Sequential([
    new Conv2d({ name: 'conv', inChannels: 3, outChannels: 8, kernelSize: 5, stride: 2 }),
    new ReLU({ name: 'relu' }),
    new Flatten({ name: 'flatten' }),
    new Linear({ name: 'fc', inFeatures: 8 * 4 * 4, outFeatures: 2 }),
  ]);
  const model = new Model({ network, inputShape: [3, 12, 12], classNames: ['red', 'green'] });
  model.preprocessing = new Preprocessing({
    side: SIDE,
    crop: 12,
    mean: Float32Array.of(110, 110, 20),
    std: [64, 64, 64],
  });
  return model;
}

module.exports = async function trainAndPredict(library) {
  const device = library.openDevice('cpu');
  const model = smallModel(library);
  model.initialize(device, { seed: 1 });
  const trainer = new library.Trainer(model, { epochs: 4, batchSize: 8, mirror: false });
  const losses = [];
  for await (const event of trainer.fit({ train: redAndGreen(library) })) {
    if (event.type === 'epoch') losses.push(event.train.loss);
  }
  assert.ok(losses.at(-1) < losses[0] / 2, `the loss did not fall: ${losses}`);
  const [best] = await model.predict(Buffer.from(RED_PNG, 'base64'));
  assert.equal(best.className, 'red');
  model.dispose();
  device.dispose();
  console.log(
    `loss ${losses[0].toFixed(3)} -> ${losses.at(-1).toFixed(3)}, ${best.className} ${best.probability.toFixed(3)}`,
  );
};
