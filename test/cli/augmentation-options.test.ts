// From options to steps.
// Invariant: without options it is what the Trainer does by default.

import assert from 'node:assert/strict';
import { augmentationFrom, augmentationOptions } from '../../lib/cli/augmentation-options.js';
import { parse } from '../../lib/cli/args.js';
import { UsageError } from '../../lib/cli/usage-error.js';
import type { ColourStatistics } from '../../lib/index.js';

const statistics: ColourStatistics = {
  mean: [1, 2, 3],
  covariance: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  components: [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  standardDeviations: [1, 1, 1],
};

function stepsOf(...argv: string[]): string[] {
  const parsed = parse(argv, { positionals: {}, options: augmentationOptions });
  assert.ok(parsed !== 'help');
  return augmentationFrom(parsed, { size: 8, statistics }).map(({ name }) => name);
}

describe('augmentation options', () => {
  for (const [argv, steps] of [
    [[], ['randomCrop', 'randomMirror']],
    [['--no-mirror'], ['randomCrop']],
    [
      ['--resized-crop', '--flip'],
      ['randomResizedCrop', 'randomMirror', 'randomFlip'],
    ],
    [
      ['--pca-colour', '--erasing', '--colour-jitter', '0.4'],
      ['randomCrop', 'randomMirror', 'brightness', 'contrast', 'saturation', 'pcaColour', 'randomErasing'],
    ],
  ] as const) {
    it(`${argv.join(' ') || 'none'}`, () => assert.deepEqual(stepsOf(...argv), steps));
  }

  it('refuse factors that could be negative', () => {
    for (const factor of ['1', '0', '-0.5', 'x']) {
      assert.throws(() => stepsOf(`--colour-jitter=${factor}`), UsageError);
    }
  });
});
