// Decoding: every format and odd kind against pixels that are known, and every kind of bad file against its error.
// Invariant: lossless formats match exactly; JPEG within the rounding of its colour transform.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { DecodePool } from '../../lib/data/decode-pool.js';
import { decodeFile, decodeImage } from '../../lib/data/decode.js';
import { DecodeError } from '../../lib/errors.js';
import {
  bmp,
  exifBlock,
  exifSegment,
  flatJpeg,
  gif,
  gradient,
  jpeg,
  jpegSegment,
  png,
  pngChunk,
  rgbOf,
  tiff,
  withSegment,
  type Canvas,
} from './pictures.js';
import { tempFiles, tempFolder } from './temp-folder.js';

const CANVAS = gradient(13, 9);
const CUT = 'the file is truncated';

async function assertDecodes(bytes: Uint8Array, expected: Canvas): Promise<void> {
  const image = await decodeImage(bytes);
  assert.deepEqual([image.width, image.height], [expected.width, expected.height]);
  assert.deepEqual(Buffer.from(image.data), Buffer.from(rgbOf(expected)));
}

async function assertRefuses(bytes: Uint8Array, reason: RegExp | string): Promise<void> {
  await assert.rejects(decodeImage(bytes, { name: 'odd.jpg' }), (error) => {
    assert.ok(error instanceof DecodeError, String(error));
    assert.equal(error.path, 'odd.jpg');
    assert.match(error.message, /^odd\.jpg: /);
    if (typeof reason === 'string') assert.ok(error.message.includes(reason), error.message);
    else assert.match(error.message, reason);
    return true;
  });
}

