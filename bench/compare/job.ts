// What a peer's process is asked to do, and what it answers: a JSON text as its argument, a JSON line on its output.
// Invariant: every peer trains and runs the same network (227x227 pictures, two groups, LRN, dropout, momentum SGD with
// decay) on pictures that lie in memory, and a training step ends when its loss has been read.

/** One measurement, in a process of its own. */
export interface Job {
  /** train: forward, loss, backward, update. infer: forward. check: the loss of given weights, without dropout. */
  readonly task: 'train' | 'infer' | 'check';
  readonly batchSize: number;
  readonly threads: number;
  /** Timed calls; the first call and `warmUp` more are not among them. */
  readonly repetitions: number;
  readonly warmUp: number;
  /** After so many milliseconds of timed calls, and three of them, no more are begun. */
  readonly budgetMs: number;
  /** check: the folder that {@link writeReference} wrote. */
  readonly reference?: string;
  /** What the peer is told beyond this, e.g. { compile: true }. */
  readonly options: Readonly<Record<string, string | boolean>>;
}

export interface Answer {
  /** Versions of what did the work. */
  readonly versions: Readonly<Record<string, string>>;
  /** When the first call ended, in milliseconds since 1970: with the time of its start, what a user waits for. */
  readonly firstEndedAt: number;
  /** [repetitions], a call each. */
  readonly timesMs: readonly number[];
  /** Of the process, from its start. */
  readonly peakResidentMiB: number;
  /** Longest time between two ticks of a 10 ms timer during the timed calls, less 10; Node.js peers only. */
  readonly longestDelayMs?: number;
  /** train: milliseconds of a step by layer, forward and backward, and of the update: means of a few steps; this package only. */
  readonly layersMs?: Readonly<Record<string, number>>;
  /** check: mean cross-entropy of the batch, in nats. */
  readonly loss?: number;
}

/** The one line that a peer prints. */
export type Reply = Answer | { readonly cannot: string };

/** Calls and times `call`, and watches the event loop meanwhile. */
export async function measure(job: Job, call: () => unknown): Promise<Omit<Answer, 'versions'>> {
  await call();
  const firstEndedAt = Date.now();
  for (let i = 0; i < job.warmUp; i++) await call();
  const ticks = watchTicks();
  const timesMs: number[] = [];
  const began = performance.now();
  while (
    timesMs.length < job.repetitions &&
    (timesMs.length < 3 || performance.now() - began < job.budgetMs)
  ) {
    const start = performance.now();
    await call();
    timesMs.push(performance.now() - start);
  }
  const longestDelayMs = await ticks.end();
  return { firstEndedAt, timesMs, longestDelayMs, peakResidentMiB: process.resourceUsage().maxRSS / 1024 };
}

const TICK_MS = 10;

/** A timer as a server or a progress bar would have it. */
function watchTicks(): { end(): Promise<number> } {
  let last = performance.now();
  let longest = 0;
  const tick = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(tick, TICK_MS);
  return {
    // What is late has its turn before the timer ends.
    end: () =>
      new Promise((resolve) =>
        setTimeout(() => {
          clearInterval(timer);
          tick();
          resolve(Math.max(0, longest - TICK_MS));
        }, 2 * TICK_MS),
      ),
  };
}

/** Runs `work` for the job in the process's first argument, prints its reply, and ends the process. */
export async function reply(work: (job: Job) => Promise<Reply>): Promise<never> {
  const job = JSON.parse(process.argv[2] ?? '') as Job;
  const answer = await work(job).catch((error: unknown): Reply => ({
    cannot: error instanceof Error ? error.message : String(error),
  }));
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(answer)}\n`, resolve));
  // Threads of a peer may keep the event loop alive.
  process.exit(0);
}
