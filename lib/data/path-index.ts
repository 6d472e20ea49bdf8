// Finds paths in a list of them, by a table of positions: eight to sixteen bytes a path.
// Invariant: a path is found if and only if it is in the list; of equal ones the first counts.

import type { PathList } from './path-list.js';

const EMPTY = 2 ** 32 - 1;

/** Takes a list over: paths are added through the index from then on. */
export class PathIndex {
  readonly paths: PathList;
  /** Twice as large as there are paths, at least; a path is at its hash, or at the next free place. */
  #table = new Uint32Array(1024).fill(EMPTY);

  constructor(paths: PathList) {
    this.paths = paths;
    this.#build();
  }

  /** Position of a path; -1 if it is not in the list. */
  find(path: string): number {
    const found = this.#table[this.#placeOf(path)]!;
    return found === EMPTY ? -1 : found;
  }

  /**
   * Adds a path to the list, if it is not there yet.
   * @returns its position if it was; -1 if it was added
   */
  add(path: string): number {
    const place = this.#placeOf(path);
    const found = this.#table[place]!;
    if (found !== EMPTY) return found;
    this.#table[place] = this.paths.length;
    this.paths.push(path);
    if (2 * this.paths.length > this.#table.length) this.#build();
    return -1;
  }

  #build(): void {
    let size = this.#table.length;
    while (size < 2 * this.paths.length) size *= 2;
    this.#table = new Uint32Array(size).fill(EMPTY);
    let position = 0;
    for (const path of this.paths) {
      const place = this.#placeOf(path);
      if (this.#table[place] === EMPTY) this.#table[place] = position;
      position++;
    }
  }

  #placeOf(path: string): number {
    const mask = this.#table.length - 1;
    let place = hashOf(path) & mask;
    for (; ; place = (place + 1) & mask) {
      const found = this.#table[place]!;
      if (found === EMPTY || this.paths.at(found) === path) return place;
    }
  }
}

/** FNV-1a over UTF-16, its bits mixed once more. */
function hashOf(path: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}
