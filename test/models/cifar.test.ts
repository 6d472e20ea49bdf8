// The CIFAR-10 nets' topology, as cuda-convnet's layer files have it.
// Invariant: computed from shapes alone; no device is opened here.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { cifarNet, type CifarNetName } from '../../lib/models/index.js';

describe('the CIFAR nets', () => {
  for (const [net, parameters] of [
    ['80sec', 145_578],
    ['19pct', 89_578],
    ['18pct', 89_578],
  ] as const) {
    it(`${net} has ${parameters} parameters`, () => {
      assert.equal(cifarNet({ net }).summary().parameters, parameters);
    });

    it(`${net} pools 32 pixels to 16, 8 and 4: windows may run over the edge`, () => {
      const { rows } = cifarNet({ net }).summary();
      const pools = rows.filter(({ name }) => name.startsWith('pool')).map(({ outputShape }) => outputShape);
      assert.deepEqual(pools, [
        [1, 32, 16, 16],
        [1, 32, 8, 8],
        [1, 64, 4, 4],
      ]);
    });
  }

  const order = (net: CifarNetName) => cifarNet({ net }).network.layers.map(({ name }) => name);

  it('80sec pools before the first ReLU and ends in two fully connected layers', () => {
    assert.deepEqual(order('80sec'), [
      ...['conv1', 'pool1', 'relu1', 'conv2', 'relu2', 'pool2', 'conv3', 'relu3', 'pool3'],
      ...['flatten', 'fc64', 'relu4', 'fc10'],
    ]);
  });

  it('18pct normalises after its first two poolings, 19pct nowhere', () => {
    assert.deepEqual(order('18pct'), [
      ...['conv1', 'pool1', 'relu1', 'lrn1', 'conv2', 'relu2', 'pool2', 'lrn2', 'conv3', 'relu3', 'pool3'],
      ...['flatten', 'fc10'],
    ]);
    assert.ok(!order('19pct').some((name) => name.startsWith('lrn')));
  });

  it('have as many outputs as there are class names', () => {
    const model = cifarNet({ net: '19pct', classNames: ['cat', 'dog'] });
    assert.deepEqual(model.network.outputShape([5, 3, 32, 32]), [5, 2]);
  });

  it('are three', () => {
    assert.throws(
      () => cifarNet({ net: '17pct' as '18pct' }),
      (error: Error) => {
        assert.ok(error instanceof ArgumentError);
        assert.equal(error.message, "cifarNet: no net '17pct'; there are 80sec, 19pct and 18pct.");
        return true;
      },
    );
  });
});
