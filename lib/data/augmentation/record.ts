// What is done to one view of a picture, and how it is told to the device.
// Invariant: the layout of a record stands here and in native/core/augment_record.h, nowhere else.

/** Values of a record. */
export const RECORD_LENGTH = 22;

/** A rectangle, in pixels. */
export interface Rectangle {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** One view of a picture while steps decide on it. Begins as the whole picture, unchanged. */
export class AugmentedView {
  /** What is cut out of the stored picture, and scaled to the network's input. */
  source: Rectangle;
  /** Left to right. */
  mirror = false;
  /** Top to bottom. */
  flip = false;
  /** What is erased of the input. */
  erase: Rectangle = { top: 0, left: 0, height: 0, width: 0 };
  /** Row-major, RGB. */
  #matrix = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  #offset = [0, 0, 0];

  constructor({ height, width }: Pick<Rectangle, 'height' | 'width'>) {
    this.source = { top: 0, left: 0, height, width };
  }

  /** colour <- matrix * colour + offset, after what earlier steps did. matrix: [9], row-major; offset: [3]; 0..255. */
  changeColour(matrix: readonly number[], offset: readonly number[]): void {
    const [m, o] = [this.#matrix, this.#offset];
    const times = (row: number, values: readonly number[], column: number, stride: number): number =>
      matrix[row * 3]! * values[column]! +
      matrix[row * 3 + 1]! * values[column + stride]! +
      matrix[row * 3 + 2]! * values[column + 2 * stride]!;
    this.#matrix = m.map((_, i) => times(Math.floor(i / 3), m, i % 3, 3));
    this.#offset = o.map((_, row) => times(row, o, 0, 1) + offset[row]!);
  }

  /** Adds to the colours: [3], 0..255. */
  addColour(offset: readonly number[]): void {
    this.#offset = this.#offset.map((value, i) => value + offset[i]!);
  }

  /** Writes the record. out: [22]. */
  writeTo(out: Float32Array): void {
    const { source, erase } = this;
    out.set(
      [source.top, source.left, source.height, source.width, Number(this.mirror), Number(this.flip)],
      0,
    );
    out.set(this.#matrix, 6);
    out.set(this.#offset, 15);
    out.set([erase.top, erase.left, erase.height, erase.width], 18);
  }
}
