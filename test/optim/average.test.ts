// Averages of weights: what they are, and that they are lent and given back.
// Invariant: values are held against the recursion in float64.
import assert from 'node:assert/strict';
import { ArgumentError } from '../../lib/errors.js';
import { Parameter } from '../../lib/layers/index.js';
import { WeightAverage } from '../../lib/optim/index.js';
import { forEachDevice, type TestDevice } from '../helpers/devices.js';
import { hashNdArray, map, type NdArray } from '../helpers/reference.js';

function hash(seed: number): NdArray {
  return hashNdArray({ shape: [3, 4], seed, low: -1, high: 1 });
}

function makeParameter(on: TestDevice, seed: number): Parameter {
  const initializer = { kind: 'constant', value: 0 } as const;
  const parameter = new Parameter({ name: `w${seed}`, shape: [3, 4], initializer });
  parameter.assign(on.tensor(hash(seed)));
  return parameter;
}

forEachDevice('WeightAverage', (on) => {
  async function valueOf(parameter: Parameter) {
    return (await on.compute(() => ({ value: parameter.value.share() }))).value;
  }

  it('forgets the first weights soon, and keeps `decay` of itself later', async () => {
    using parameter = makeParameter(on, 230);
    using averages = new WeightAverage([parameter], { decay: 0.5 });
    let expected = hash(230);
    for (const [n, seed] of [231, 232, 233, 234, 235, 236, 237, 238, 239, 240].entries()) {
      parameter.assign(on.tensor(hash(seed)));
      averages.update(n + 1);
      const decay = Math.min(0.5, (2 + n) / (11 + n));
      expected = map(expected, (mean, i) => decay * mean + (1 - decay) * hash(seed).data[i]!);
    }
    {
      using _lent = averages.lend();
      on.expect('average', await valueOf(parameter), expected);
    }
    on.expect('reshape', await valueOf(parameter), map(hash(240), Math.fround));
  });

  it('leaves frozen parameters alone, and refuses a decay of 1', async () => {
    using parameter = makeParameter(on, 241);
    parameter.frozen = true;
    using averages = new WeightAverage([parameter]);
    averages.update(1);
    using _lent = averages.lend();
    on.expect('reshape', await valueOf(parameter), map(hash(241), Math.fround));
    assert.throws(() => new WeightAverage([], { decay: 1 }), ArgumentError);
  });
});
