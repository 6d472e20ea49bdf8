// ReLU, tanh and sigmoid and their gradients against the float64 reference.
// Invariant: gradients are taken from the output that the device itself computed.
import { relu, reluBackward, sigmoid, sigmoidBackward, tanh, tanhBackward } from '../../lib/ops/index.js';
import { forEachDevice, forEachLayout } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray, ndArray, type NdArray } from '../helpers/reference.js';

const functions = {
  relu: { forward: relu, backward: reluBackward, keys: ['reluForward', 'reluBackward'] },
  tanh: { forward: tanh, backward: tanhBackward, keys: ['tanhForward', 'tanhBackward'] },
  sigmoid: { forward: sigmoid, backward: sigmoidBackward, keys: ['sigmoidForward', 'sigmoidBackward'] },
} as const;

const references = {
  relu: [reference.relu, reference.reluBackward],
  tanh: [reference.tanh, reference.tanhBackward],
  sigmoid: [reference.sigmoid, reference.sigmoidBackward],
} as const;

const SHAPES = [
  [2, 3, 5, 4],
  [1, 20, 1, 1],
  [3, 20, 3, 5],
  [1, 96, 7, 7],
];

/** What a device reads: float32. */
function rounded(x: NdArray): NdArray {
  return { shape: x.shape, data: x.data.map(Math.fround) };
}

forEachDevice('activations', (on) => {
  for (const name of ['relu', 'tanh', 'sigmoid'] as const) {
    const { forward, backward, keys } = functions[name];
    const [expectedOutput, expectedGradient] = references[name];

    for (const shape of SHAPES) {
      forEachLayout(
        `${name} of [${shape.join(', ')}] and its gradient are the reference's`,
        async (layout) => {
          const x = hashNdArray({ shape, seed: 31, low: -4, high: 4 });
          const dy = hashNdArray({ shape, seed: 32, low: -1, high: 1 });
          const { y, dx } = await on.compute(() => {
            const output = forward(on.tensor(x, layout));
            return { y: output, dx: backward(on.tensor(dy), output) };
          });
          on.expect(keys[0], y, expectedOutput(x), 'y');
          on.expect(keys[1], dx, expectedGradient(rounded(expectedOutput(x)), dy), 'dx');
        },
      );
    }

    it(`${name} takes rows and single values as well as pictures`, async () => {
      const rows = hashNdArray({ shape: [3, 7], seed: 33, low: -2, high: 2 });
      const scalar = ndArray([], [0.75]);
      const { ofRows, ofScalar } = await on.compute(() => ({
        ofRows: forward(on.tensor(rows)),
        ofScalar: forward(on.tensor(scalar)),
      }));
      on.expect(keys[0], ofRows, expectedOutput(rows), 'rows');
      on.expect(keys[0], ofScalar, expectedOutput(scalar), 'a scalar');
    });

    it(`${name} saturates without overflow`, async () => {
      const x = ndArray([6], [-1e30, -200, -0, 0, 200, 1e30]);
      const dy = ndArray([6], [1, 1, 1, 1, 1, 1]);
      const { y, dx } = await on.compute(() => {
        const output = forward(on.tensor(x));
        return { y: output, dx: backward(on.tensor(dy), output) };
      });
      on.expect(keys[0], y, expectedOutput(rounded(x)), 'y');
      on.expect(keys[1], dx, expectedGradient(expectedOutput(rounded(x)), dy), 'dx');
    });
  }

  it('ReLU passes no gradient where its output is zero', async () => {
    const { dx } = await on.compute(() => {
      const y = relu(on.tensor(ndArray([4], [-1, 0, -0, 2])));
      return { dx: reluBackward(on.tensor(ndArray([4], [5, 6, 7, 8])), y) };
    });
    on.expect('reluBackward', dx, ndArray([4], [0, 0, 0, 8]));
  });
});