function largestDifference(a: Uint8Array, b: Uint8Array): number {
  assert.equal(a.length, b.length);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

describe('decodeImage', () => {
  describe('lossless formats', () => {
    it('decodes an RGB PNG', () => assertDecodes(png(CANVAS), CANVAS));
    it('decodes a BMP', () => assertDecodes(bmp(CANVAS), CANVAS));
    it('decodes a BMP with a gap before its pixels', () => assertDecodes(bmp(CANVAS, { gap: 10 }), CANVAS));
    it('decodes a GIF', () => assertDecodes(gif(CANVAS), CANVAS));
    it('decodes a TIFF', () => assertDecodes(tiff(CANVAS), CANVAS));
    it('decodes a 16-bit PNG', () => assertDecodes(png(CANVAS, { bits: 16 }), CANVAS));

    it('makes grey pictures RGB, of 8 and of 16 bits', async () => {
      const { paint, ...size } = CANVAS;
      const grey: Canvas = { ...size, paint: (x, y) => [paint(x, y)[0], paint(x, y)[0], paint(x, y)[0]] };
      await assertDecodes(png(CANVAS, { colour: 'grey' }), grey);
      await assertDecodes(png(CANVAS, { colour: 'grey', bits: 16 }), grey);
    });

    it('composites transparency over white, rounding to nearest', async () => {
      const alphaOf = (x: number): number => [0, 1, 127, 128, 254, 255][x % 6]!;
      const { paint, ...size } = CANVAS;
      const see: Canvas = {
        ...size,
        paint: (x, y) => [...(paint(x, y) as [number, number, number]), alphaOf(x)],
      };
      const over = (value: number, alpha: number): number =>
        Math.round((value * alpha) / 255 + (255 * (255 - alpha)) / 255);
      const expected: Canvas = {
        ...size,
        paint: (x, y) => {
          const [red, green, blue] = paint(x, y);
          return [over(red, alphaOf(x)), over(green, alphaOf(x)), over(blue, alphaOf(x))];
        },
      };
      await assertDecodes(png(see, { colour: 'rgba' }), expected);
    });

    it('decodes the still picture of an animated PNG', () => {
      const animation = pngChunk('acTL', Buffer.from([0, 0, 0, 1, 0, 0, 0, 0]));
      return assertDecodes(png(CANVAS, { extra: [animation] }), CANVAS);
    });

    it('ignores bytes after the end of a PNG', () =>
      assertDecodes(Buffer.concat([png(CANVAS), Buffer.from('trailing')]), CANVAS));

    it('decodes the first frame of a GIF, past extensions of any kind', () => {
      const file = gif(CANVAS);
      const head = 13 + 128 * 3;
      const extensions = Buffer.from([0x21, 0xfe, 2, 104, 105, 0, 0x21, 0x01, 1, 0, 0]); // comment, plain text
      const whole = Buffer.concat([
        file.subarray(0, head),
        extensions,
        file.subarray(head),
        Buffer.from('rest'),
      ]);
      return assertDecodes(whole, CANVAS);
    });

    it('decodes single pixels', () => assertDecodes(png(gradient(1, 1)), gradient(1, 1)));

    it('leaves the bytes as they are, and reads a view in the middle of a buffer', async () => {
      const file = tiff(CANVAS, { 274: 6 });
      const padded = Buffer.concat([Buffer.alloc(5, 0xee), file, Buffer.alloc(5, 0xee)]);
      await decodeImage(padded.subarray(5, 5 + file.length));
      assert.deepEqual(padded.subarray(5, 5 + file.length), file);
    });
  });

  describe('JPEG', () => {
    it('decodes within the rounding of the colour transform', async () => {
      const flat: Canvas = { width: 16, height: 8, paint: (x) => (x < 8 ? [200, 30, 90] : [10, 220, 140]) };
      const { width, height, data } = await decodeImage(await jpeg(flat));
      assert.deepEqual([width, height], [16, 8]);
      assert.ok(largestDifference(data, rgbOf(flat)) <= 3);
    });

    const flats: { name: string; file: Buffer; expected: number[] }[] = [
      { name: 'greyscale', file: flatJpeg({ values: [77] }), expected: [77, 77, 77] },
      {
        name: 'RGB by Adobe marker',
        file: flatJpeg({ values: [200, 30, 90], adobeTransform: 0 }),
        expected: [200, 30, 90],
      },
      {
        name: 'RGB by component names',
        file: flatJpeg({ values: [200, 30, 90], ids: [82, 71, 66] }),
        expected: [200, 30, 90],
      },
      {
        name: 'YCbCr by Adobe marker',
        file: flatJpeg({ values: [76, 85, 255], adobeTransform: 1 }),
        expected: [254, 0, 0],
      },
      { name: 'YCbCr by default', file: flatJpeg({ values: [76, 85, 255] }), expected: [254, 0, 0] },
      // Adobe stores ink upside down: 255 is none. R = C * K / 255.
      {
        name: 'CMYK',
        file: flatJpeg({ values: [200, 100, 50, 204], adobeTransform: 0 }),
        expected: [160, 80, 40],
      },
    ];
    for (const { name, file, expected } of flats) {
      it(`decodes ${name}`, async () => {
        const { data } = await decodeImage(file);
        const whole = Uint8Array.from({ length: 8 * 8 * 3 }, (_, i) => expected[i % 3]!);
        assert.ok(largestDifference(data, whole) <= 1, data.subarray(0, 3).join());
      });
    }
  });

  describe('orientation', () => {
    // EXIF 2.32, tag 0x0112: which side of the upright picture the stored first row and first column are.
    const sides: [row: string, column: string][] = [
      ['top', 'left'],
      ['top', 'right'],
      ['bottom', 'right'],
      ['bottom', 'left'],
      ['left', 'top'],
      ['right', 'top'],
      ['right', 'bottom'],
      ['left', 'bottom'],
    ];
    const stored = gradient(5, 3);

    /** The upright picture, by the definition above. */
    function upright(orientation: number): Canvas {
      const [rowSide, columnSide] = sides[orientation - 1]!;
      const swapped = orientation > 4;
      const width = swapped ? stored.height : stored.width;
      const height = swapped ? stored.width : stored.height;
      const place = (side: string, n: number): { x?: number; y?: number } =>
        ({ top: { y: n }, bottom: { y: height - 1 - n }, left: { x: n }, right: { x: width - 1 - n } })[
          side
        ]!;
      const pixels = new Map<string, readonly [number, number, number, number?]>();
      for (let row = 0; row < stored.height; row++) {
        for (let column = 0; column < stored.width; column++) {
          const { x, y } = { ...place(rowSide, row), ...place(columnSide, column) };
          pixels.set(`${x},${y}`, stored.paint(column, row));
        }
      }
      return { width, height, paint: (x, y) => pixels.get(`${x},${y}`)! };
    }

    /** Every pixel as a block of 8 x 8, which JPEG keeps apart. */
    const enlarged = ({ width, height, paint }: Canvas): Canvas => ({
      width: width * 8,
      height: height * 8,
      paint: (x, y) => paint(x >> 3, y >> 3),
    });

    for (let orientation = 1; orientation <= 8; orientation++) {
      it(`applies ${orientation} of a JPEG`, async () => {
        const file = withSegment(await jpeg(enlarged(stored)), exifSegment(orientation));
        const expected = enlarged(upright(orientation));
        const image = await decodeImage(file);
        assert.deepEqual([image.width, image.height], [expected.width, expected.height]);
        assert.ok(largestDifference(image.data, rgbOf(expected)) <= 5);
      });

      it(`applies ${orientation} of a PNG and of a TIFF`, async () => {
        const exif = pngChunk('eXIf', exifBlock(orientation));
        await assertDecodes(png(stored, { extra: [exif] }), upright(orientation));
        await assertDecodes(tiff(stored, { 274: orientation }), upright(orientation));
      });
    }

    it('reads little-endian EXIF', async () => {
      const file = withSegment(await jpeg(enlarged(stored)), exifSegment(6, { littleEndian: true }));
      assert.equal((await decodeImage(file)).width, stored.height * 8);
    });

    it('takes an orientation that makes no sense for upright', async () => {
      const exif = pngChunk('eXIf', exifBlock(9));
      await assertDecodes(png(stored, { extra: [exif] }), stored);
    });

    it('applies it although other EXIF tags are damaged', async () => {
      const block = exifBlock(6);
      block[9] = 2; // two tags: what follows the orientation is read as one
      const exif = jpegSegment(0xe1, Buffer.concat([Buffer.from('Exif\0\0'), block, Buffer.alloc(12, 0xfe)]));
      assert.equal(
        (await decodeImage(withSegment(await jpeg(enlarged(stored)), exif))).width,
        stored.height * 8,
      );
    });
  });

  describe('files that cannot be decoded', () => {
    it('says that a file is empty', () => assertRefuses(Buffer.alloc(0), 'the file is empty'));

    it('says that text is no picture', () =>
      assertRefuses(Buffer.from('hello, I am text'), 'it is not a picture'));

    const foreign: [name: string, magic: string][] = [
      ['a WebP picture', 'RIFF\x24\0\0\0WEBPVP8 '],
      ['a HEIC picture', '\0\0\0\x18ftypheic'],
      ['an AVIF picture', '\0\0\0\x1cftypavif'],
      ['a JPEG XL picture', '\xff\x0a\0\0'],
      ['a BigTIFF picture', 'II+\0\x08\0\0\0'],
      ['an SVG drawing', '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>'],
      ['a web page', '\n<!DOCTYPE html><html></html>'],
      ['a PDF document', '%PDF-1.7'],
    ];
    for (const [name, magic] of foreign) {
      it(`names ${name}`, () => assertRefuses(Buffer.from(magic, 'latin1'), `it is ${name}`));
    }

    it('says that a file is truncated, for each format', async () => {
      const half = (file: Buffer): Buffer => file.subarray(0, Math.floor(file.length / 2));
      const photo = await jpeg(gradient(64, 64));
      await assertRefuses(half(photo), CUT);
      await assertRefuses(half(withSegment(photo, jpegSegment(0xe1, photo.subarray(0, 600)))), CUT);
      await assertRefuses(photo.subarray(0, photo.length - 2), CUT);
      await assertRefuses(photo.subarray(0, 20), CUT);
      await assertRefuses(half(png(CANVAS)), CUT);
      await assertRefuses(half(bmp(CANVAS)), CUT);
      await assertRefuses(half(tiff(CANVAS)), CUT);
      await assertRefuses(half(gif(CANVAS)), CUT);
    });

    it('says that compressed data is damaged', async () => {
      const file = png(CANVAS);
      file[file.indexOf('IDAT') + 10]! ^= 0x55;
      await assertRefuses(file, /PNG cannot be decoded .*damaged/);
    });

    it('refuses what its codecs would read wrongly', async () => {
      await assertRefuses(tiff(CANVAS, { 284: 2 }), 'TIFF with separate colour planes is not supported');
      await assertRefuses(tiff(CANVAS, { 262: 5 }), 'TIFF with colour model 5 (CMYK) is not supported');
      await assertRefuses(tiff(CANVAS, { 259: 50000 }), 'TIFF with compression 50000');
      await assertRefuses(tiff(CANVAS, { 258: [32, 32, 32] }), 'TIFF with RGB samples of 32, 32, 32 bits');
      await assertRefuses(tiff(CANVAS, { 322: 0, 323: 0 }), 'TIFF with tiles of 0 x 0');
      const wide = gif(CANVAS);
      wide.writeUInt16LE(60_000, 13 + 128 * 3 + 5);
      await assertRefuses(wide, 'first frame of the GIF (60000 x 9) reaches beyond its size of 13 x 9');
      await assertRefuses(tiff(CANVAS, { 339: 3 }), 'floating-point samples');
      const runLength = bmp(CANVAS);
      runLength[30] = 1;
      await assertRefuses(runLength, 'compressed BMP (method 1) is not supported');
      const lossless = flatJpeg({ values: [77] });
      lossless[lossless.indexOf(Buffer.from([0xff, 0xc0])) + 1] = 0xc3;
      await assertRefuses(lossless, 'lossless JPEG is not supported');
    });
  });

  describe('size limit', () => {
    /** Files of a few hundred bytes whose headers claim 60,000 x 60,000 pixels. */
    function bombs(): Record<string, Buffer> {
      const side = 60_000;
      const files = {
        JPEG: flatJpeg({ values: [77] }),
        PNG: png(CANVAS),
        GIF: gif(CANVAS),
        BMP: bmp(CANVAS),
      };
      const frame = files.JPEG.indexOf(Buffer.from([0xff, 0xc0]));
      files.JPEG.writeUInt16BE(side, frame + 5);
      files.JPEG.writeUInt16BE(side, frame + 7);
      files.PNG.writeUInt32BE(side, 16);
      files.PNG.writeUInt32BE(side, 20);
      files.GIF.writeUInt16LE(side, 6);
      files.GIF.writeUInt16LE(side, 8);
      return { ...files, TIFF: tiff(CANVAS, { 256: side, 257: side }) };
    }

    for (const format of ['JPEG', 'PNG', 'GIF', 'TIFF']) {
      it(`refuses a ${format} that claims 3.6 gigapixels, by its header alone`, async () => {
        const before = process.memoryUsage.rss();
        await assertRefuses(bombs()[format]!, `${format} header gives a size of 60000 x 60000`);
        assert.ok(process.memoryUsage.rss() - before < 100e6);
      });
    }

    it('is maxPixels, inclusive', async () => {
      const file = png(gradient(10, 10));
      assert.equal((await decodeImage(file, { maxPixels: 100 })).width, 10);
      await assert.rejects(
        decodeImage(file, { maxPixels: 99 }),
        /10 x 10 = 100 pixels, over the limit of 99/,
      );
    });

    it('is about the first page of a TIFF; the others are not decoded', async () => {
      const first = tiff(CANVAS);
      const at = first.readUInt32LE(4);
      const nextAt = at + 2 + 12 * first.readUInt16LE(at);
      const second = Buffer.from(first.subarray(at, nextAt + 4));
      for (const [tag, entry] of [
        [256, 0],
        [257, 1],
      ] as const) {
        assert.equal(second.readUInt16LE(2 + entry * 12), tag);
        second.writeUInt16LE(60_000, 2 + entry * 12 + 8);
      }
      first.writeUInt32LE(first.length, nextAt);
      await assertDecodes(Buffer.concat([first, second]), CANVAS);
    });

    it('refuses a size of zero', () => assertRefuses(tiff(CANVAS, { 256: 0 }), 'a size of 0 x 9'));
  });
});

describe('decodeFile', () => {
  it('goes by what a file holds, not by its name', async () => {
    const folder = tempFiles({ 'really-a.png.jpg': png(CANVAS) });
    const { data } = await decodeFile(join(folder, 'really-a.png.jpg'));
    assert.deepEqual(Buffer.from(data), Buffer.from(rgbOf(CANVAS)));
  });

  it('names the file in its errors', async () => {
    const folder = tempFiles({ 'text.jpg': 'no picture', 'sub/a.png': png(CANVAS) });
    const cases: [string, RegExp][] = [
      ['text.jpg', /text\.jpg: it is not a picture/],
      ['missing.jpg', /missing\.jpg: there is no such file/],
      ['sub', /sub: it is a folder/],
    ];
    for (const [name, message] of cases) {
      const path = join(folder, name);
      await assert.rejects(decodeFile(path), (error) => {
        assert.ok(error instanceof DecodeError);
        assert.equal(error.path, path);
        assert.match(error.message, message);
        return true;
      });
    }
  });

  it('does not wait for a pipe that nobody writes to, in a thread neither', async function () {
    if (process.platform === 'win32') return this.skip();
    const path = join(tempFolder(), 'pipe.jpg');
    execFileSync('mkfifo', [path]);
    const message = /pipe\.jpg: it is a pipe, a socket or a device, not a file/;
    await assert.rejects(decodeFile(path), message);
    const pool = new DecodePool({ workers: 1 });
    const [result] = await pool.decode([path]);
    assert.ok(result instanceof DecodeError);
    assert.match(result.message, message);
    await pool.close();
  });
});
