// GIF headers (GIF89a, section 18).
// Invariant: the size is the logical screen's, which the first frame is drawn on.

import { HeaderError, viewOf, type PictureHeader } from './header.js';

/** @throws HeaderError if the file ends within its header */
export function readGifHeader(bytes: Uint8Array): PictureHeader {
  if (bytes.length < 13) throw new HeaderError('the GIF ends within its header: the file is truncated');
  const view = viewOf(bytes);
  return {
    format: 'GIF',
    width: view.getUint16(6, true),
    height: view.getUint16(8, true),
    orientation: 1,
    payload: bytes,
  };
}
