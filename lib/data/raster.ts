// A decoded picture as codecs give it, before it is turned upright and packed.
// Invariant: data has [height, width, channels] bytes; width and height are those before turning.

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** 3: R G B. 4: R G B A, not premultiplied. */
  readonly channels: 3 | 4;
  /** [height, width, channels], 0..255. */
  readonly data: Uint8Array;
}

export interface Raster extends Pixels {
  /** The EXIF orientation (EXIF 2.32, tag 0x0112), 1..8; 5..8 swap width and height. */
  readonly orientation: number;
}
