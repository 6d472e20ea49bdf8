// Local response normalisation and its gradient against the float64 reference, in every convention.
// Invariant: alpha is strong enough here that another convention or a missing neighbour is far outside the tolerance.
import { lrn, lrnBackward, lrnWithin, lrnWithinBackward } from '../../lib/ops/index.js';
import { forEachDevice, layouts } from '../helpers/devices.js';
import * as reference from '../helpers/reference.js';
import { hashNdArray } from '../helpers/reference.js';

const SHAPES = [
  { shape: [2, 6, 5, 3], why: 'few channels' },
  { shape: [3, 20, 4, 4], why: 'channels that do not fill a block' },
  { shape: [1, 96, 3, 2], why: "AlexNet's channels" },
  { shape: [1, 2, 1, 1], why: 'a window wider than the channels' },
];

const ACROSS = [
  { size: 5, alpha: 0.1, alphaOver: 'sum', beta: 0.75, k: 2 },
  { size: 5, alpha: 0.5, alphaOver: 'mean', beta: 0.75, k: 1 },
  { size: 3, alpha: 0.1, alphaOver: 'sum', beta: 0.5, k: 1 },
  { size: 7, alpha: 0.1, alphaOver: 'sum', beta: 1, k: 2 },
  { size: 1, alpha: 0.3, alphaOver: 'mean', beta: 0.6, k: 0.5 },
  { size: 99, alpha: 0.1, alphaOver: 'sum', beta: 0.75, k: 1 },
  { size: 5, alpha: 0.1, alphaOver: 'sum', beta: 0.75, k: 2, channelGroups: 2 },
  { size: 7, alpha: 0.1, alphaOver: 'mean', beta: 1, k: 2, channelGroups: 2 },
] as const;

const WITHIN = [
  { size: 3, alpha: 0.2, alphaOver: 'mean', beta: 0.75, k: 1 },
  { size: 3, alpha: 0.2, alphaOver: 'sum', beta: 0.75, k: 2 },
  { size: 5, alpha: 0.1, alphaOver: 'sum', beta: 0.5, k: 1 },
  { size: 9, alpha: 0.1, alphaOver: 'mean', beta: 1, k: 1 },
] as const;

type Options = (typeof ACROSS)[number] | (typeof WITHIN)[number];

/** The reference's alpha always weighs the plain sum, over `windowSize` elements. */
function plain({ alpha, alphaOver, ...rest }: Options, windowSize: number) {
  return { ...rest, alpha: alphaOver === 'sum' ? alpha : alpha / windowSize };
}

function describeOptions({ size, beta, k, alphaOver, ...rest }: Options): string {
  const towers = 'channelGroups' in rest ? `, ${rest.channelGroups} towers` : '';
  return `size ${size}, beta ${beta}, k ${k}, alpha over the ${alphaOver}${towers}`;
}

forEachDevice('local response normalisation', (on) => {
  for (const options of ACROSS) {
    it(`across channels, ${describeOptions(options)}: output and gradient are the reference's`, async () => {
      for (const { shape, why } of SHAPES) {
        const x = hashNdArray({ shape, seed: 41, low: -3, high: 3 });
        const dy = hashNdArray({ shape, seed: 42, low: -1, high: 1 });
        const expected = plain(options, options.size);
        for (const layout of layouts) {
          const { y, dx } = await on.compute(() => ({
            y: lrn(on.tensor(x, layout), options),
            dx: lrnBackward(on.tensor(dy), on.tensor(x, layout), options),
          }));
          on.expect('lrnForward', y, reference.lrnAcrossChannels(x, expected), `y, ${why}, ${layout}`);
          const gradient = reference.lrnAcrossChannelsBackward(x, dy, expected);
          on.expect('lrnBackward', dx, gradient, `dx, ${why}, ${layout}`);
        }
      }
    });
  }

  for (const options of WITHIN) {
    it(`within a channel, ${describeOptions(options)}: output and gradient are the reference's`, async () => {
      for (const { shape, why } of SHAPES) {
        const x = hashNdArray({ shape, seed: 43, low: -3, high: 3 });
        const dy = hashNdArray({ shape, seed: 44, low: -1, high: 1 });
        const expected = plain(options, options.size ** 2);
        for (const layout of layouts) {
          const { y, dx } = await on.compute(() => ({
            y: lrnWithin(on.tensor(x, layout), options),
            dx: lrnWithinBackward(on.tensor(dy), on.tensor(x, layout), options),
          }));
          on.expect('lrnWithinForward', y, reference.lrnWithinChannel(x, expected), `y, ${why}, ${layout}`);
          const gradient = reference.lrnWithinChannelBackward(x, dy, expected);
          on.expect('lrnWithinBackward', dx, gradient, `dx, ${why}, ${layout}`);
        }
      }
    });
  }

  it('takes a gradient that lies in another layout than its input', async () => {
    const options = ACROSS[0];
    const x = hashNdArray({ shape: [2, 32, 3, 3], seed: 45, low: -3, high: 3 });
    const dy = hashNdArray({ shape: x.shape, seed: 46, low: -1, high: 1 });
    const { dx } = await on.compute(() => ({
      dx: lrnBackward(on.tensor(dy, 'as a convolution leaves it'), on.tensor(x), options),
    }));
    on.expect('lrnBackward', dx, reference.lrnAcrossChannelsBackward(x, dy, plain(options, options.size)));
  });
});
