// What a log, a report, a dashboard is to a training: something that takes its events.
// Invariant: taking an event never throws and never waits; what goes wrong is told to `onError`, once.
import type { TrainingEvent } from '../train/index.js';

/** Takes the events of a training, as `trainer.run(data, { onEvent })` and `trainer.fit` give them. */
export interface TrainingLogger {
  handle(event: TrainingEvent): void;
  /** Resolves when everything is written; it may be called twice. */
  close(): Promise<void>;
}

export interface LoggerOptions {
  /** Told of the first failure, e.g. of a full disk; the logger is silent from then on. Default: nobody is. */
  readonly onError?: (error: Error) => void;
}
