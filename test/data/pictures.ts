// Writers for the picture files that the tests read: formats by their specifications, byte by byte.
// Invariant: nothing here uses the code under test; pictures are small and exact unless their format is lossy.

import { deflateSync, crc32 as zlibCrc32 } from 'node:zlib';
import { Jimp } from 'jimp';

/** Colour of the pixel in column x and row y. */
export type Painter = (
  x: number,
  y: number,
) => readonly [red: number, green: number, blue: number, alpha?: number];

export interface Canvas {
  readonly width: number;
  readonly height: number;
  readonly paint: Painter;
}

/** A picture whose pixels all differ in some channel: any mix-up of pixels or channels shows. */
export function gradient(width: number, height: number): Canvas {
  return { width, height, paint: (x, y) => [(x * 37) % 256, (y * 53) % 256, (x * 11 + y * 7 + 90) % 256] };
}

/** [height, width, 3], what a decoder should give. */
export function rgbOf({ width, height, paint }: Canvas): Uint8Array {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(paint(x, y).slice(0, 3) as number[], (y * width + x) * 3);
  }
  return data;
}

/** PNG colour types (W3C PNG, 11.2.2) by name. */
const PNG_COLOUR = { grey: 0, rgb: 2, greyAlpha: 4, rgba: 6 } as const;

export interface PngOptions {
  readonly colour?: keyof typeof PNG_COLOUR;
  readonly bits?: 8 | 16;
  /** Chunks to put between header and data. */
  readonly extra?: readonly Buffer[];
}

/** PNG; 16-bit samples are the 8-bit ones times 257, which is exact. Grey pictures take the red channel. */
export function png(canvas: Canvas, { colour = 'rgb', bits = 8, extra = [] }: PngOptions = {}): Buffer {
  const { width, height, paint } = canvas;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([bits, PNG_COLOUR[colour], 0, 0, 0], 8);
  const rows: number[] = [];
  for (let y = 0; y < height; y++) {
    rows.push(0); // filter: none
    for (let x = 0; x < width; x++) {
      const [red, green, blue, alpha = 255] = paint(x, y);
      const samples = {
        grey: [red],
        rgb: [red, green, blue],
        greyAlpha: [red, alpha],
        rgba: [red, green, blue, alpha],
      }[colour];
      for (const sample of samples) rows.push(...(bits === 16 ? [sample, sample] : [sample]));
    }
  }
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    pngChunk('IHDR', header),
    ...extra,
    pngChunk('IDAT', deflateSync(Buffer.from(rows))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

export function pngChunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  return Buffer.concat([uint32(data.length), typed, uint32(zlibCrc32(typed))]);
}

/** Uncompressed BMP with 24 bits a pixel, rows from bottom to top; `gap` unused bytes before the pixels. */
export function bmp({ width, height, paint }: Canvas, { gap = 0 } = {}): Buffer {
  const rowBytes = Math.ceil((width * 3) / 4) * 4;
  const pixels = Buffer.alloc(rowBytes * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [red, green, blue] = paint(x, y);
      pixels.set([blue, green, red], (height - 1 - y) * rowBytes + x * 3);
    }
  }
  const header = Buffer.alloc(54 + gap);
  header.write('BM', 0, 'latin1');
  header.writeUInt32LE(header.length + pixels.length, 2);
  header.writeUInt32LE(header.length, 10);
  header.writeUInt32LE(40, 14);
  header.writeInt32LE(width, 18);
  header.writeInt32LE(height, 22);
  header.writeUInt16LE(1, 26);
  header.writeUInt16LE(24, 28);
  header.writeUInt32LE(pixels.length, 34);
  return Buffer.concat([header, pixels]);
}

/**
 * GIF87a with one frame of up to 128 colours. LZW codes are all 8 bits wide: a clear code comes before the table would
 * outgrow them.
 */
