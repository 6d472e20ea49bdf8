// What a page shows of an evaluation: each class, what was taken for what, and the surest mistakes.
// Invariant: bounded, however many classes and pictures there are; JSON as it is, without NaN.
import type { ImageDataset } from '../data/index.js';
import type { ConfusionMatrix, Evaluation, Mistake } from '../train/index.js';
import type { ClassPanel, ConfusionPanel, MetricsPanel, MistakePanel, NamedPicture } from './state.js';
import { thumbnailsOf } from './thumbnails.js';

/** More pairs of classes than this are not sent to a page. */
const MOST_PAIRS = 20_000;
/** Of more classes those that fare worst are sent. */
const MOST_CLASSES = 200;

/** @param epoch  of the training; 0: it is an evaluation of its own */
export function confusionPanel(confusion: ConfusionMatrix, epoch: number): ConfusionPanel {
  const all = confusion.entries();
  const entries = all.length <= MOST_PAIRS ? all : [...all].sort((a, b) => b[2] - a[2]).slice(0, MOST_PAIRS);
  return { epoch, classNames: confusion.classNames, entries };
}

/** Classes that have pictures, in their order; of very many, the worst first. */
export function classPanel(confusion: ConfusionMatrix, epoch: number): ClassPanel {
  const seen = confusion.classes.filter(({ images }) => images > 0);
  const worst = seen.toSorted((a, b) => a.f1 - b.f1).slice(0, MOST_CLASSES);
  const rows = seen.length <= MOST_CLASSES ? seen : worst;
  return {
    epoch,
    classes: seen.length,
    rows: rows.map(({ className, images, correct, precision, recall, f1 }) => {
      return { className, images, correct, precision: orNull(precision), recall, f1 };
    }),
  };
}

export function metricsPanel({ images, loss, top1, top5, confusion }: Evaluation): MetricsPanel {
  return { images, loss, top1, top5, ...confusion.macro };
}

/** JSON has no NaN. */
function orNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}

/** Pictures of mistakes; those that stay from epoch to epoch are read once. */
export class MistakePictures {
  readonly #dataset: ImageDataset;
  #known: ReadonlyMap<number, NamedPicture> = new Map();

  constructor(dataset: ImageDataset) {
    this.#dataset = dataset;
  }

  /** @param epoch  of the training; 0: it is an evaluation of its own */
  async panel(mistakes: readonly Mistake[], epoch: number): Promise<MistakePanel> {
    const fresh = mistakes.map(({ index }) => index).filter((index) => !this.#known.has(index));
    const found = new Map([...this.#known, ...(await thumbnailsOf(this.#dataset, fresh))]);
    const shown = mistakes.flatMap(({ index, takenFor, probability, labelProbability }) => {
      const picture = found.get(index);
      return picture ? [{ index, ...picture, takenFor, probability, labelProbability }] : [];
    });
    this.#known = new Map(shown.map(({ index }) => [index, found.get(index) as NamedPicture]));
    return { epoch, mistakes: shown };
  }
}
