// How a training is shown: a display for people on stderr, events for programs on stdout.
// Invariant: with --json stdout holds JSON lines only; warnings are always shown somewhere.

import {
  createProgress,
  type CheckpointEvent,
  type DoneEvent,
  type Progress,
  type SavedEvent,
  type TrainingEvent,
} from '../index.js';
import { note, print, printJson, shellWord } from './output.js';

export class TrainingReport implements Disposable {
  readonly #json: boolean;
  readonly #quiet: boolean;
  readonly #progress: Progress | undefined;
  readonly #saved = new Map<SavedEvent['kind'], SavedEvent>();
  #checkpoint: CheckpointEvent | undefined;

  constructor({ json, quiet }: { readonly json: boolean; readonly quiet: boolean }) {
    this.#json = json;
    // On one terminal, JSON lines and a line that is redrawn would overwrite each other.
    this.#quiet = quiet || (json && process.stdout.isTTY);
    this.#progress = this.#quiet ? undefined : createProgress();
  }

  /** What is about to be trained, in lines for people and as an object for programs. */
  start(lines: readonly string[], facts: Readonly<Record<string, unknown>>): void {
    if (this.#json) printJson({ type: 'start', ...facts });
    this.say(lines);
  }

  /** For people only. */
  say(lines: readonly string[]): void {
    if (!this.#quiet) for (const line of lines) note(line);
  }

  handle(event: TrainingEvent): void {
    if (this.#json) printJson(event);
    // Where the weights are is part of the result, not of the progress.
    if (event.type === 'saved') this.#saved.set(event.kind, event);
    else if (event.type === 'checkpoint') this.#checkpoint = event;
    else if (this.#progress) this.#progress.handle(event);
    else if (event.type === 'warning' && !this.#json) note(`warning: ${event.message}`);
  }

  /**
   * How it ended, where the weights are, and what to type next.
   * @param out.replaced  whether the folder held another training before
   * @param out.resumed  the folder of the checkpoint that this training went on from
   */
  finish(
    { reason }: DoneEvent,
    out: { readonly folder: string; readonly replaced: boolean; readonly resumed: string | undefined },
  ): void {
    this[Symbol.dispose]();
    const say = this.#json ? (this.#quiet ? () => {} : note) : print;
    const stopped = reason === 'aborted';
    const step = this.#checkpoint?.step;
    if (stopped && step !== undefined) say(`stopped after step ${step}, with a checkpoint`);
    else if (stopped) say('stopped before the next step was done');
    for (const line of this.#savedLines()) say(line);
    // Nothing may have been left to do, or no step done: then the training is where it was.
    const isWritten = step !== undefined || this.#saved.size > 0;
    const folder = shellWord(isWritten ? out.folder : (out.resumed ?? out.folder));
    if (stopped && (step !== undefined || out.resumed !== undefined)) {
      say(`go on with: alexnet train --resume ${folder}`);
    } else if (!stopped) say(`next: alexnet predict ${folder} picture.jpg`);
    else if (out.replaced) say(`what is in ${out.folder} is of an earlier training`);
  }

  /** After a failure: what is left of the training. */
  fail(): void {
    this[Symbol.dispose]();
    for (const line of this.#savedLines()) note(line);
  }

  #savedLines(): string[] {
    return [...this.#saved.values()]
      .sort((a, b) => (a.kind < b.kind ? -1 : 1))
      .map(({ kind, epoch, path }) => `${kind} weights (epoch ${epoch}): ${path}`);
  }

  [Symbol.dispose](): void {
    this.#progress?.close();
  }
}
