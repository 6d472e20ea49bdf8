// What a picture's header says, before anything is decoded.
// Invariant: reading a header allocates no pixels, whatever size the header claims.

export type PictureFormat = 'JPEG' | 'PNG' | 'GIF' | 'BMP' | 'TIFF';

export interface PictureHeader {
  readonly format: PictureFormat;
  /** Pixels, as stored: before the orientation is applied. */
  readonly width: number;
  /** Pixels, as stored: before the orientation is applied. */
  readonly height: number;
  /** EXIF orientation, 1..8; 1 is upright. */
  readonly orientation: number;
  /** The file as the codec should see it: without metadata, trailing bytes and pages that are not used. */
  readonly payload: Uint8Array;
  /** A JPEG that holds red, green and blue themselves, where most hold luminance and two colour differences. */
  readonly storesRgb?: boolean;
  /** Components of a JPEG: 1 greyscale, 3 colour, 4 CMYK. */
  readonly components?: number;
  /** Bits a sample of a PNG. */
  readonly bits?: number;
  /**
   * Where a decoder would unpack everything first: throws HeaderError if that is far more than the size calls for. To be
   * called when the size has been accepted.
   */
  readonly checkUnpackedSize?: () => void;
}

/** Why a header cannot be used. The caller adds the file's name. */
export class HeaderError extends Error {}

/** Joins parts of a file. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Whether the bytes at `offset` are `text`, a character a byte. */
export function hasMagic(bytes: Uint8Array, offset: number, text: string): boolean {
  if (offset + text.length > bytes.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[offset + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** A view over the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
