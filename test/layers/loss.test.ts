// The cross-entropy loss as an object: forward, saved state, backward.
// Invariant: values are held against the float64 reference, as those of the op are.
import { CrossEntropyLoss } from '../../lib/layers/index.js';
import { forEachDevice } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, map, ndArray } from '../helpers/reference.js';

forEachDevice('the cross-entropy loss', (on) => {
  it("and its gradient are the reference's", async () => {
    const logits = hashNdArray({ shape: [5, 4], seed: 186, low: -2, high: 2 });
    const classes = [3, 0, 1, 1, 2];
    const { loss, dlogits } = await on.compute(() => {
      const criterion = new CrossEntropyLoss();
      const { loss, saved } = criterion.forward(on.tensor(logits), on.labels(classes));
      return { loss, dlogits: criterion.backward(saved) };
    });
    on.expect('crossEntropyForward', loss, ndArray([], [reference.crossEntropy(logits, classes).loss]));
    on.expect('crossEntropyBackward', dlogits, reference.crossEntropyBackward(logits, classes));
  });

  it('of equal logits is the logarithm of the number of classes', async () => {
    const { loss } = await on.compute(() => {
      const logits = map(reference.zeros([2, 1000]), () => 3);
      return { loss: new CrossEntropyLoss().forward(on.tensor(logits), on.labels([0, 999])).loss };
    });
    on.expect('crossEntropyForward', loss, ndArray([], [Math.log(1000)]));
  });
});
