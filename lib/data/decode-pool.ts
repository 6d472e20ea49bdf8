// A pool of threads that decode picture files and scale them, off the event loop.
// Invariant: every job settles exactly once: by its pictures, by its signal, or by close().

import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { AbortedError, ArgumentError, DataError, DecodeError, DisposedError } from '../errors.js';
import { abortedBy } from './abort.js';
import { checkDecoderName, type Decoder } from './codecs/index.js';
import type { DecodeReply, DecodeRequest, DecodeWorkerData } from './decode-worker.js';
import { DEFAULT_MAX_PIXELS } from './decode.js';
import { checkFrame, DEFAULT_SIDE, type Framing } from './resize.js';
import type { RgbImage } from './types.js';

/** Beyond this many threads the memory of large pictures decoded at once outweighs the gain in speed. */
const MOST_DEFAULT_WORKERS = 8;

/** One picture in work and one waiting, so that a thread need not wait for the event loop between two. */
const REQUESTS_PER_THREAD = 2;

/** Long enough for the largest picture allowed on a slow machine; the codecs never end on some damaged files. */
const DEFAULT_TIMEOUT_MS = 120_000;

const WHAT = 'decoding';

export interface DecodePoolOptions {
  /** Number of threads. Default: as many as the process may run at once, at most 8. */
  readonly workers?: number;
  /** What the shorter side is scaled to, in pixels. Default 256. */
  readonly side?: number;
  /** What is kept of a scaled picture: the central square ('centre', default), or all of it ('full'). */
  readonly framing?: Framing;
  /** Pictures of more pixels than this are refused. Default 64,000,000. */
  readonly maxPixels?: number;
  /** A picture that takes longer than this fails, and its thread is replaced. Default 120,000 (two minutes). */
  readonly timeoutMs?: number;
  /** What decodes. Default 'auto': the fastest that works here; see `decoderInfo`. */
  readonly decoder?: Decoder;
}

/** The pictures of one decode() call. */
interface Job {
  readonly results: (RgbImage | DecodeError)[];
  remaining: number;
  settled: boolean;
  readonly settle: (error?: Error) => void;
}

interface Task {
  readonly job: Job;
  /** Position in the job. */
  readonly index: number;
  readonly path: string;
}

interface Thread {
  readonly worker: Worker;
  /** In the order in which they will be answered; the first is in work. */
  readonly tasks: Task[];
  ready: boolean;
  error?: Error;
  /** Runs while a picture is in work. */
  watch?: NodeJS.Timeout;
}

/**
 * Decodes picture files in threads. Threads are started as work comes in; waiting ones do not keep the process alive.
 * Only two pictures a thread are handed out at a time; the others wait in the order of the calls, unread.
 */
export class DecodePool {
  /** Number of threads at most. */
  readonly workers: number;
  /** What the shorter side is scaled to, in pixels. */
  readonly side: number;
  readonly framing: Framing;
  /** Pictures of more pixels are refused. */
  readonly maxPixels: number;
  readonly decoder: Decoder;
  readonly #timeoutMs: number;
  readonly #workerData: DecodeWorkerData;
  readonly #threads = new Set<Thread>();
  readonly #jobs = new Set<Job>();
  #queue: Task[] = [];
  #closed = false;

  /** @throws ArgumentError if an option is out of range */
  constructor(options: DecodePoolOptions = {}) {
    const { workers = Math.min(availableParallelism(), MOST_DEFAULT_WORKERS), decoder = 'auto' } = options;
    const { framing = 'centre' } = options;
    const { side = DEFAULT_SIDE, maxPixels = DEFAULT_MAX_PIXELS, timeoutMs = DEFAULT_TIMEOUT_MS } = options;
    for (const [name, value] of Object.entries({ workers, side, maxPixels, timeoutMs })) {
      if (!Number.isInteger(value) || value < 1) {
        throw new ArgumentError(`${name} is ${value}, expected a positive integer`);
      }
    }
    checkFrame({ side, framing });
    checkDecoderName(decoder);
    this.workers = workers;
    this.side = side;
    this.framing = framing;
    this.maxPixels = maxPixels;
    this.decoder = decoder;
    this.#timeoutMs = timeoutMs;
    this.#workerData = { frame: { side, framing }, maxPixels, decoder };
  }

