// When a run's checkpoints are taken and written, and how a run gets back to where one was.
// Invariant: within an epoch a checkpoint replaces an older one only when the step after it has shown its weights to be sound.
import { diskWarning } from '../io/disk-space.js';
import {
  Snapshot,
  restoreTensors,
  type Checkpoint,
  type CheckpointContents,
  type TrainingState,
} from './checkpoint.js';
import { Checkpoints, type CheckpointJob } from './checkpoints.js';
import type { TrainingEvent } from './events.js';
import { storedOptions } from './options.js';
import { reporting } from './reporting.js';
import { RunFolder } from './run-folder.js';
import { checkSame, identityOf, type RunIdentity } from './run-identity.js';
import type { RunParts } from './run-parts.js';
import type { RunPlace } from './run-place.js';

/** Without a folder to write to it only resumes. */
export class RunSaving {
  readonly #parts: RunParts;
  readonly #place: RunPlace;
  readonly #folder: RunFolder | undefined;
  readonly #checkpoints: Checkpoints | undefined;
  #identity: RunIdentity | undefined;
  #diskWarned = false;
  /** Step of the last snapshot. */
  #snapshotStep = 0;
  /** Name of a place that needs no checkpoint: it has one. */
  #savedAt = '';
  /** Waits for the next step to show that the weights are sound. */
  #staged: CheckpointJob | undefined;

  constructor(parts: RunParts, place: RunPlace) {
    this.#parts = parts;
    this.#place = place;
    const { out, checkpoints } = parts.options;
    if (out === undefined) return;
    this.#folder = new RunFolder(out, { keep: checkpoints?.keep ?? 2 });
    this.#checkpoints = new Checkpoints(this.#folder, { seed: parts.seed });
  }

  /**
   * Makes the folder and locks it.
   * @throws DataError, ArgumentError if the run that is resumed would not go on as it began; what RunFolder.open throws
   */
  async *open(resumed: Checkpoint | undefined): AsyncGenerator<TrainingEvent> {
    const folder = this.#folder;
    if (!folder && !resumed) return;
    this.#identity = await identityOf(this.#parts);
    if (resumed) checkSame(this.#identity, resumed);
    if (!folder) return;
    const { lock, signal } = this.#parts;
    yield* reporting<TrainingEvent, void>((report) =>
      folder.open({
        lock,
        resumed,
        signal,
        onWait: (message) => report({ type: 'warning', message }),
      }),
    );
  }

  /** Goes to where a checkpoint was taken. */
  async *restore({ path, state, skipped }: Checkpoint): AsyncGenerator<TrainingEvent> {
    const { rates, guard, earlyStopping, epochs } = this.#parts;
    for (const { message } of skipped) {
      yield { type: 'warning', message: `${message} The checkpoint before it is taken.` };
    }
    await restoreTensors(path, this.#parts);
    this.#place.state = state;
    this.#snapshotStep = state.step;
    this.#savedAt = this.#place.name;
    rates.state = state;
    guard.state = state.guard;
    if (earlyStopping && state.earlyStopping) earlyStopping.state = state.earlyStopping;
    await this.#folder?.restoreNames(path, namesOf(state));
    yield { type: 'resumed', epoch: state.epoch, epochs, step: state.step, path };
  }

  /** What a checkpoint after a step that was just submitted holds, if one is due. */
  snapshotIfDue(step: number): Snapshot | undefined {
    return this.#isDue(step) ? this.#snapshot(step) : undefined;
  }

  /** While a checkpoint is being written, the next one waits. */
  #isDue(step: number): boolean {
    const { everySteps = 1000 } = this.#parts.options.checkpoints ?? {};
    if (!this.#checkpoints || everySteps === 0 || this.#staged || this.#checkpoints.busy) return false;
    return step - this.#snapshotStep >= everySteps;
  }

  #snapshot(step: number): Snapshot {
    this.#snapshotStep = step;
    return new Snapshot(this.#parts);
  }

  /**
   * A step was read; its snapshot waits. A finite loss shows that the weights it was computed with, those of the step
   * before, are sound: only then is their snapshot written.
   */
  async stage(snapshot: Snapshot | undefined): Promise<void> {
    const sound = this.#staged;
    this.#staged = snapshot && { snapshot, contents: this.#contents() };
    if (sound) await this.#checkpoints?.start(sound);
  }

  async saveEpoch(epochEnd: NonNullable<CheckpointJob['epochEnd']>): Promise<void> {
    await this.#save({ epochEnd });
  }

  /** Training was stopped: where it is now is where it goes on. */
  async saveStopped(): Promise<void> {
    const saved = this.#place.step === 0 || this.#savedAt === this.#place.name;
    if (!saved) await this.#save({});
  }

  async #save(job: Pick<CheckpointJob, 'epochEnd'>): Promise<void> {
    this.#staged = undefined;
    if (!this.#checkpoints) return;
    this.#savedAt = this.#place.name;
    const snapshot = this.#snapshot(this.#place.step);
    await this.#checkpoints.start({ snapshot, contents: this.#contents(), ...job });
  }

  #contents(): CheckpointContents {
    const { model, options, rates, earlyStopping, guard } = this.#parts;
    return {
      state: {
        ...this.#place.state,
        ...rates.state,
        earlyStopping: earlyStopping?.state ?? null,
        guard: guard.state,
      },
      options: storedOptions(options),
      ...(this.#identity as RunIdentity),
      ownLoss: options.loss !== undefined,
      frozen: model.network.parameters.filter(({ frozen }) => frozen).map(({ name }) => name),
      configuration: options.configuration,
    };
  }

  /** What was written since the last call. @throws what a write failed with, unless the system refused it */
  async *events(): AsyncGenerator<TrainingEvent> {
    if (!this.#checkpoints || !this.#folder) return;
    for (const event of this.#checkpoints.takeEvents()) {
      yield event;
      if (event.type !== 'checkpoint' || this.#diskWarned) continue;
      const message = await diskWarning(this.#folder.folder, { fileBytes: event.bytes });
      this.#diskWarned = message !== undefined;
      if (message) yield { type: 'warning', message };
    }
  }

  /** Waits until nothing is being written, and lets another process have the folder. */
  async close(): Promise<void> {
    await this.idle();
    await this.#folder?.close();
  }

  /** Waits until nothing is being written. */
  async idle(): Promise<void> {
    await this.#checkpoints?.idle();
  }

  /** @throws FileWriteError if the last checkpoint could not be written */
  check(): void {
    this.#checkpoints?.check();
  }
}

/** Whose names a checkpoint ought to have. A process that is killed may have written it and not named it yet. */
function namesOf({ epoch, position, best }: TrainingState): ('best' | 'last')[] {
  if (position > 0 || epoch === 1) return [];
  return best?.epoch === epoch - 1 ? ['last', 'best'] : ['last'];
}
