// The pictures a model is most certain about and wrong: mislabelled ones, and what it does not understand.
// Invariant: keeps a given number of pictures, whatever the size of the dataset.

/** A picture that was taken for another class. */
export interface Mistake {
  /** In the dataset. */
  readonly index: number;
  /** What the dataset calls it: its path for a folder. */
  readonly picture: string;
  /** Its label. */
  readonly className: string;
  readonly takenFor: string;
  /** 0..1, of the class that it was taken for. */
  readonly probability: number;
  /** 0..1, of its label. */
  readonly labelProbability: number;
}

export type MistakeNumbers = Pick<Mistake, 'index' | 'probability' | 'labelProbability'> & {
  readonly label: number;
  readonly predicted: number;
};

export class MistakeList {
  readonly #most: number;
  /** The surest first; of equals, the first in the dataset. */
  readonly #kept: MistakeNumbers[] = [];

  /** @param most  pictures to keep */
  constructor(most: number) {
    this.#most = most;
  }

  add(mistake: MistakeNumbers): void {
    const kept = this.#kept;
    const after = kept.findIndex((other) => before(mistake, other));
    if (after < 0 && kept.length >= this.#most) return;
    kept.splice(after < 0 ? kept.length : after, 0, mistake);
    if (kept.length > this.#most) kept.pop();
  }

  describe(dataset: { readonly classNames: readonly string[]; nameOf(index: number): string }): Mistake[] {
    return this.#kept.map(({ index, label, predicted, probability, labelProbability }) => ({
      index,
      picture: dataset.nameOf(index),
      className: dataset.classNames[label]!,
      takenFor: dataset.classNames[predicted]!,
      probability,
      labelProbability,
    }));
  }
}

function before(a: MistakeNumbers, b: MistakeNumbers): boolean {
  return a.probability === b.probability ? a.index < b.index : a.probability > b.probability;
}
