// Which class was taken for which: counts, and precision, recall and F1 of each class.
// Invariant: memory grows with the pairs that occurred, at most one a picture, not with the square of the classes.
import { ArgumentError } from '../errors.js';

/** How one class fared. */
export interface ClassMetrics {
  readonly className: string;
  /** Pictures of the class. */
  readonly images: number;
  /** Pictures, of any class, that were taken for it. */
  readonly predicted: number;
  /** Pictures of the class that were taken for it. */
  readonly correct: number;
  /** correct / predicted; NaN if nothing was taken for it. */
  readonly precision: number;
  /** correct / images, the class's top-1 accuracy; NaN if it has no pictures. */
  readonly recall: number;
  /** Harmonic mean of both, 2 correct / (images + predicted); NaN if the class occurs nowhere. */
  readonly f1: number;
}

/** Means over the classes that have pictures, each class with the same weight; a precision of NaN counts as 0. */
export interface MacroMetrics {
  readonly precision: number;
  /** Also called balanced accuracy. */
  readonly recall: number;
  readonly f1: number;
}

/** Pictures of one class that were taken for one other. */
export interface ConfusedPair {
  readonly className: string;
  readonly takenFor: string;
  readonly images: number;
  /** Of the pictures of `className`, 0..1. */
  readonly share: number;
}

export class ConfusionMatrix {
  readonly classNames: readonly string[];
  /** Counts by `label * classes + predicted`. */
  readonly #counts = new Map<number, number>();
  readonly #images: number[];
  readonly #predicted: number[];
  #total = 0;

  constructor(classNames: readonly string[]) {
    this.classNames = [...classNames];
    this.#images = classNames.map(() => 0);
    this.#predicted = classNames.map(() => 0);
  }

  /**
   * Counts a picture of class `label` that was taken for class `predicted`.
   * @throws ArgumentError if either is no class
   */
  add(label: number, predicted: number): void {
    const key = this.#key(label, predicted);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    this.#images[label]! += 1;
    this.#predicted[predicted]! += 1;
    this.#total += 1;
  }

  /** Pictures of class `label` that were taken for class `predicted`. */
  count(label: number, predicted: number): number {
    return this.#counts.get(this.#key(label, predicted)) ?? 0;
  }

  /** All pictures. */
  get total(): number {
    return this.#total;
  }

  /** In the order of the class names. */
  get classes(): ClassMetrics[] {
    return this.classNames.map((className, i) => {
      const [images, predicted, correct] = [this.#images[i]!, this.#predicted[i]!, this.count(i, i)];
      return {
        ...{ className, images, predicted, correct },
        precision: correct / predicted,
        recall: correct / images,
        f1: (2 * correct) / (images + predicted),
      };
    });
  }

  /** NaN without pictures. */
  get macro(): MacroMetrics {
    const seen = this.classes.filter(({ images }) => images > 0);
    const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    return {
      precision: mean(seen.map(({ precision }) => (Number.isNaN(precision) ? 0 : precision))),
      recall: mean(seen.map(({ recall }) => recall)),
      f1: mean(seen.map(({ f1 }) => f1)),
    };
  }

  /** Different classes, the most pictures first; pairs that occurred only. Default: all. */
  confusedPairs(most = Infinity): ConfusedPair[] {
    return this.entries()
      .filter(([label, predicted]) => label !== predicted)
      .sort(([l1, p1, a], [l2, p2, b]) => b - a || l1 - l2 || p1 - p2)
      .slice(0, most)
      .map(([label, predicted, images]) => ({
        className: this.classNames[label]!,
        takenFor: this.classNames[predicted]!,
        images,
        share: images / this.#images[label]!,
      }));
  }

  /** [label, predicted, pictures] of all pairs that occurred, by label and then by predicted class. */
  entries(): [label: number, predicted: number, images: number][] {
    const classes = this.classNames.length;
    return [...this.#counts]
      .sort(([a], [b]) => a - b)
      .map(([key, images]) => [Math.floor(key / classes), key % classes, images]);
  }

  /** [classes][classes], a row a class; for tables and pictures of few classes. */
  rows(): number[][] {
    const rows = this.classNames.map(() => this.classNames.map(() => 0));
    for (const [label, predicted, images] of this.entries()) rows[label]![predicted] = images;
    return rows;
  }

  /** RFC 4180, with line feeds: a row a class, a column for each class that pictures were taken for. */
  toCsv(): string {
    const head = ['class', ...this.classNames].map(csvField);
    const rows = this.rows().map((row, i) => [csvField(this.classNames[i]!), ...row]);
    return [head, ...rows].map((fields) => `${fields.join(',')}\n`).join('');
  }

  /** What the matrix can be made of again: names, and the pairs that occurred. */
  toJSON(): { classNames: readonly string[]; entries: [number, number, number][] } {
    return { classNames: this.classNames, entries: this.entries() };
  }

  #key(label: number, predicted: number): number {
    const classes = this.classNames.length;
    for (const index of [label, predicted]) {
      if (!(Number.isInteger(index) && index >= 0 && index < classes)) {
        throw new ArgumentError(`ConfusionMatrix: ${index} is no class, expected 0 to ${classes - 1}.`);
      }
    }
    return label * classes + predicted;
  }
}

function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
