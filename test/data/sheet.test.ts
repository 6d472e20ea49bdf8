// Sheets of pictures: what is where.
// Invariant: sheets are read back with the package's own decoder.

import assert from 'node:assert/strict';
import { decodeImage } from '../../lib/data/decode.js';
import { pngSheet } from '../../lib/data/sheet.js';
import type { RgbImage } from '../../lib/data/types.js';
import { ArgumentError } from '../../lib/errors.js';

function plain(side: number, colour: readonly [number, number, number]): RgbImage {
  const data = Uint8Array.from({ length: side * side * 3 }, (_, i) => colour[i % 3]!);
  return { width: side, height: side, data };
}

describe('pngSheet', () => {
  const [red, green, blue] = [plain(6, [255, 0, 0]), plain(4, [0, 255, 0]), plain(6, [0, 0, 255])];

  it('has rows and columns of equal cells on white, smaller pictures in their middle', async () => {
    const { width, height, data } = await decodeImage(await pngSheet([[red, green], [blue]]));
    assert.deepEqual([width, height], [24, 24]);
    const at = (x: number, y: number): number[] => [
      ...data.subarray((y * width + x) * 3, (y * width + x) * 3 + 3),
    ];
    const white = [255, 255, 255];
    assert.deepEqual([at(3, 4), at(4, 4), at(9, 9), at(10, 9)], [white, [255, 0, 0], [255, 0, 0], white]);
    assert.deepEqual([at(14, 5), at(15, 5), at(18, 8), at(19, 8)], [white, [0, 255, 0], [0, 255, 0], white]);
    assert.deepEqual([at(4, 13), at(4, 14), at(9, 19), at(15, 15)], [white, [0, 0, 255], [0, 0, 255], white]);
  });

  it('needs a picture', async () => {
    await assert.rejects(pngSheet([]), ArgumentError);
    await assert.rejects(pngSheet([[]]), ArgumentError);
  });
});
