// GIF headers (GIF89a, sections 18 to 26).
// Invariant: the size is the logical screen's; the payload holds the first frame only, which lies within it.

import { concatBytes, HeaderError, viewOf, type PictureHeader } from './header.js';

const SCREEN_END = 13;
const FRAME_BYTES = 10;
const EXTENSION = 0x21;
const GRAPHIC_CONTROL = 0xf9;
const FRAME = 0x2c;
const TRAILER = 0x3b;

/** @throws HeaderError if the file ends within its first frame, has none, or is damaged */
export function readGifHeader(bytes: Uint8Array): PictureHeader {
  if (bytes.length < SCREEN_END) throw truncated();
  const view = viewOf(bytes);
  const width = view.getUint16(6, true);
  const height = view.getUint16(8, true);
  const headEnd = SCREEN_END + paletteBytes(bytes[10]!);
  const kept = [bytes.subarray(0, headEnd)];
  let at = headEnd;
  while (bytes[at] === EXTENSION) {
    const end = endOfBlocks(bytes, at + 2);
    if (bytes[at + 1] === GRAPHIC_CONTROL) kept.push(bytes.subarray(at, end)); // names the transparent colour
    at = end;
  }
  kept.push(bytes.subarray(at, endOfFrame(bytes, at, { width, height })), Uint8Array.of(TRAILER));
  return { format: 'GIF', width, height, orientation: 1, payload: concatBytes(kept) };
}

function endOfFrame(bytes: Uint8Array, at: number, screen: { width: number; height: number }): number {
  if (at + FRAME_BYTES + 1 > bytes.length) throw truncated();
  if (bytes[at] !== FRAME) {
    throw new HeaderError('the GIF has no frame where its first should be: it is damaged');
  }
  const view = viewOf(bytes);
  const [left, top, width, height] = [1, 3, 5, 7].map((offset) => view.getUint16(at + offset, true)) as [
    number,
    number,
    number,
    number,
  ];
  if (left + width > screen.width || top + height > screen.height) {
    throw new HeaderError(
      `the first frame of the GIF (${width} x ${height}) reaches beyond its size of ${screen.width} x ${screen.height}; ` +
        'convert it to PNG',
    );
  }
  const dataAt = at + FRAME_BYTES + paletteBytes(bytes[at + 9]!);
  return endOfBlocks(bytes, dataAt + 1);
}

/** A palette follows if the highest bit is set; the lowest three say how many colours. */
function paletteBytes(flags: number): number {
  return flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0;
}

/** The end of a chain of blocks: each begins with its length, the last has none. */
function endOfBlocks(bytes: Uint8Array, start: number): number {
  let at = start;
  for (let length = -1; length !== 0; at += 1 + length) {
    const next = bytes[at];
    if (next === undefined) throw truncated();
    length = next;
  }
  return at;
}

function truncated(): HeaderError {
  return new HeaderError(
    'the GIF ends within its first frame: the file is truncated; copy or download it again',
  );
}