export function gif({ width, height, paint }: Canvas): Buffer {
  const palette: string[] = [];
  const codes: number[] = [];
  const clear = 128;
  for (let i = 0; i < width * height; i++) {
    const colour = paint(i % width, Math.floor(i / width))
      .slice(0, 3)
      .join();
    if (!palette.includes(colour)) palette.push(colour);
    if (i % 120 === 0) codes.push(clear);
    codes.push(palette.indexOf(colour));
  }
  if (palette.length > 128) throw new Error(`the GIF writer takes 128 colours, not ${palette.length}`);
  const table = Buffer.alloc(128 * 3);
  palette.forEach((colour, i) => table.set(colour.split(',').map(Number), i * 3));
  const data = Buffer.from([...codes, clear + 1]);
  const blocks = Array.from({ length: Math.ceil(data.length / 255) }, (_, i) => {
    const block = data.subarray(i * 255, (i + 1) * 255);
    return Buffer.concat([Buffer.from([block.length]), block]);
  });
  const screen = Buffer.alloc(7);
  screen.writeUInt16LE(width, 0);
  screen.writeUInt16LE(height, 2);
  screen[4] = 0xf6; // global palette of 128
  const frame = Buffer.alloc(10);
  frame[0] = 0x2c;
  frame.writeUInt16LE(width, 5);
  frame.writeUInt16LE(height, 7);
  return Buffer.concat([
    Buffer.from('GIF87a', 'latin1'),
    screen,
    table,
    frame,
    Buffer.from([7]), // minimum code size
    ...blocks,
    Buffer.from([0, 0x3b]),
  ]);
}

/** A TIFF directory's entries: tag -> value (SHORT, or an array of them). */
type TiffTags = Readonly<Record<number, number | readonly number[]>>;

/** Uncompressed little-endian TIFF, 8-bit RGB in one strip; `tags` are added or replace others. */
export function tiff(canvas: Canvas, tags: TiffTags = {}): Buffer {
  const pixels = Buffer.from(rgbOf(canvas));
  const all: Record<number, number | readonly number[]> = {
    256: canvas.width,
    257: canvas.height,
    258: [8, 8, 8],
    259: 1,
    262: 2,
    273: 8,
    277: 3,
    278: canvas.height,
    279: pixels.length,
    284: 1,
    ...tags,
  };
  const entries = Object.entries(all).map(([tag, value]) => ({ tag: Number(tag), values: [value].flat() }));
  const directoryAt = 8 + pixels.length;
  const directory = Buffer.alloc(2 + entries.length * 12 + 4);
  const long: Buffer[] = [];
  let longAt = directoryAt + directory.length;
  directory.writeUInt16LE(entries.length, 0);
  entries.forEach(({ tag, values }, i) => {
    const at = 2 + i * 12;
    const bytes = Buffer.alloc(Math.max(4, values.length * 2));
    values.forEach((value, k) => bytes.writeUInt16LE(value, k * 2));
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(3, at + 2);
    directory.writeUInt32LE(values.length, at + 4);
    if (bytes.length === 4) directory.set(bytes, at + 8);
    else {
      directory.writeUInt32LE(longAt, at + 8);
      long.push(bytes);
      longAt += bytes.length;
    }
  });
  const header = Buffer.from('II*\0\0\0\0\0', 'latin1');
  header.writeUInt32LE(directoryAt, 4);
  return Buffer.concat([header, pixels, directory, ...long]);
}

/** JPEG, 4:4:4, by jimp's encoder. */
export async function jpeg({ width, height, paint }: Canvas, { quality = 100 } = {}): Promise<Buffer> {
  const image = new Jimp({ width, height, color: 0xffffffff });
  const rgb = rgbOf({ width, height, paint });
  for (let i = 0; i < width * height; i++) image.bitmap.data.set(rgb.subarray(i * 3, i * 3 + 3), i * 4);
  return image.getBuffer('image/jpeg', { quality });
}

export interface FlatJpegOptions {
  /** Values of the components, 0..255, as stored. */
  readonly values: readonly number[];
  /** Component names. Default 1, 2, 3, 4. */
  readonly ids?: readonly number[];
  /** Colour transform in an Adobe segment: 0 none, 1 YCbCr, 2 YCCK. Default: no such segment. */
  readonly adobeTransform?: number;
}

