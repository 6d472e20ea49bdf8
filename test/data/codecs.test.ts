// The decoders against each other: the same pixels within what their arithmetic allows, the same errors, no lost files.
// Invariant: jimp's own codec is the reference; sharp's absence is tested in a copy of the package that cannot find it.

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decoderInfo, type Decoder } from '../../lib/data/codecs/index.js';
import { DecodePool } from '../../lib/data/decode-pool.js';
import { decodeFile, decodeImage } from '../../lib/data/decode.js';
import { resizeToSquare } from '../../lib/data/resize.js';
import { DecodeError } from '../../lib/errors.js';
import { photoJpeg, type PhotoJpegOptions } from './photo.js';
import { flatJpeg, gradient, png, rgbOf } from './pictures.js';
import { tempFiles, tempFolder } from './temp-folder.js';

const FAST: readonly Decoder[] = ['wasm', 'sharp', 'auto'];

async function pixels(file: Uint8Array, decoder: Decoder): Promise<Uint8Array> {
  return (await decodeImage(file, { decoder })).data;
}

function differences(a: Uint8Array, b: Uint8Array): { mean: number; max: number } {
  assert.equal(a.length, b.length);
  let sum = 0;
  let max = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    sum += difference;
    max = Math.max(max, difference);
  }
  return { mean: sum / a.length, max };
}

interface Kind extends Omit<PhotoJpegOptions, 'seed'> {
  readonly name: string;
  readonly mean: number;
  readonly max: number;
}

/** Full-size chroma differs by rounding alone. Halved chroma is interpolated by libjpeg, and repeated by jimp. */
const KINDS: readonly Kind[] = [
  { name: 'greyscale', subsample: 1, grey: true, mean: 0.1, max: 1 },
  { name: 'full-size chroma', subsample: 1, mean: 0.6, max: 4 },
  { name: 'progressive', subsample: 1, progressive: true, mean: 0.6, max: 4 },
  { name: 'halved chroma', subsample: 2, mean: 1.8, max: 60 },
  {
    name: 'halved chroma, progressive, odd size',
    subsample: 2,
    progressive: true,
    width: 91,
    height: 67,
    mean: 2.5,
    max: 60,
  },
  { name: 'many pixels', subsample: 1, width: 600, height: 400, mean: 0.6, max: 4 },
];

describe('decoders', () => {
  for (const decoder of FAST) {
    for (const { name, mean, max, ...options } of KINDS) {
      it(`${decoder} decodes a JPEG as jimp does: ${name}`, async () => {
        for (const seed of [1, 2, 3]) {
          const file = await photoJpeg({ ...options, seed });
          const found = differences(await pixels(file, decoder), await pixels(file, 'jimp'));
          assert.ok(found.mean <= mean && found.max <= max, JSON.stringify(found));
        }
      });
    }

    it(`${decoder} decodes RGB without a colour transform, and leaves CMYK to jimp`, async () => {
      const rgb = flatJpeg({ values: [200, 30, 90], adobeTransform: 0 });
      assert.ok(differences(await pixels(rgb, decoder), await pixels(rgb, 'jimp')).max <= 1);
      const cmyk = flatJpeg({ values: [200, 100, 50, 204], adobeTransform: 0 });
      assert.deepEqual(await pixels(cmyk, decoder), await pixels(cmyk, 'jimp'));
    });

    it(`${decoder} decodes PNG exactly`, async () => {
      const canvas = gradient(13, 9);
      for (const colour of ['rgb', 'grey', 'rgba', 'greyAlpha'] as const) {
        for (const bits of [8, 16] as const) {
          const file = png(
            { ...canvas, paint: (x, y) => [...canvas.paint(x, y).slice(0, 3), (x * 19) % 256] as never },
            { colour, bits },
          );
          assert.deepEqual(
            Buffer.from(await pixels(file, decoder)),
            Buffer.from(await pixels(file, 'jimp')),
            `${colour} ${bits}`,
          );
        }
      }
      assert.deepEqual(Buffer.from(await pixels(png(canvas), decoder)), Buffer.from(rgbOf(canvas)));
    });

    it(`${decoder} refuses a truncated file with the same words as jimp, and decodes the next`, async () => {
      const file = await photoJpeg({ subsample: 2, seed: 4, width: 600, height: 400 });
      const expected = await pixels(file, decoder);
      const refusal = async (bytes: Uint8Array, by: Decoder): Promise<string> => {
        const error = await decodeImage(bytes, { decoder: by }).then(
          () => assert.fail('it was decoded'),
          (reason: unknown) => reason,
        );
        assert.ok(error instanceof DecodeError, String(error));
        return error.message;
      };
      for (const length of [file.length - 2, file.length >> 1, 700]) {
        const cut = file.subarray(0, length);
        assert.equal(await refusal(cut, decoder), await refusal(cut, 'jimp'));
        assert.match(await refusal(cut, decoder), /truncated/);
        assert.deepEqual(await pixels(file, decoder), expected);
      }
    });

    it(`${decoder} keeps pictures apart that are decoded at the same time, and gives large memory back`, async () => {
      const files = await Promise.all(
        [
          { seed: 1 },
          { seed: 2, width: 2500, height: 1700 },
          { seed: 3, width: 75, height: 31 },
          { seed: 4 },
        ].map((options) => photoJpeg({ subsample: 1, ...options })),
      );
      const together = await Promise.all(files.map((file) => pixels(file, decoder)));
      for (const [i, file] of files.entries()) assert.deepEqual(together[i], await pixels(file, decoder));
    }).timeout(20_000);
  }

  it('libjpeg leaves a file with stray bytes, which it warns about, to jimp', async () => {
    const file = await photoJpeg({ subsample: 2, seed: 5 });
    const stray = Buffer.concat([file.subarray(0, -2), Buffer.from([1, 2, 3]), file.subarray(-2)]);
    assert.deepEqual(await pixels(stray, 'wasm'), await pixels(stray, 'jimp'));
    assert.notDeepEqual(await pixels(file, 'wasm'), await pixels(file, 'jimp'));
  });

  it('libjpeg and sharp give the same pixels', async () => {
    for (const { name, mean: _mean, max: _max, ...options } of KINDS) {
      const file = await photoJpeg({ ...options, seed: 6 });
      assert.ok(differences(await pixels(file, 'wasm'), await pixels(file, 'sharp')).max === 0, name);
    }
  });
});

