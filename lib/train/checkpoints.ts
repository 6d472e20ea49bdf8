// Writes checkpoints beside the training: one at a time, while steps go on.
// Invariant: a file that cannot be written costs that file, not the training; the one before it stays.
import { FileWriteError } from '../errors.js';
import type { CheckpointContents, Snapshot } from './checkpoint.js';
import type { Metrics, TrainingEvent } from './events.js';
import type { RunFolder } from './run-folder.js';

/** A snapshot with all that goes into its file. */
export interface CheckpointJob {
  readonly snapshot: Snapshot;
  readonly contents: CheckpointContents;
  /** At the end of an epoch: its number, its metrics, and whether it is the best so far. */
  readonly epochEnd?: { readonly epoch: number; readonly metrics: Metrics; readonly best: boolean };
}

export class Checkpoints {
  readonly #folder: RunFolder;
  readonly #seed: number;
  readonly #events: TrainingEvent[] = [];
  #writing: Promise<void> | undefined;
  /** Of the last write. */
  #writeError: FileWriteError | undefined;
  /** Of the device or the program: training cannot go on. */
  #failure: unknown;

  constructor(folder: RunFolder, { seed }: { readonly seed: number }) {
    this.#folder = folder;
    this.#seed = seed;
  }

  get busy(): boolean {
    return this.#writing !== undefined;
  }

  /** Begins to write, once what is being written is done. */
  async start(job: CheckpointJob): Promise<void> {
    await this.#writing;
    this.#writing = this.#write(job).finally(() => {
      this.#writing = undefined;
    });
  }

  /** What happened since the last call. @throws what a write failed with, unless the system refused it */
  takeEvents(): TrainingEvent[] {
    if (this.#failure !== undefined) throw this.#failure as Error;
    return this.#events.splice(0);
  }

  /** Waits until nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** @throws FileWriteError if the last checkpoint could not be written */
  check(): void {
    if (this.#writeError) throw this.#writeError;
  }

  /** Never rejects: what fails is told by takeEvents and check. */
  async #write({ snapshot, contents, epochEnd }: CheckpointJob): Promise<void> {
    const began = performance.now();
    const { step, epoch } = contents.state;
    const path = this.#folder.checkpointPath(step);
    const notes = { epoch: epochEnd?.epoch ?? epoch, step, seed: this.#seed, ...epochEnd?.metrics };
    try {
      await this.#folder.check();
      const { bytes } = await snapshot.write(path, contents, notes);
      await this.#nameAs(path, epochEnd);
      await this.#folder.wrote(path);
      this.#writeError = undefined;
      const durationMs = performance.now() - began;
      this.#events.push({ type: 'checkpoint', epoch: notes.epoch, step, path, bytes, durationMs });
    } catch (error) {
      if (!(error instanceof FileWriteError)) {
        this.#failure = error;
        return;
      }
      this.#writeError = error;
      const message = `no checkpoint of step ${step}, training goes on: ${error.message}`;
      this.#events.push({ type: 'warning', message });
    }
  }

  async #nameAs(path: string, epochEnd: CheckpointJob['epochEnd']): Promise<void> {
    if (!epochEnd) return;
    for (const kind of epochEnd.best ? (['last', 'best'] as const) : (['last'] as const)) {
      const name = await this.#folder.name(path, kind);
      this.#events.push({ type: 'saved', epoch: epochEnd.epoch, path: name, kind });
    }
  }
}
