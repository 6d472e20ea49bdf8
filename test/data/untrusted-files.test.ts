// Files that are damaged, or made to do harm: whatever they hold, a reader gives data that agree or an error of ours.
// Invariant: no input makes a reader throw anything else, or make room for what a header merely claims.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { crc32, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { decodeImage, readCifar10, readIdx, readLabelsFile } from '../../lib/data/index.js';
import { CsvParser, type CsvRow } from '../../lib/data/csv.js';
import { readHeader } from '../../lib/data/headers/index.js';
import { AlexnetError, DataError, DecodeError } from '../../lib/errors.js';
import { damaged, runs } from '../helpers/mutations.js';
import { bmp, exifSegment, gif, gradient, jpeg, png, pngChunk, tiff, withSegment } from './pictures.js';
import { tempFolder } from './temp-folder.js';

const canvas = gradient(9, 7);

/** The result, or nothing if the reader refused with an error of this package. */
async function orRefused<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof AlexnetError) return undefined;
    throw error;
  }
}

/** An IDX file: magic number, sizes, data. */
function idx(sizes: readonly number[], data: Uint8Array): Buffer {
  const head = Buffer.alloc(4 + 4 * sizes.length);
  head.writeUInt32BE(0x0800 + sizes.length, 0);
  sizes.forEach((size, i) => head.writeUInt32BE(size, 4 + 4 * i));
  return Buffer.concat([head, data]);
}

describe('damaged pictures', function () {
  this.timeout(120_000);

  async function validPictures(): Promise<Buffer[]> {
    const photo = await jpeg(canvas);
    return [
      photo,
      withSegment(photo, exifSegment(6)),
      png(canvas),
      png(canvas, { bits: 16 }),
      bmp(canvas),
      gif(canvas),
      tiff(canvas),
    ];
  }

  it('have a header of sane sizes, or are refused by an error of the header', async () => {
    const property = fc.property(damaged(await validPictures()), (bytes) => {
      try {
        const { width, height, payload, orientation } = readHeader(bytes);
        assert.ok(Number.isInteger(width) && Number.isInteger(height) && payload.length > 0);
        assert.ok(orientation >= 1 && orientation <= 8);
      } catch (error) {
        // Thrown as it is only within the decoder, which adds the name.
        if ((error as Error).constructor.name !== 'HeaderError') throw error;
      }
    });
    fc.assert(property, runs(3000));
  });

  it('are decoded to the pixels that their header promised, or refused', async () => {
    const property = fc.asyncProperty(damaged(await validPictures()), async (bytes) => {
      const picture = await orRefused(() => decodeImage(bytes, { maxPixels: 1e6 }));
      if (picture) assert.equal(picture.data.length, picture.width * picture.height * 3);
    });
    await fc.assert(property, runs(250));
  });
});

describe('pictures that would fill the memory', () => {
  /** 32 MiB of zeros, packed. */
  const bomb = deflateSync(Buffer.alloc(2 ** 25));
  const tooMuch = /unpack to more than/;

  function interlacedPng(extra: readonly Buffer[] = []): Buffer {
    const header = Buffer.from([0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 1]);
    const chunks = [
      pngChunk('IHDR', header),
      ...extra,
      pngChunk('IDAT', bomb),
      pngChunk('IEND', Buffer.alloc(0)),
    ];
    return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks]);
  }

  /** A TIFF of 9 x 7 pixels whose one strip, `strip`, stands at the end. */
  function tiffOf(strip: Buffer, compression: number): Buffer {
    const { length } = tiff(canvas);
    return Buffer.concat([tiff(canvas, { 259: compression, 273: length, 279: strip.length }), strip]);
  }

  it('are refused as an interlaced PNG', () => assert.rejects(decodeImage(interlacedPng()), tooMuch));

  it('are refused as a TIFF with deflate', () => assert.rejects(decodeImage(tiffOf(bomb, 8)), tooMuch));

  it('are refused as a TIFF with a larger JPEG inside', async () => {
    const large = await jpeg(gradient(8, 8));
    const frame = large.indexOf(Buffer.from([0xff, 0xc0]));
    large.writeUInt16BE(60_000, frame + 5);
    large.writeUInt16BE(60_000, frame + 7);
    const file = tiffOf(large, 7);
    await assert.rejects(decodeImage(file), /claims 60000 x 60000 pixels, more than the whole/);
  });

  it('are refused as a PNG with a second header', async () => {
    const second = Buffer.from([0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 8, 2, 0, 0, 0]);
    await assert.rejects(decodeImage(interlacedPng([pngChunk('IHDR', second)])), /two header chunks/);
  });

  it('are refused by their header before anything is unpacked', async () => {
    const huge = png(canvas);
    huge.writeUInt32BE(60_000, 16);
    huge.writeUInt32BE(60_000, 20);
    huge.writeUInt32BE(crc32(huge.subarray(12, 29)), 29);
    await assert.rejects(
      decodeImage(huge),
      (error) => error instanceof DecodeError && /over the limit/.test(error.message),
    );
  });
});

