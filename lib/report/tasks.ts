// Work in the background of a training, one piece after the other.
// Invariant: a piece replaces one of its kind that still waits: a slow machine skips, work never piles up.

export class Tasks {
  readonly #onError: (error: Error) => void;
  #running: Promise<void> | undefined;
  readonly #waiting = new Map<string, () => Promise<void>>();

  /** @param onError  told of every failure */
  constructor(onError: (error: Error) => void) {
    this.#onError = onError;
  }

  run(kind: string, work: () => Promise<void>): void {
    this.#waiting.set(kind, work);
    this.#running ??= this.#drain();
  }

  /** Resolves when nothing is running or waiting. */
  async settled(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #drain(): Promise<void> {
    for (;;) {
      const [first] = this.#waiting;
      if (!first) {
        // At once: what comes a moment later must find that nothing runs.
        this.#running = undefined;
        return;
      }
      const [kind, work] = first;
      this.#waiting.delete(kind);
      await work().catch((error: unknown) => this.#onError(error as Error));
    }
  }
}
