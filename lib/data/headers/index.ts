// Recognises a picture by its first bytes, never by its name, and reads its header.
// Invariant: what comes back is a format that can be decoded; everything else is a HeaderError that says what to do.

import { readBmpHeader } from './bmp.js';
import { readGifHeader } from './gif.js';
import { hasMagic, HeaderError, type PictureHeader } from './header.js';
import { readJpegHeader } from './jpeg.js';
import { readPngHeader } from './png.js';
import { readTiffHeader } from './tiff.js';

export { HeaderError, type PictureFormat, type PictureHeader } from './header.js';

type Reader = (bytes: Uint8Array) => PictureHeader;

const SUPPORTED: readonly (readonly [magic: string, read: Reader])[] = [
  ['\xff\xd8\xff', readJpegHeader],
  ['\x89PNG\r\n\x1a\n', readPngHeader],
  ['GIF87a', readGifHeader],
  ['GIF89a', readGifHeader],
  ['BM', readBmpHeader],
  ['II*\0', readTiffHeader],
  ['MM\0*', readTiffHeader],
];

/** Formats that people meet in the wild, to be named in the error. Offset of the magic, magic, name. */
const KNOWN: readonly (readonly [offset: number, magic: string, name: string])[] = [
  [8, 'WEBP', 'a WebP picture'],
  [4, 'ftypavif', 'an AVIF picture'],
  [4, 'ftypavis', 'an AVIF picture'],
  [4, 'ftyphei', 'a HEIC picture'],
  [4, 'ftyphev', 'a HEIC picture'],
  [4, 'ftypmif1', 'a HEIF picture'],
  [4, 'ftypmsf1', 'a HEIF picture'],
  [4, 'ftyp', 'a video (MP4 family)'],
  [0, '\xff\x0a', 'a JPEG XL picture'],
  [4, 'JXL \r\n', 'a JPEG XL picture'],
  [4, 'jP  \r\n', 'a JPEG 2000 picture'],
  [0, '\xff\x4f\xff\x51', 'a JPEG 2000 picture'],
  [0, 'II+\0', 'a BigTIFF picture'],
  [0, 'MM\0+', 'a BigTIFF picture'],
  [0, '8BPS', 'a Photoshop document'],
  [0, '\0\0\x01\0', 'a Windows icon'],
  [0, '%PDF', 'a PDF document'],
];

/** Markup is recognised by how it begins, after white space. */
const MARKUP: readonly (readonly [start: RegExp, name: string])[] = [
  [/^(<\?xml[^>]*>\s*)?(<!--[^]*?-->\s*)?(<!doctype svg[^>]*>\s*)?<svg/i, 'an SVG drawing'],
  [/^<(!doctype html|html|head|body)/i, 'a web page'],
];

/**
 * Reads the header of a JPEG, PNG, GIF, BMP or TIFF picture.
 * @throws HeaderError if the bytes are empty, truncated within the header, or of another kind
 */
export function readHeader(bytes: Uint8Array): PictureHeader {
  if (bytes.length === 0) throw new HeaderError('the file is empty; delete it or copy it again');
  for (const [magic, read] of SUPPORTED) if (hasMagic(bytes, 0, magic)) return read(bytes);
  throw new HeaderError(whatElse(bytes));
}

function whatElse(bytes: Uint8Array): string {
  const known = KNOWN.find(([offset, magic]) => hasMagic(bytes, offset, magic));
  if (known) return `it is ${known[2]}, which is not supported; convert it to JPEG or PNG`;
  const text = String.fromCharCode(...bytes.subarray(0, 400)).trimStart();
  const markup = MARKUP.find(([start]) => start.test(text));
  if (markup) {
    return `it is ${markup[1]}, not a picture that can be decoded; delete it or convert it to JPEG or PNG`;
  }
  return 'it is not a picture: no JPEG, PNG, GIF, BMP or TIFF begins with these bytes; delete it or replace it';
}
