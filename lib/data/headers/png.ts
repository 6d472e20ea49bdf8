// PNG headers (W3C PNG, third edition), animated PNG and the eXIf chunk included.
// Invariant: the payload holds the critical chunks and tRNS, up to IEND: the still picture and nothing else.

import { readFirstDirectory, orientationOf } from './exif.js';
import { concatBytes, HeaderError, viewOf, type PictureHeader } from './header.js';
import { checkInflatedSize } from './unpacked-size.js';

const SIGNATURE_BYTES = 8;

/** @throws HeaderError if the file ends before its last chunk, or does not begin with a PNG header */
export function readPngHeader(bytes: Uint8Array): PictureHeader {
  const view = viewOf(bytes);
  const kept: Uint8Array[] = [bytes.subarray(0, SIGNATURE_BYTES)];
  const packed: Uint8Array[] = [];
  let size: { width: number; height: number; bits: number } | undefined;
  let interlaced = false;
  let orientation = 1;
  let at = SIGNATURE_BYTES;
  for (let type = ''; type !== 'IEND';) {
    if (at + 12 > bytes.length) throw truncated();
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) throw truncated();
    type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (!size && type !== 'IHDR') throw new HeaderError('the PNG does not begin with its header chunk');
    if (size && type === 'IHDR') throw new HeaderError('the PNG is damaged: it has two header chunks');
    if (type === 'IHDR' && end - at >= 25) {
      size = { width: view.getUint32(at + 8), height: view.getUint32(at + 12), bits: bytes[at + 16]! };
      interlaced = bytes[at + 20] === 1;
    }
    if (type === 'eXIf') orientation = orientationOf(readFirstDirectory(bytes.subarray(at + 8, end - 4)));
    if (type === 'IDAT') packed.push(bytes.subarray(at + 8, end - 4));
    if (isCritical(type) || type === 'tRNS') kept.push(bytes.subarray(at, end));
    at = end;
  }
  if (!size) throw new HeaderError('the PNG has no usable header chunk');
  const limitBytes = mostBytes(size);
  return {
    format: 'PNG',
    ...size,
    // jimp's codec stops where a plain picture ends, but unpacks an interlaced one to its end.
    ...(interlaced && { checkUnpackedSize: () => checkInflatedSize(concatBytes(packed), limitBytes) }),
    orientation,
    payload: concatBytes(kept),
  };
}

/** Four samples a pixel, a filter byte a row, and the seven passes' rounding up. */
function mostBytes({ width, height, bits }: { width: number; height: number; bits: number }): number {
  return Math.ceil((width * 4 * bits) / 8 + 8) * height * 2 + 64;
}

/** Critical chunks are spelt with a capital first letter. */
function isCritical(type: string): boolean {
  return type.charCodeAt(0) < 0x60;
}

function truncated(): HeaderError {
  return new HeaderError(
    'the PNG ends before its last chunk: the file is truncated; copy or download it again',
  );
}
