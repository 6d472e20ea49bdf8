// What a run of training computes with: optimiser, loss, learning rates and guards, made from its options.
// Invariant: made once a run and released with it; the model and the pictures are the caller's.
import { CrossEntropyLoss, type Loss } from '../layers/index.js';
import type { Model } from '../models/index.js';
import { EarlyStopping, LossScaler, SGD, WeightAverage } from '../optim/index.js';
import type { Checkpoint } from './checkpoint.js';
import { DeadStartGuard } from './dead-start.js';
import { preprocessingFor } from './evaluate.js';
import type { TrainerOptions } from './options.js';
import { LearningRates } from './rates.js';
import type { RunLock } from './run-lock.js';
import type { StepParts } from './step.js';
import { StepWatch } from './step-watch.js';
import type { TrainingData } from './trainer.js';

export interface RunOptions {
  readonly signal: AbortSignal | undefined;
  /** Where to go on. */
  readonly checkpoint: Checkpoint | undefined;
  /** Of the folder that is written to; the caller's. */
  readonly lock: RunLock | undefined;
}

export class RunParts {
  readonly model: Model;
  readonly options: TrainerOptions;
  readonly data: TrainingData;
  /** Ends training: the caller's, or that the caller has left the loop. */
  readonly signal: AbortSignal;
  readonly lock: RunLock | undefined;
  readonly epochs: number;
  readonly seed: number;
  readonly loss: Loss;
  readonly optimizer: SGD;
  readonly lossScaler: LossScaler | undefined;
  readonly rates: LearningRates;
  readonly earlyStopping: EarlyStopping | undefined;
  readonly guard: DeadStartGuard;
  readonly watch: StepWatch;
  #average: WeightAverage | undefined;
  readonly #ending = new AbortController();

  constructor(
    model: Model,
    options: TrainerOptions,
    data: TrainingData,
    { signal, checkpoint, lock }: RunOptions,
  ) {
    this.model = model;
    this.options = options;
    this.data = data;
    this.signal = signal ? AbortSignal.any([signal, this.#ending.signal]) : this.#ending.signal;
    this.lock = lock;
    this.epochs = options.epochs ?? 90;
    this.seed = options.seed ?? 0;
    this.loss = options.loss ?? new CrossEntropyLoss({ smoothing: options.labelSmoothing ?? 0 });
    const learningRate = options.learningRate ?? model.recipe?.learningRate ?? 0.01;
    this.rates = new LearningRates(model, options, { base: learningRate });
    this.optimizer = optimizerOf(model, options, { learningRate, groups: this.rates.groups });
    const lossScale = checkpoint?.lossScale;
    this.lossScaler =
      model.precision === 'float16'
        ? new LossScaler(model.device, { ...(lossScale && { state: lossScale }) })
        : undefined;
    this.earlyStopping = options.earlyStopping && new EarlyStopping(options.earlyStopping);
    this.guard = new DeadStartGuard(model.network.parameters, {
      classes: model.classes,
      giveUpAfterSteps: options.deadStartSteps ?? 2000,
    });
    this.watch = new StepWatch({
      optimizer: this.optimizer,
      lossScaler: this.lossScaler,
      layerSteps: options.layerSteps ?? 100,
      seed: this.seed,
      accumulate: options.accumulate,
    });
  }

  /** The moving average of the weights, once there is one. */
  get average(): WeightAverage | undefined {
    return this.#average;
  }

  /** From the weights as they are now, if the options ask for an average. */
  beginAverage(): void {
    const { averaging } = this.options;
    if (averaging) this.#average = new WeightAverage(this.model.network.parameters, averaging);
  }

  /** What a step works on. @throws ArgumentError if the model has no preprocessing for these pictures */
  get step(): StepParts {
    const preprocessing = preprocessingFor(this.model, this.data.train);
    return { model: this.model, preprocessing, loss: this.loss };
  }

  /** Ends what runs beside the loop. */
  end(): void {
    this.#ending.abort();
  }

  /** The model stays, with the averages if there are any. */
  dispose(): void {
    this.#average?.exchange();
    this.#average?.dispose();
    this.optimizer.dispose();
    this.lossScaler?.dispose();
    this.guard.dispose();
    this.watch.dispose();
  }
}

function optimizerOf(
  { network, recipe }: Model,
  { momentum, weightDecay }: TrainerOptions,
  rates: { readonly learningRate: number; readonly groups: LearningRates['groups'] },
): SGD {
  return new SGD(network.parameters, {
    ...rates,
    momentum: momentum ?? recipe?.momentum ?? 0.9,
    weightDecay: weightDecay ?? recipe?.weightDecay ?? 5e-4,
    momentumForm: recipe?.momentumForm ?? 'paper',
  });
}
