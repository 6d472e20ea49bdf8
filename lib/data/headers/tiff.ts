// TIFF headers (TIFF 6.0).
// Invariant: only variants that jimp is known to read correctly pass; the payload has one page, the first, and of its
// directory only the checked entries that pixels depend on.

import { orientationOf, readFirstDirectory, type ImageFileDirectory } from './exif.js';
import { concatBytes, HeaderError, viewOf, type PictureHeader } from './header.js';
import { checkInflatedSize, checkJpegSize } from './unpacked-size.js';

const Tag = {
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planarConfiguration: 284,
  t4Options: 292,
  predictor: 317,
  colourMap: 320,
  tileWidth: 322,
  tileHeight: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  extraSamples: 338,
  sampleFormat: 339,
  jpegTables: 347,
} as const;

const JPEG_COMPRESSION = 7;
const DEFLATE_COMPRESSIONS = [8, 32946];
/** None, CCITT RLE, group 3, group 4, LZW, JPEG, deflate, deflate (old number), PackBits. */
const COMPRESSIONS = [1, 2, 3, 4, 5, JPEG_COMPRESSION, 8, 32946, 32773];

/** Colour models: names, samples a pixel and bits a sample that are read correctly. */
const COLOUR_MODELS: Readonly<Record<number, { name: string; samples: number[]; bits: number[] }>> = {
  0: { name: 'grey', samples: [1], bits: [1, 8, 16] },
  1: { name: 'grey', samples: [1], bits: [1, 8, 16] },
  2: { name: 'RGB', samples: [3, 4], bits: [8, 16] },
  3: { name: 'palette', samples: [1], bits: [1, 2, 4, 8] },
  6: { name: 'YCbCr', samples: [3], bits: [8] },
};
const YCBCR = 6;
const CUT = 'the file is truncated or damaged; copy or download it again';

/** The values of a tag; empty if it is absent. */
type Values = (tag: number) => number[];
/** The first value of a tag. */
type Value = (tag: number, byDefault: number) => number;

/** @throws HeaderError if the file is truncated, or a variant (CMYK, floating point, planar, ...) that is not supported */
export function readTiffHeader(bytes: Uint8Array): PictureHeader {
  const directory = readFirstDirectory(bytes);
  if (!directory) throw new HeaderError(`the TIFF ends before its first directory does: ${CUT}`);
  const all: Values = (tag) => directory.entries.get(tag)?.values() ?? [];
  const one: Value = (tag, byDefault) => all(tag)[0] ?? byDefault;
  checkVariant(one, all);
  checkParts(one, all, bytes);
  return {
    format: 'TIFF',
    width: one(Tag.width, 0),
    height: one(Tag.height, 0),
    orientation: orientationOf(directory),
    payload: withDirectory(bytes, directory),
    checkUnpackedSize: () => checkUnpacked(one, all, bytes),
  };
}

function checkVariant(one: Value, all: Values): void {
  const compression = one(Tag.compression, 1);
  const photometric = one(Tag.photometric, 1);
  const samples = one(Tag.samplesPerPixel, 1);
  const bits = all(Tag.bitsPerSample);
  if (!COMPRESSIONS.includes(compression)) throw unsupported(`compression ${compression}`);
  const model = COLOUR_MODELS[photometric];
  if (!model || (photometric === YCBCR && compression !== JPEG_COMPRESSION)) {
    throw unsupported(`colour model ${photometric}${photometric === 5 ? ' (CMYK)' : ''}`);
  }
  if (compression === JPEG_COMPRESSION && samples !== 3) {
    throw unsupported(`JPEG data of ${samples} samples a pixel`);
  }
  if (!model.samples.includes(samples)) throw unsupported(`${samples} ${model.name} samples a pixel`);
  if (samples === 4 && one(Tag.extraSamples, 0) === 0) {
    throw unsupported('a fourth channel that is not alpha');
  }
  if (!(bits.length > 0 ? bits : [1]).every((n) => n === (bits[0] ?? 1) && model.bits.includes(n))) {
    throw unsupported(`${model.name} samples of ${bits.join(', ')} bits`);
  }
  if (all(Tag.sampleFormat).some((format) => format !== 1)) {
    throw unsupported('signed or floating-point samples');
  }
  if (one(Tag.planarConfiguration, 1) !== 1 && samples > 1) throw unsupported('separate colour planes');
}

/** Strips and tiles lie within the file, and there are as many tiles as the picture needs. */
function checkParts(one: Value, all: Values, bytes: Uint8Array): void {
  const tileWidth = one(Tag.tileWidth, Infinity);
  const tileHeight = one(Tag.tileHeight, Infinity);
  const isTiled = Number.isFinite(tileWidth) || Number.isFinite(tileHeight);
  const width = one(Tag.width, 0);
  const height = one(Tag.height, 0);
  if (
    isTiled &&
    !(tileWidth >= 1 && tileHeight >= 1 && tileWidth < width + 4096 && tileHeight < height + 4096)
  ) {
    throw unsupported(`tiles of ${tileWidth} x ${tileHeight}`);
  }
  const needed = isTiled ? Math.ceil(width / tileWidth) * Math.ceil(height / tileHeight) : 1;
  const offsets = all(isTiled ? Tag.tileOffsets : Tag.stripOffsets);
  const counts = all(isTiled ? Tag.tileByteCounts : Tag.stripByteCounts);
  if (offsets.length < needed || offsets.some((offset, i) => offset + (counts[i] ?? 0) > bytes.length)) {
    throw new HeaderError(`the TIFF ends before its last strip or tile: ${CUT}`);
  }
}

/** Other compressions than these are unpacked into the place that the size calls for. */
function checkUnpacked(one: Value, all: Values, bytes: Uint8Array): void {
  const compression = one(Tag.compression, 1);
  const tiles = all(Tag.tileOffsets);
  const isTiled = tiles.length > 0;
  const counts = all(isTiled ? Tag.tileByteCounts : Tag.stripByteCounts);
  const pixels = isTiled
    ? one(Tag.tileWidth, 0) * one(Tag.tileHeight, 0)
    : one(Tag.width, 0) * one(Tag.height, 0);
  for (const [i, offset] of (isTiled ? tiles : all(Tag.stripOffsets)).entries()) {
    checkPart(bytes.subarray(offset, offset + (counts[i] ?? 0)), compression, pixels);
  }
}

function checkPart(part: Uint8Array, compression: number, pixels: number): void {
  // Four samples of 16 bits a pixel.
  if (DEFLATE_COMPRESSIONS.includes(compression)) checkInflatedSize(part, pixels * 8 + 64);
  // Blocks of 16 x 16 pixels at the borders.
  if (compression === JPEG_COMPRESSION) checkJpegSize(part, pixels * 2 + 2 ** 16);
}

/** The file with a directory appended, and pointed to, that holds the entries of the first that matter here. */
function withDirectory(bytes: Uint8Array, { entries, littleEndian }: ImageFileDirectory): Uint8Array {
  const kept = Object.values(Tag).flatMap((tag) => entries.get(tag)?.raw ?? []);
  const count = new Uint8Array(2);
  viewOf(count).setUint16(0, kept.length, littleEndian);
  const noNextDirectory = new Uint8Array(4);
  const file = concatBytes([bytes, count, ...kept, noNextDirectory]);
  viewOf(file).setUint32(4, bytes.length, littleEndian);
  return file;
}

function unsupported(what: string): HeaderError {
  return new HeaderError(`TIFF with ${what} is not supported; convert it to PNG or JPEG`);
}