  /**
   * Decodes picture files and scales each, as {@link resizeToSquare} does.
   * @returns for each path its picture ([height, width, 3], the caller's), or why there is none; a thread that
   * crashes costs only the picture it was at
   * @throws AbortedError if the signal is aborted or the pool closed meanwhile
   * @throws DisposedError if the pool is closed
   * @throws DataError if threads cannot be started, or `decoder` does not work here
   */
  decode(
    paths: readonly string[],
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<(RgbImage | DecodeError)[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw new DisposedError('the decode pool is closed; make a new one');
      if (signal?.aborted) throw abortedBy(signal, WHAT);
      if (paths.length === 0) return resolve([]);
      const onAbort = (): void => job.settle(abortedBy(signal!, WHAT));
      const results = new Array<RgbImage | DecodeError>(paths.length);
      const settle = (error?: Error): void => {
        job.settled = true;
        this.#jobs.delete(job);
        signal?.removeEventListener('abort', onAbort);
        if (error) this.#queue = this.#queue.filter((task) => task.job !== job);
        if (error) reject(error);
        else resolve(results);
      };
      const job: Job = { results, remaining: paths.length, settled: false, settle };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#jobs.add(job);
      paths.forEach((path, index) => this.#queue.push({ job, index, path }));
      this.#handOut();
    });
  }

  /** Ends the threads; decode() calls that have not finished reject with AbortedError. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#jobs) job.settle(new AbortedError('the decode pool was closed'));
    for (const { watch } of this.#threads) clearTimeout(watch);
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #handOut(): void {
    while (this.#queue.length > 0) {
      const thread = this.#freeThread();
      if (!thread) return;
      const task = this.#queue.shift()!;
      thread.tasks.push(task);
      thread.worker.postMessage({ path: task.path } satisfies DecodeRequest);
      if (thread.tasks.length === 1) {
        thread.worker.ref();
        this.#watchFirstTask(thread);
      }
    }
  }

  /** The thread with the least to do, a new one if all have something to do, or none if all have enough. */
  #freeThread(): Thread | undefined {
    let least: Thread | undefined;
    for (const thread of this.#threads) {
      if (!least || thread.tasks.length < least.tasks.length) least = thread;
    }
    if (least?.tasks.length === 0) return least;
    if (this.#threads.size < this.workers) return this.#startThread();
    return least && least.tasks.length < REQUESTS_PER_THREAD ? least : undefined;
  }

  /** Starts a thread that speaks the protocol of decode-worker.ts. */
  protected startWorker(workerData: DecodeWorkerData): Worker {
    return new Worker(new URL('./decode-worker.js', import.meta.url), {
      workerData,
      name: 'alexnet-decode',
      execArgv: [], // loaders and the like of the program would only slow the start
    });
  }

  #startThread(): Thread {
    const worker = this.startWorker(this.#workerData);
    const thread: Thread = { worker, tasks: [], ready: false };
    worker.on('message', (reply: DecodeReply) => this.#onReply(thread, reply));
    worker.on('error', (error: Error) => (thread.error = error));
    worker.on('exit', (code) => this.#onExit(thread, code));
    this.#threads.add(thread);
    return thread;
  }

  #onReply(thread: Thread, reply: DecodeReply): void {
    if (reply === 'ready') {
      thread.ready = true;
      return;
    }
    const task = thread.tasks.shift()!;
    this.#watchFirstTask(thread);
    finish(task, 'picture' in reply ? reply.picture : new DecodeError(task.path, reply.reason));
    this.#handOut();
    if (thread.tasks.length === 0) thread.worker.unref();
  }

  /**
   * Ends the thread if the picture it is at takes too long. The time is counted in two halves: a process that was
   * stopped and goes on finds the first over, but the thread has the second to answer in.
   */
  #watchFirstTask(thread: Thread): void {
    clearTimeout(thread.watch);
    if (thread.tasks.length === 0) return;
    const wait = (then: () => void): void => {
      thread.watch = setTimeout(then, this.#timeoutMs / 2);
      thread.watch.unref();
    };
    wait(() =>
      wait(() => {
        thread.error = new Error(`no result after ${this.#timeoutMs} ms`);
        void thread.worker.terminate();
      }),
    );
  }

  /** A crash costs the picture in work; those that waited behind it go to other threads, first in the queue. */
  #onExit(thread: Thread, code: number): void {
    this.#threads.delete(thread);
    clearTimeout(thread.watch);
    if (this.#closed) return;
    const why = thread.error?.message ?? `exit code ${code}`;
    if (!thread.ready) {
      const error = new DataError(`picture decoding threads do not start: ${why}`, { cause: thread.error });
      for (const job of this.#jobs) job.settle(error);
      return;
    }
    const culprit = thread.tasks.shift();
    if (culprit) {
      finish(
        culprit,
        new DecodeError(
          culprit.path,
          `the decoder was lost on it (${why}); the file is damaged or too large`,
        ),
      );
    }
    this.#queue.unshift(...thread.tasks.filter((task) => !task.job.settled));
    this.#handOut();
  }
}

function finish({ job, index }: Task, result: RgbImage | DecodeError): void {
  if (job.settled) return;
  job.results[index] = result;
  job.remaining--;
  if (job.remaining === 0) job.settle();
}
