// Finds pictures whose data unpack to far more than their size calls for, before a decoder unpacks all of them.
// Invariant: what passes unpacks to no more than the limit; data that are damaged pass: the decoder says so.

import { constants as bufferConstants } from 'node:buffer';
import { constants, inflateSync } from 'node:zlib';
import { HeaderError } from './header.js';
import { readJpegHeader } from './jpeg.js';

/** @throws HeaderError if zlib's `packed` holds more than `limitBytes` */
export function checkInflatedSize(packed: Uint8Array, limitBytes: number): void {
  const maxOutputLength = Math.min(limitBytes, bufferConstants.MAX_LENGTH);
  try {
    inflateSync(packed, { maxOutputLength, finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') return;
    throw new HeaderError(
      `its data unpack to more than the ${limitBytes} bytes that a picture of its size can have: ` +
        'it is damaged, or made to fill the memory; delete it',
    );
  }
}

/** @throws HeaderError if the JPEG in `packed` has more than `limitPixels` */
export function checkJpegSize(packed: Uint8Array, limitPixels: number): void {
  const { width, height } = readJpegHeader(packed);
  if (width * height <= limitPixels) return;
  throw new HeaderError(
    `a part of it claims ${width} x ${height} pixels, more than the whole: it is damaged, or made to fill the memory; ` +
      'delete it',
  );
}