describe('the choice of a decoder', () => {
  it('can be seen: all work here, and sharp is first', async () => {
    const info = await decoderInfo();
    assert.equal(info.fastest, 'sharp');
    assert.ok(info.jimp.available && /^\d+\.\d+\.\d+$/.test(info.jimp.version));
    assert.ok(info.wasm.available && /^\d+\.\d+\.\d+$/.test(info.wasm.version));
    assert.ok(info.sharp.available && /^\d+\.\d+\.\d+, libvips \d/.test(info.sharp.version));
  });

  it('reaches the threads of a pool', async () => {
    const file = await photoJpeg({ subsample: 2, seed: 7, width: 64, height: 64 });
    const path = join(tempFiles({ 'a.jpg': file }), 'a.jpg');
    const squares = await Promise.all(
      (['jimp', 'wasm'] as const).map(async (decoder) => {
        const pool = new DecodePool({ workers: 1, side: 64, decoder });
        const [square] = await pool.decode([path]);
        await pool.close();
        const data = resizeToSquare(await decodeFile(path, { decoder }), 64);
        assert.deepEqual(square, { width: 64, height: 64, data });
        return square;
      }),
    );
    assert.notDeepEqual(squares[0], squares[1]);
  });

  it('is refused where there is no such decoder', async () => {
    const decoder = 'libpng' as Decoder;
    const message = /decoder is 'libpng', expected one of auto, sharp, wasm, jimp/;
    await assert.rejects(decodeImage(png(gradient(2, 2)), { decoder }), message);
    assert.throws(() => new DecodePool({ decoder }), message);
  });
});

/** The package as its users have it: with its dependencies, and without those of its development. */
function copyWithoutSharp(): string {
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  const folder = tempFolder();
  cpSync(join(root, 'dist/lib'), join(folder, 'lib'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), link);
  }
  return join(folder, 'lib/data');
}

describe('the choice of a decoder, where sharp is not installed', () => {
  const file = png(gradient(2, 2));
  let folder: string;
  const load = <T>(name: string): Promise<T> => import(join(folder, name)) as Promise<T>;
  before(() => (folder = copyWithoutSharp()));

  it('falls on libjpeg, and says why', async () => {
    const codecs = await load<typeof import('../../lib/data/codecs/index.js')>('codecs/index.js');
    const info = await codecs.decoderInfo();
    assert.equal(info.fastest, 'wasm');
    assert.deepEqual(info.sharp, { available: false, reason: 'it is not installed' });
  });

  it('is refused where it was made by name, in a thread too', async () => {
    const decode = await load<typeof import('../../lib/data/decode.js')>('decode.js');
    await assert.rejects(decode.decodeImage(file, { decoder: 'sharp' }), {
      code: 'ERR_ARGUMENT',
      message: /decoder 'sharp' cannot be used: it is not installed; leave it at 'auto'/,
    });
    const { DecodePool: Pool } = await load<typeof import('../../lib/data/decode-pool.js')>('decode-pool.js');
    const pool = new Pool({ workers: 1, decoder: 'sharp' });
    await assert.rejects(pool.decode([join(tempFiles({ 'a.png': file }), 'a.png')]), {
      code: 'ERR_DATA',
      message: /threads do not start: decoder 'sharp' cannot be used/,
    });
    await pool.close();
  });
});
