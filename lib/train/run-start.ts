// What comes before the first step: classes, the plan of an epoch, and the mean that is subtracted from every picture.
// Invariant: pictures that are known to be unreadable make no batches; each is reported once.
import { batchesPerEpoch, computeMean, type DatasetMean } from '../data/index.js';
import { Preprocessing } from '../models/index.js';
import { checkClasses } from './evaluate.js';
import type { TrainingEvent, WarningEvent } from './events.js';
import { reporting } from './reporting.js';
import type { RunParts } from './run-parts.js';
import type { RunPlace } from './run-place.js';
import type { TrainingData } from './trainer.js';

/** Names pictures that could not be read. */
export class SkippedPictures {
  readonly #data: TrainingData;
  readonly #reported = new Set<string>();

  constructor(data: TrainingData) {
    this.#data = data;
  }

  /** Those that were not reported yet. */
  *warnings(): Generator<WarningEvent> {
    const { train, validation } = this.#data;
    for (const { path, reason } of [...train.failures, ...(validation?.failures ?? [])]) {
      if (this.#reported.has(path)) continue;
      this.#reported.add(path);
      yield { type: 'warning', message: `skipped ${path}: ${reason}` };
    }
  }
}

/** A model that has learned nothing yet takes its classes from the pictures. @throws DataError if they are not the model's */
export function agreeOnClasses({ model, data: { train, validation } }: RunParts): void {
  if (!model.preprocessing) model.classNames = train.classNames;
  checkClasses(model, train);
  if (validation) checkClasses(model, validation);
}

/** Without the unreadable pictures a batch may be larger than what is left. */
export function planSteps({ data: { train }, options }: RunParts, place: RunPlace): void {
  const readable = Math.max(1, train.length - train.failures.length);
  place.batchSize = Math.min(options.batchSize ?? 128, readable);
  place.stepsPerEpoch = batchesPerEpoch(readable, { batchSize: place.batchSize, dropLast: true });
}

/** Gives a model the preprocessing that its recipe asks for; reads every picture, unless the dataset knows its mean. */
export async function* measureMean({ model, data, signal }: RunParts): AsyncGenerator<TrainingEvent> {
  const { train } = data;
  const mean =
    train.mean ??
    (yield* reporting<TrainingEvent, DatasetMean>((report) =>
      computeMean(train, {
        signal,
        onProgress: ({ done, total }) => report({ type: 'preparing', imagesDone: done, images: total }),
      }),
    ));
  const { mean: kind = 'image', std = [1, 1, 1] as const } = model.recipe ?? {};
  const [, , crop] = model.inputShape;
  model.preprocessing = new Preprocessing({
    side: train.side,
    crop,
    // A mean picture is for pictures whose pixels have the same places.
    mean: kind === 'image' && !train.sizes ? mean.image : mean.colour,
    std,
  });
}
