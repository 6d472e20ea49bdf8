// What a training leaves beside its weights: a log, a report, TensorBoard's files; and its live page.
// Invariant: none of them can fail a training; each failure is one warning.

import { rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  Dashboard,
  HtmlReport,
  JsonLinesLogger,
  loggedEvents,
  RunRecord,
  TensorBoardLogger,
  type Model,
  type TrainingData,
  type TrainingEvent,
  type TrainingLogger,
} from '../index.js';
import { shellWord } from './output.js';
import type { TrainPlan } from './train-resume.js';

interface Parts {
  readonly model: Model;
  readonly data: TrainingData;
  /** What is about to be trained. */
  readonly facts: Readonly<Record<string, unknown>>;
  readonly warn: (message: string) => void;
}

export class TrainingLoggers {
  /** Where to look, in lines for people. */
  readonly places: readonly string[];
  readonly #loggers: readonly TrainingLogger[];
  readonly #record: RunRecord | undefined;
  readonly #dashboard: Dashboard | undefined;

  /** @throws ArgumentError if the dashboard's port is taken */
  static async open({ args, checkpoint }: TrainPlan, parts: Parts): Promise<TrainingLoggers> {
    const { out, dashboard: port } = args;
    const { model, data, facts } = parts;
    const options = { onError: (error: Error) => parts.warn(error.message) };
    const wanted = port !== undefined || !args.noReport;
    const title = `AlexNet on ${basename(args.dir)}`;
    const record = wanted
      ? new RunRecord({ ...options, model, data, title, facts: readable(facts) })
      : undefined;
    const log = join(out, 'log.jsonl');
    if (checkpoint) record?.recall(await loggedEvents(log, { upToStep: checkpoint.state.step }));
    const dashboard = record && port !== undefined ? await Dashboard.open(record, { port }) : undefined;
    const loggers: TrainingLogger[] = record ? [record] : [];
    const places: string[] = [];
    if (dashboard) places.push(`dashboard: ${dashboard.url}`);
    if (record && !args.noReport) {
      const report = new HtmlReport(join(out, 'report.html'), record, options);
      loggers.push(report);
      places.push(`report: ${shellWord(report.path)}`);
    }
    if (!args.noLog) {
      const logger = new JsonLinesLogger(log, { ...options, append: checkpoint !== undefined });
      logger.write({ type: 'start', ...facts });
      loggers.push(logger);
    }
    if (args.tensorboard) {
      const folder = join(out, 'tensorboard');
      // The curves of the training that is being replaced would be drawn into those of this one.
      if (!checkpoint) await rm(folder, { recursive: true, force: true });
      loggers.push(new TensorBoardLogger(folder, { ...options, model }));
      places.push(`curves: tensorboard --logdir ${shellWord(folder)}`);
    }
    return new TrainingLoggers({ places, loggers, record, dashboard });
  }

  private constructor(parts: {
    readonly places: readonly string[];
    readonly loggers: readonly TrainingLogger[];
    readonly record: RunRecord | undefined;
    readonly dashboard: Dashboard | undefined;
  }) {
    this.places = parts.places;
    this.#loggers = parts.loggers;
    this.#record = parts.record;
    this.#dashboard = parts.dashboard;
  }

  /** Does the work, and has everything written down when it resolves or rejects as the work did. */
  async follow<T>(work: (onEvent: (event: TrainingEvent) => void) => Promise<T>): Promise<T> {
    try {
      return await work((event) => {
        for (const logger of this.#loggers) logger.handle(event);
      });
    } catch (error) {
      this.#record?.fail(error as Error);
      throw error;
    } finally {
      // In order: the report waits for the record's pictures.
      for (const logger of this.#loggers) await logger.close();
      await this.#dashboard?.close();
    }
  }
}

/** Names and values for people, without what the record says of the model itself. */
function readable(facts: Readonly<Record<string, unknown>>): [string, string][] {
  return Object.entries(facts)
    .filter(([name]) => !['classNames', 'parameters', 'inputSize'].includes(name))
    .map(([name, value]) => [name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`), text(value)]);
}

function text(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, inner]) => (typeof inner === 'object' ? text(inner) : `${name} ${text(inner)}`))
    .join(', ');
}
