// BMP headers (BITMAPINFOHEADER and its successors).
// Invariant: only variants that jimp is known to read correctly pass; in the payload the pixels follow the header directly.

import { concatBytes, HeaderError, viewOf, type PictureHeader } from './header.js';

const FILE_HEADER_BYTES = 14;
const INFO_HEADER_BYTES = 40;
const BIT_FIELDS = 3;
const CONVERT = 'convert it to PNG';

/** @throws HeaderError if the file is truncated, or a variant (run-length coded, OS/2, ...) that is not supported */
export function readBmpHeader(bytes: Uint8Array): PictureHeader {
  if (bytes.length < FILE_HEADER_BYTES + 4) throw truncated();
  const view = viewOf(bytes);
  const headerBytes = view.getUint32(14, true);
  if (headerBytes < INFO_HEADER_BYTES) throw new HeaderError(`OS/2 BMP is not supported; ${CONVERT}`);
  if (bytes.length < FILE_HEADER_BYTES + headerBytes) throw truncated();
  const width = view.getInt32(18, true);
  const height = Math.abs(view.getInt32(22, true));
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  checkVariant({ width, bits, compression });

  const pixelsAt = view.getUint32(10, true);
  const rowBytes = Math.ceil((width * bits) / 32) * 4;
  if (pixelsAt + rowBytes * height > bytes.length) throw truncated();
  const headersEnd =
    FILE_HEADER_BYTES + headerBytes + maskBytes(headerBytes, compression) + paletteBytes(view, bits);
  if (pixelsAt < headersEnd) {
    throw new HeaderError('the BMP header is damaged: its pixels overlap its palette');
  }
  const payload =
    pixelsAt === headersEnd ? bytes : concatBytes([bytes.subarray(0, headersEnd), bytes.subarray(pixelsAt)]);
  return { format: 'BMP', width, height, orientation: 1, payload };
}

function checkVariant({
  width,
  bits,
  compression,
}: {
  width: number;
  bits: number;
  compression: number;
}): void {
  const isBitFields = compression === BIT_FIELDS && (bits === 16 || bits === 32);
  if (compression !== 0 && !isBitFields) {
    throw new HeaderError(`compressed BMP (method ${compression}) is not supported; ${CONVERT}`);
  }
  if (![1, 4, 8, 16, 24, 32].includes(bits)) {
    throw new HeaderError(`BMP with ${bits} bits a pixel is not supported; ${CONVERT}`);
  }
  if (bits === 4 && width % 2 === 1) {
    throw new HeaderError(`BMP with 4 bits a pixel and an odd width (${width}) is not supported; ${CONVERT}`);
  }
}

/** Three colour masks follow the 40-byte header; later headers hold them. */
function maskBytes(headerBytes: number, compression: number): number {
  return headerBytes === INFO_HEADER_BYTES && compression === BIT_FIELDS ? 12 : 0;
}

function paletteBytes(view: DataView, bits: number): number {
  const colours = view.getUint32(46, true);
  return 4 * (colours === 0 && bits <= 8 ? 2 ** bits : colours);
}

function truncated(): HeaderError {
  return new HeaderError(
    'the BMP ends before its last row: the file is truncated; copy or download it again',
  );
}
