// Trains a model: the public face of a run, and of its continuation.
// Invariant: a run is a pure function of data, options and seed, however often it was interrupted and resumed.
import { AbortedError, ArgumentError } from '../errors.js';
import type { ImageDataset } from '../data/index.js';
import { loadModel, loadWeights, type Model } from '../models/index.js';
import type { Device } from '../tensor/device.js';
import type { Checkpoint } from './checkpoint.js';
import type { DoneEvent, TrainingEvent } from './events.js';
import { checkOptions, type TrainerOptions } from './options.js';
import { findCheckpoint } from './run-folder.js';
import type { RunLock } from './run-lock.js';
import { TrainingRun } from './run.js';

export interface TrainingData {
  readonly train: ImageDataset;
  /** Without it, the training loss decides about plateaus and the best weights. */
  readonly validation?: ImageDataset | undefined;
}

export interface FitOptions {
  /** Ends training after the current step, with a checkpoint if there is a folder for it. */
  readonly signal?: AbortSignal;
  /** Of the folder `out`, for a caller who writes there too and keeps it. Default: taken while it trains. */
  readonly lock?: RunLock;
}

export interface ResumeOptions extends Pick<
  TrainerOptions,
  'augmentation' | 'loss' | 'epochs' | 'checkpoints'
> {
  readonly device: Device;
  /** For a network of the user's own: built as before; its weights are loaded. Default: built from the checkpoint. */
  readonly model?: Model;
  /** Folder to go on in. Default: the run's own. */
  readonly out?: string;
  /** In place of the one that the checkpoint holds. */
  readonly configuration?: unknown;
}

/** Trains a model on pictures. */
export class Trainer {
  readonly model: Model;
  readonly options: TrainerOptions;
  #checkpoint: Checkpoint | undefined;

  /** The model must have weights: `model.initialize(device, { seed })`, or loaded. */
  constructor(model: Model, options: TrainerOptions = {}) {
    checkOptions(model, options);
    this.model = model;
    this.options = options;
  }

  /**
   * A trainer whose first `fit` goes on where a run stopped, at the step: the weights will be those of a run that was
   * never stopped, bit for bit, on the same device with as many threads and the same pictures. Options are the run's;
   * what is no plain data (an augmentation, a loss of one's own) has to be given again. The model is the caller's.
   * @param run  a folder, whose newest whole checkpoint is taken; a checkpoint's file; or what `findCheckpoint` found
   * @throws FileFormatError if there is no checkpoint that can be used
   */
  static async resume(run: string | Checkpoint, options: ResumeOptions): Promise<Trainer> {
    const { device, model: given, ...changes } = options;
    const checkpoint = typeof run === 'string' ? await findCheckpoint(run) : run;
    const { path, options: stored, configuration } = checkpoint;
    if (checkpoint.ownLoss && !options.loss) {
      throw new ArgumentError(
        `${path}: the training had a loss of its own; give it again: resume(run, { loss }).`,
      );
    }
    if (given) await loadWeights(given, path, { device });
    const model = given ?? (await loadModel(path, { device }));
    model.unfreeze().freeze(checkpoint.frozen);
    const out = checkpoint.run;
    const trainer = new Trainer(model, { ...stored, out, configuration, ...defined(changes) });
    trainer.#checkpoint = checkpoint;
    return trainer;
  }

  /**
   * Trains, reporting as it goes. Leaving the loop ends training.
   * @throws TrainingError if the loss is not finite or training does not start; DataError, also for pictures that are
   *   not those of the run that is resumed; InUseError if another process trains in the folder `out`; NativeError
   */
  async *fit(data: TrainingData, options: FitOptions = {}): AsyncGenerator<TrainingEvent, DoneEvent> {
    const checkpoint = this.#checkpoint;
    this.#checkpoint = undefined;
    const { signal, lock } = options;
    const run = new TrainingRun(this.model, this.options, data, { signal, checkpoint, lock });
    try {
      return yield* run.events();
    } finally {
      await run.close();
    }
  }

  /** Trains to the end and resolves to the last event. `onEvent` is told of all. */
  async run(
    data: TrainingData,
    options: FitOptions & { readonly onEvent?: (event: TrainingEvent) => void } = {},
  ): Promise<DoneEvent> {
    for await (const event of this.fit(data, options)) {
      options.onEvent?.(event);
      if (event.type === 'done') return event;
    }
    throw new AbortedError('Training ended without a result.');
  }
}

/** What is undefined does not replace a stored option. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
