// Ctrl-C and SIGTERM: the first asks work to end in good order, the second ends the process.
// Invariant: when disposed, signals do again what they do by default.

/** The exit code of a process that a signal stopped: 128 and the signal's number. */
const CODES = { SIGINT: 130, SIGTERM: 143 } as const;

type StopSignal = keyof typeof CODES;

export class StopRequest implements Disposable {
  readonly #controller = new AbortController();
  readonly #onStop: () => void;
  #received: StopSignal | undefined;

  /** @param onStop  told of the first signal */
  constructor(onStop: () => void) {
    this.#onStop = onStop;
    for (const name of Object.keys(CODES)) process.on(name, this.#listener);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Undefined until a signal came. */
  get exitCode(): (typeof CODES)[StopSignal] | undefined {
    return this.#received && CODES[this.#received];
  }

  readonly #listener = (name: StopSignal): void => {
    if (this.#received) process.exit(CODES[name]);
    this.#received = name;
    this.#onStop();
    this.#controller.abort();
  };

  [Symbol.dispose](): void {
    for (const name of Object.keys(CODES)) process.off(name, this.#listener);
  }
}
