// A list of 32-bit integers that grows: four to eight bytes each.
// Invariant: `values` is what was added, in order.

export class NumberList {
  #values = new Int32Array(1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  at(index: number): number {
    return this.#values[index]!;
  }

  push(value: number, { times = 1 }: { readonly times?: number } = {}): void {
    while (this.#length + times > this.#values.length) {
      const larger = new Int32Array(2 * this.#values.length);
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values.fill(value, this.#length, this.#length + times);
    this.#length += times;
  }

  /** A copy. */
  get values(): Int32Array {
    return this.#values.slice(0, this.#length);
  }
}
