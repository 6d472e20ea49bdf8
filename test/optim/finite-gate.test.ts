// The gate that keeps numbers that are not finite out of the weights.
// Invariant: gradients are given by hand; a skipped step must leave weights and velocities bit for bit.
import assert from 'node:assert/strict';
import { Parameter } from '../../lib/layers/index.js';
import { FiniteGate, SGD } from '../../lib/optim/index.js';
import { forEachDevice } from '../helpers/devices.js';

forEachDevice('FiniteGate', (on) => {
  const names = ['a', 'b'];

  async function weightsAfter(
    gradients: readonly (readonly number[])[],
    gate?: FiniteGate,
  ): Promise<number[]> {
    const parameters = names.map((name) => {
      const parameter = new Parameter({ name, shape: [2], initializer: { kind: 'constant', value: 1 } });
      parameter.initialize(on.device, { seed: 0, stream: 0 });
      return parameter;
    });
    using optimizer = new SGD(parameters, { learningRate: 0.1 });
    for (const values of gradients) {
      parameters.forEach((parameter, i) => {
        parameter.addGradient(on.device.tensor(values.slice(i * 2, i * 2 + 2), { shape: [2] }));
      });
      optimizer.step({ gate });
    }
    const weights = await Promise.all(parameters.map(({ value }) => value.data()));
    for (const parameter of parameters) parameter.dispose();
    return weights.flatMap((values) => [...values]);
  }

  it('lets finite gradients through as they are', async () => {
    using gate = new FiniteGate();
    const gradients = [
      [1, -2, 3, 4],
      [0.1, 0, -5, 1e-30],
    ];
    assert.deepEqual(await weightsAfter(gradients, gate), await weightsAfter(gradients));
  });

  for (const bad of [NaN, Infinity, -Infinity]) {
    it(`skips a step of which one element is ${bad}, for all parameters`, async () => {
      using gate = new FiniteGate();
      const first = [1, -2, 3, 4];
      const found = await weightsAfter([first, [0, 0, bad, 0], first], gate);
      assert.deepEqual(found, await weightsAfter([first, first]));
    });
  }

  it('gives the sum of the squares, once', async () => {
    using gate = new FiniteGate();
    await weightsAfter([[1, 2, 3, 4]], gate);
    using squares = gate.takeSquares();
    assert.equal(await squares!.item(), 30);
    assert.equal(gate.takeSquares(), undefined);
  });
});
