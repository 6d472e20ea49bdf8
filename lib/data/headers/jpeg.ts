// JPEG headers (ITU T.81, annex B), EXIF orientation included.
// Invariant: the payload keeps every segment that decoding needs: all but APP1..APP13, APP15 and comments.

import { readFirstDirectory, orientationOf } from './exif.js';
import { concatBytes, hasMagic, HeaderError, viewOf, type PictureHeader } from './header.js';

const START_OF_SCAN = 0xda;
const APP1 = 0xe1;
const APP14 = 0xee;
const COMMENT = 0xfe;

const UNSUPPORTED_FRAMES: Readonly<Record<number, string>> = {
  0xc3: 'lossless',
  0xc5: 'hierarchical',
  0xc6: 'hierarchical',
  0xc7: 'hierarchical',
  0xc9: 'arithmetic-coded',
  0xca: 'arithmetic-coded',
  0xcb: 'arithmetic-coded',
  0xcd: 'arithmetic-coded',
  0xce: 'arithmetic-coded',
  0xcf: 'arithmetic-coded',
};

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly componentIds: readonly number[];
}

interface Adobe {
  /** 0: no colour transform, 1: YCbCr, 2: YCCK. */
  readonly transform: number;
}

/** @throws HeaderError if the file ends within its header, or is of a kind that cannot be decoded */
export function readJpegHeader(bytes: Uint8Array): PictureHeader {
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let frame: Frame | undefined;
  let adobe: Adobe | undefined;
  let orientation = 1;
  let isJfif = false;
  let at = 2;
  for (;;) {
    const segment = segmentAt(bytes, at);
    if (!segment || segment.marker === START_OF_SCAN) break;
    const { marker, body } = segment;
    if (isFrame(marker)) frame ??= readFrame(marker, body);
    if (marker === 0xe0 && hasMagic(body, 0, 'JFIF\0')) isJfif = true;
    if (marker === APP14 && hasMagic(body, 0, 'Adobe')) adobe = { transform: body[11] ?? 0 };
    if (marker === APP1 && hasMagic(body, 0, 'Exif\0\0') && orientation === 1) {
      orientation = orientationOf(readFirstDirectory(body.subarray(6)));
    }
    if (!isMetadata(marker)) kept.push(bytes.subarray(at, segment.end));
    at = segment.end;
  }
  if (!frame) {
    throw new HeaderError('the JPEG ends before its size is given: the file is truncated or damaged');
  }
  kept.push(bytes.subarray(at));
  const { width, height } = frame;
  const storesRgb = holdsRgb(frame, isJfif, adobe);
  const components = frame.componentIds.length;
  return { format: 'JPEG', width, height, orientation, payload: concatBytes(kept), storesRgb, components };
}

/** The segment at `start`, or undefined where the bytes are no whole segment. */
function segmentAt(
  bytes: Uint8Array,
  start: number,
): { marker: number; body: Uint8Array; end: number } | undefined {
  let at = start;
  if (bytes[at] !== 0xff) return undefined;
  while (bytes[at + 1] === 0xff) at++; // fill bytes
  const marker = bytes[at + 1];
  const high = bytes[at + 2];
  const low = bytes[at + 3];
  if (marker === undefined || high === undefined || low === undefined) return undefined;
  const end = at + 2 + (high << 8) + low;
  return end > bytes.length ? undefined : { marker, body: bytes.subarray(at + 4, end), end };
}

function isMetadata(marker: number): boolean {
  return marker === COMMENT || (marker >= APP1 && marker <= 0xef && marker !== APP14);
}

/** SOF0..SOF15; C4, C8 and CC in that range mean something else. */
function isFrame(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readFrame(marker: number, body: Uint8Array): Frame {
  const kind = UNSUPPORTED_FRAMES[marker];
  if (kind) throw new HeaderError(`${kind} JPEG is not supported; convert it to a baseline JPEG or a PNG`);
  if (body.length < 6) throw new HeaderError('the JPEG frame header is damaged');
  if (body[0] !== 8) {
    throw new HeaderError(`JPEG with ${body[0]} bits a sample is not supported; convert it to 8 bits`);
  }
  const view = viewOf(body);
  const components = body[5]!;
  const componentIds = Array.from({ length: components }, (_, i) => body[6 + 3 * i] ?? 0);
  return { height: view.getUint16(1), width: view.getUint16(3), componentIds };
}

/** How libjpeg decides: JFIF means YCbCr, then Adobe's marker, then the components' names. */
function holdsRgb(frame: Frame, isJfif: boolean, adobe: Adobe | undefined): boolean {
  if (frame.componentIds.length !== 3 || isJfif) return false;
  if (adobe) return adobe.transform === 0;
  return String.fromCharCode(...frame.componentIds) === 'RGB';
}
