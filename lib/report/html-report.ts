// The report of a training as one HTML file that opens anywhere, without a network.
// Invariant: the file is whole at any moment; it is written after every epoch and at the end.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomically } from '../io/atomic-file.js';
import type { TrainingEvent } from '../train/index.js';
import type { LoggerOptions, TrainingLogger } from './logger.js';
import { renderPage } from './render-page.js';
import type { RunRecord } from './run-record.js';
import { Tasks } from './tasks.js';

/**
 * Writes what a {@link RunRecord} holds to a file. Give it every event after the record has had it, and close it after
 * the record, so that the last pictures are in it.
 */
export class HtmlReport implements TrainingLogger {
  readonly path: string;
  readonly #record: RunRecord;
  readonly #tasks: Tasks;

  constructor(file: string, record: RunRecord, { onError = () => {} }: LoggerOptions = {}) {
    this.path = file;
    this.#record = record;
    this.#tasks = new Tasks(onError);
  }

  handle(event: TrainingEvent): void {
    if (event.type === 'epoch') this.#write();
  }

  async close(): Promise<void> {
    this.#write();
    await this.#tasks.settled();
  }

  #write(): void {
    this.#tasks.run('write', async () => {
      const { html } = await renderPage(this.#record.state);
      const bytes = Buffer.from(html);
      await mkdir(path.dirname(this.path), { recursive: true });
      await writeFileAtomically(this.path, [bytes], { byteLength: bytes.length });
    });
  }
}
