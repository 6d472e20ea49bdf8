// Picture files to RGB pixels. What the codecs are known to misread is refused or put right before.
// Invariant: a header is read and judged before any pixel is allocated; every failure is a DecodeError that names the file.

import { readFileSync, statSync, type Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { DecodeError } from '../errors.js';
import { checkDecoder, decodePayload, type Decoder } from './codecs/index.js';
import { HeaderError, readHeader, type PictureHeader } from './headers/index.js';
import type { Pixels, Raster } from './raster.js';
import { uprightRgb } from './resize.js';
import type { RgbImage } from './types.js';

/** Pictures of more pixels than this are refused unless the caller says otherwise. */
export const DEFAULT_MAX_PIXELS = 64_000_000;

export interface DecodeOptions {
  /** Pictures of more pixels than this are refused. Default 64,000,000. */
  readonly maxPixels?: number;
  /** What decodes. Default 'auto': the fastest that works here; see `decoderInfo`. */
  readonly decoder?: Decoder;
}

/**
 * Reads and decodes a picture file: JPEG (greyscale, YCbCr, RGB, CMYK), PNG (all types, 16 bits included), GIF (the
 * first frame), BMP and TIFF (the first page). What the file holds decides, not what it is called. Greyscale becomes
 * RGB, transparency is composited over white, and the EXIF orientation is applied. Colour profiles are ignored.
 *
 * All decoders give the same pixels for PNG, GIF, BMP, TIFF and CMYK JPEG. For other JPEG, libjpeg ('wasm') and sharp
 * give the same pixels; jimp's own codec differs from them by rounding (at most 4 of 255, 0.6 on average) where chroma
 * is stored at full size, and more where it is not, because they interpolate it and jimp repeats it: on 1,334
 * photographs of 224 x 224 by 1.0 on average, 3.5 in the worst picture, and up to 126 in a pixel at a coloured edge.
 * @throws DecodeError if the file cannot be read, or see {@link decodeImage}
 */
export async function decodeFile(path: string, options: DecodeOptions = {}): Promise<RgbImage> {
  let bytes: Uint8Array;
  try {
    checkIsFile(path, await stat(path));
    bytes = await readFile(path);
  } catch (error) {
    throw readError(path, error);
  }
  return decodeImage(bytes, { ...options, name: path });
}

/** {@link decodeFile} for a thread that does nothing else: it waits for the disk, which is quicker. */
export async function decodeFileToRaster(path: string, options: DecodeOptions): Promise<Raster> {
  let bytes: Uint8Array;
  try {
    checkIsFile(path, statSync(path));
    bytes = readFileSync(path);
  } catch (error) {
    throw readError(path, error);
  }
  return decodeRaster(bytes, { ...options, name: path });
}

/**
 * Decodes a picture from memory, in the thread that calls: see `DecodePool` for many pictures, or for files that may be
 * damaged on purpose. See {@link decodeFile} for what is understood.
 * @param bytes        the whole file; left as it is
 * @param options.name what errors call it; default 'picture'
 * @throws DecodeError if the bytes are empty, truncated, damaged, no picture, of an unsupported format, or larger than
 * `maxPixels`
 * @throws ArgumentError if `decoder` does not work here
 */
export async function decodeImage(
  bytes: Uint8Array,
  options: DecodeOptions & { readonly name?: string } = {},
): Promise<RgbImage> {
  return uprightRgb(await decodeRaster(bytes, options));
}

/** {@link decodeImage}, before the picture is turned upright. */
export async function decodeRaster(
  bytes: Uint8Array,
  options: DecodeOptions & { readonly name?: string } = {},
): Promise<Raster> {
  const { name = 'picture', maxPixels = DEFAULT_MAX_PIXELS, decoder = 'auto' } = options;
  await checkDecoder(decoder);
  const header = checkedHeader(bytes, name, maxPixels);
  let decoded: Pixels;
  try {
    decoded = await decodePayload(header, { decoder, maxPixels });
  } catch (error) {
    throw new DecodeError(name, codecFailure(header, error), { cause: error });
  }
  return { ...decoded, orientation: header.orientation };
}

function checkedHeader(bytes: Uint8Array, name: string, maxPixels: number): PictureHeader {
  const header = judged(name, () => readHeader(bytes));
  const { format, width, height } = header;
  if (width <= 0 || height <= 0) {
    throw new DecodeError(
      name,
      `the ${format} header gives a size of ${width} x ${height}: the file is damaged`,
    );
  }
  if (width * height > maxPixels) {
    throw new DecodeError(
      name,
      `the ${format} header gives a size of ${width} x ${height} = ${width * height} pixels, over the limit of ` +
        `${maxPixels}; make it smaller or raise maxPixels`,
    );
  }
  judged(name, () => header.checkUnpackedSize?.());
  return header;
}

function judged<T>(name: string, judge: () => T): T {
  try {
    return judge();
  } catch (error) {
    if (error instanceof HeaderError) throw new DecodeError(name, error.message);
    throw error;
  }
}

/** Decoders give up on a truncated file with a message about whatever they hoped for next. */
function codecFailure(header: PictureHeader, error: unknown): string {
  if (header.format === 'JPEG' && !hasEndOfImage(header.payload)) {
    return 'the JPEG ends before its last row: the file is truncated; copy or download it again';
  }
  const message = error instanceof Error ? error.message : String(error);
  return `the ${header.format} cannot be decoded (${message}); the file is damaged or of a rare kind: convert it again`;
}

/** In the payload: a thumbnail in the metadata has an end of its own. */
function hasEndOfImage(bytes: Uint8Array): boolean {
  for (let i = bytes.length - 2; i >= 2; i--) if (bytes[i] === 0xff && bytes[i + 1] === 0xd9) return true;
  return false;
}

/** Reading a named pipe would wait for somebody to write to it, and a device may never end. */
function checkIsFile(path: string, found: Stats): void {
  if (found.isFile() || found.isDirectory()) return; // reading a folder fails by itself
  throw new DecodeError(path, 'it is a pipe, a socket or a device, not a file');
}

function readError(path: string, error: unknown): DecodeError {
  return error instanceof DecodeError ? error : new DecodeError(path, readFailure(error), { cause: error });
}

function readFailure(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') {
    return 'there is no such file';
  }
  if (code === 'EISDIR') return 'it is a folder, not a file';
  if (code === 'EACCES' || code === 'EPERM') return 'it may not be read: check its permissions';
  return `it cannot be read (${(error as Error).message})`;
}

/** What a {@link DecodeError} says after the file's name. */
export function reasonOf(error: DecodeError): string {
  return error.message.slice(error.path.length + 2);
}
