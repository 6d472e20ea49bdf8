// The shapes of data between disk and device. Nothing here knows tensors.
// Invariant: pictures are RGB, 8 bits a channel, row-major and interleaved: [height, width, 3].

/** One decoded picture. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3], R G B, 0..255. */
  readonly data: Uint8Array;
}

/** Means over the pictures of a dataset, on the scale 0..255. */
export interface DatasetMean {
  /** [side, side, 3], the mean of every pixel. */
  readonly image: Float32Array;
  /** [3], R G B, the mean over all pixels. */
  readonly colour: Float32Array;
  /** Number of pictures that went in. */
  readonly pictures: number;
}

/** Heights and widths of pictures that are not cut to squares, in pixels; [length] each. */
export interface PictureSizes {
  readonly heights: ArrayLike<number>;
  readonly widths: ArrayLike<number>;
}

/** Random access to labelled pictures, all scaled to one shorter side; cropped to squares, unless `sizes` is there. */
export interface ImageDataset {
  /** Class names; a label is an index into them. */
  readonly classNames: readonly string[];
  /** Number of pictures. */
  readonly length: number;
  /** [length], indices into classNames. */
  readonly labels: Int32Array;
  /** Side of the stored square, in pixels; the shorter side where there are `sizes`. */
  readonly side: number;
  /** Sizes of the pictures. Absent: all are side x side. */
  readonly sizes?: PictureSizes | undefined;
  /** What a person would call picture `index`: its path for a folder. */
  nameOf(index: number): string;
  /**
   * Writes pictures `indices` into `out`, one after the other, each [height, width, 3]: without `sizes`, `out` is
   * [indices.length, side, side, 3].
   * @returns for each index whether it could be read; `out` is left untouched where not.
   */
  read(indices: readonly number[], out: Uint8Array, signal?: AbortSignal): Promise<boolean[]>;
  /** Pictures that could not be decoded so far, each with the reason. */
  readonly failures: readonly { readonly path: string; readonly reason: string }[];
  /** The mean over all pictures, where it is known; training then need not compute it. */
  readonly mean?: DatasetMean | undefined;
  /** Ends workers and frees caches. Idempotent. */
  close(): Promise<void>;
}

/** One batch on the host; the device does what the records say, subtracts the mean and converts, in one op. */
export interface ImageBatch {
  readonly size: number;
  readonly side: number;
  /** [size, side, side, 3], 0..255; with `frames`, pictures of any sizes one after the other. */
  readonly images: Uint8Array;
  /** [size, 3], where in `images` each picture begins, its height and its width. Absent: all are squares. */
  readonly frames?: Int32Array | undefined;
  /** [size], class indices. */
  readonly labels: Int32Array;
  /** [size * views, 22], what is done to each view of each picture; see `ops.augment`. */
  readonly records: Float32Array;
  /** Inputs that a picture makes: 1, or 10 with `tenCrop`. */
  readonly views: number;
  /** [size], indices into the dataset. */
  readonly indices: Int32Array;
}