describe('damaged datasets', function () {
  this.timeout(120_000);

  it('are refused as IDX, or agree with their header', async () => {
    const folder = tempFolder();
    const [images, labels] = [path.join(folder, 'images'), path.join(folder, 'labels')];
    const pictures = idx(
      [4, 3, 3],
      Uint8Array.from({ length: 36 }, (_, i) => i),
    );
    writeFileSync(labels, idx([4], Uint8Array.of(0, 1, 1, 0)));
    const property = fc.asyncProperty(damaged([pictures, gzipSync(pictures)]), async (bytes) => {
      writeFileSync(images, bytes);
      const dataset = await orRefused(() => readIdx({ images, labels }));
      assert.ok(dataset === undefined || (dataset.length === 4 && dataset.side >= 1));
    });
    await fc.assert(property, runs(300));
  });

  it('are refused as an IDX archive that unpacks to more than its header says', async () => {
    const folder = tempFolder();
    const [images, labels] = [path.join(folder, 'images'), path.join(folder, 'labels')];
    writeFileSync(labels, idx([1], Uint8Array.of(0)));
    writeFileSync(images, gzipSync(idx([1, 2, 2], new Uint8Array(2 ** 26))));
    await assert.rejects(readIdx({ images, labels }), /unpacks to more than its header says/);
    writeFileSync(images, gzipSync(idx([60_000, 60_000, 60_000], new Uint8Array(64))));
    await assert.rejects(readIdx({ images, labels }), /claims 216000000000000 bytes/);
  });

  it('are refused as CIFAR-10, or have whole records', async () => {
    const folder = tempFolder();
    const record = Buffer.alloc(3073, 7);
    const property = fc.asyncProperty(damaged([record, Buffer.concat([record, record])]), async (bytes) => {
      writeFileSync(path.join(folder, 'test_batch.bin'), bytes);
      const dataset = await orRefused(() => readCifar10(folder, { split: 'test' }));
      assert.ok(dataset === undefined || dataset.length === bytes.length / 3073);
    });
    await fc.assert(property, runs(200));
  });

  it('are refused as CSV, or split into rows that the text holds, in whatever pieces it comes', () => {
    const text = fc.oneof(
      fc.string(),
      fc
        .array(fc.constantFrom('"', '""', ',', ';', '\t', '\n', '\r\n', ' ', 'a', 'é'))
        .map((parts) => parts.join('')),
    );
    const rowsOf = (pieces: readonly string[]): CsvRow[] | string => {
      const parser = new CsvParser('list');
      try {
        return [...pieces.flatMap((piece) => parser.add(piece)), ...parser.end()];
      } catch (error) {
        if (!(error instanceof DataError)) throw error;
        return error.message;
      }
    };
    const property = fc.property(text, fc.array(fc.nat(8)), (source, lengths) => {
      const rows = rowsOf([source]);
      for (const { line, fields } of typeof rows === 'string' ? [] : rows) {
        assert.ok(line >= 1 && line <= source.split('\n').length);
        for (const field of fields) assert.ok(field.length <= source.length);
      }
      let at = 0;
      const pieces = lengths.map((length) => source.slice(at, (at += length)));
      assert.deepEqual(rowsOf([...pieces, source.slice(at)]), rows);
    });
    fc.assert(property, runs(2000));
  });

  it('are refused as lists of labels, or name files that are there', async () => {
    const folder = tempFolder();
    writeFileSync(path.join(folder, 'a.png'), '');
    const valid = ['[{"file": "a.png", "class": "x"}]', '{"a.png": "x"}', '[["a.png", 3]]'].map((text) =>
      Buffer.from(text),
    );
    const anyJson = fc.json().map((text) => Buffer.from(text));
    const property = fc.asyncProperty(fc.oneof(damaged(valid), anyJson), async (bytes) => {
      writeFileSync(path.join(folder, 'labels.json'), bytes);
      const list = await orRefused(() => readLabelsFile(path.join(folder, 'labels.json')));
      for (const file of list?.paths ?? []) assert.equal(path.relative(folder, file), 'a.png');
    });
    await fc.assert(property, runs(300));
  });
});

describe('a list of labels', () => {
  const folder = tempFolder();
  const inside = path.join(folder, 'lists');
  mkdirSync(inside);
  writeFileSync(path.join(folder, 'secret.png'), '');

  for (const name of ['../secret.png', 'x/../../secret.png', path.join(folder, 'secret.png')]) {
    it(`cannot name ${name.startsWith('/') ? 'an absolute path' : name}`, async () => {
      const list = path.join(inside, 'labels.csv');
      writeFileSync(list, `${name},cat\n`);
      await assert.rejects(
        readLabelsFile(list),
        /lies outside of .*give the folder that holds all files: `dir`, --list-dir/,
      );
      const { paths } = await readLabelsFile(list, { dir: name.startsWith('..') ? inside : '/' }).catch(
        () => ({ paths: [] }),
      );
      assert.deepEqual([...paths], name.startsWith('/') ? [name] : []);
    });
  }
});