/** An 8 x 8 baseline JPEG of one colour (ITU T.81), written by hand: any number of components, any colour model. */
export function flatJpeg({ values, ids = [1, 2, 3, 4], adobeTransform }: FlatJpegOptions): Buffer {
  const components = values.map((_, i) => ids[i]!);
  const dcLengths = [0, 0, 0, 12, ...new Array<number>(12).fill(0)]; // 12 codes of 4 bits: categories 0..11
  const adobe = Buffer.from('Adobe\0\x64\0\0\0\0\0', 'latin1');
  adobe[11] = adobeTransform ?? 0;
  return Buffer.concat([
    Buffer.from([0xff, 0xd8]),
    ...(adobeTransform === undefined ? [] : [jpegSegment(0xee, adobe)]),
    jpegSegment(0xdb, Buffer.from([0, ...new Array<number>(64).fill(1)])),
    jpegSegment(
      0xc0,
      Buffer.from([8, 0, 8, 0, 8, components.length, ...components.flatMap((id) => [id, 0x11, 0])]),
    ),
    jpegSegment(0xc4, Buffer.from([0x00, ...dcLengths, ...Array(12).keys()])),
    jpegSegment(0xc4, Buffer.from([0x10, 1, ...new Array<number>(15).fill(0), 0])), // '0': end of block
    jpegSegment(0xda, Buffer.from([components.length, ...components.flatMap((id) => [id, 0]), 0, 63, 0])),
    flatScan(values),
    Buffer.from([0xff, 0xd9]),
  ]);
}

/** One block a component: its mean as the DC coefficient (8 times the value, quantiser 1), then the end of the block. */
function flatScan(values: readonly number[]): Buffer {
  let bits = '';
  for (const value of values) {
    const dc = 8 * (value - 128);
    const category = dc === 0 ? 0 : Math.floor(Math.log2(Math.abs(dc))) + 1;
    const coded = dc < 0 ? dc + 2 ** category - 1 : dc;
    bits += category.toString(2).padStart(4, '0');
    if (category > 0) bits += coded.toString(2).padStart(category, '0');
    bits += '0';
  }
  const bytes = (bits.match(/.{1,8}/g) ?? []).map((byte) => parseInt(byte.padEnd(8, '1'), 2));
  return Buffer.from(bytes.flatMap((byte) => (byte === 0xff ? [0xff, 0] : [byte])));
}

export function jpegSegment(marker: number, body: Buffer): Buffer {
  const length = body.length + 2;
  return Buffer.concat([Buffer.from([0xff, marker, length >> 8, length & 0xff]), body]);
}

/** Puts a segment right after the start of a JPEG. */
export function withSegment(file: Buffer, segment: Buffer): Buffer {
  return Buffer.concat([file.subarray(0, 2), segment, file.subarray(2)]);
}

/** An APP1 segment with an EXIF block that holds nothing but the orientation. */
export function exifSegment(orientation: number, { littleEndian = false } = {}): Buffer {
  return jpegSegment(
    0xe1,
    Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), exifBlock(orientation, { littleEndian })]),
  );
}

/** A TIFF structure with the orientation tag. */
export function exifBlock(orientation: number, { littleEndian = false } = {}): Buffer {
  const big = [
    0x4d,
    0x4d,
    0,
    42,
    0,
    0,
    0,
    8,
    0,
    1,
    0x01,
    0x12,
    0,
    3,
    0,
    0,
    0,
    1,
    0,
    orientation,
    0,
    0,
    0,
    0,
    0,
    0,
  ];
  const little = [
    0x49,
    0x49,
    42,
    0,
    8,
    0,
    0,
    0,
    1,
    0,
    0x12,
    0x01,
    3,
    0,
    1,
    0,
    0,
    0,
    orientation,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
  ];
  return Buffer.from(littleEndian ? little : big);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
