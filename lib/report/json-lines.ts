// A log of a training as JSON lines: an object an event, each with its time.
// Invariant: every line is a whole JSON object; numbers that JSON lacks (NaN, infinities) are null.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { TrainingEvent } from '../train/index.js';
import { AppendFile, type AppendFileOptions } from './append-file.js';
import type { TrainingLogger } from './logger.js';

/**
 * Writes events to a file, a line each: `{"time":"2026-01-31T12:00:00.000Z","type":"step",...}`. How far a mean
 * picture or a validation has come is left out.
 */
export class JsonLinesLogger implements TrainingLogger {
  readonly #file: AppendFile;

  constructor(path: string, options: AppendFileOptions = {}) {
    this.#file = new AppendFile(path, options);
  }

  /** Adds a line of the caller's own, e.g. what is about to be trained. */
  write(entry: Readonly<Record<string, unknown>>): void {
    this.#file.write(`${JSON.stringify({ time: new Date().toISOString(), ...entry })}\n`);
  }

  handle(event: TrainingEvent): void {
    if (event.type === 'preparing' || event.type === 'validation-progress') return;
    this.write({ ...event });
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/**
 * The events of a training's log up to a step. What was done again after an interruption counts as it was the last
 * time. Lines that are not whole are passed over; a log that cannot be read has no events.
 */
export async function loggedEvents(
  path: string,
  { upToStep }: { readonly upToStep: number },
): Promise<TrainingEvent[]> {
  let events: TrainingEvent[] = [];
  const before = (step: number) => events.filter((event) => !('step' in event) || event.step <= step);
  try {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      const event = eventIn(line);
      if (event?.type === 'resumed') events = before(event.step);
      else if (event) events.push(event);
    }
  } catch {
    return [];
  }
  return before(upToStep);
}

function eventIn(line: string): TrainingEvent | undefined {
  try {
    const { time: _, ...event } = JSON.parse(line) as { time: string };
    return event as unknown as TrainingEvent;
  } catch {
    return undefined;
  }
}
