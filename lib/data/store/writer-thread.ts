// A store's writer in a thread of its own: checksums, sums and the disk do not hold up the decoding.
// Invariant: requests are answered one by one, in order; an error keeps its class, code, message and path on the way.

import { parentPort, Worker, workerData } from 'node:worker_threads';
import {
  AlexnetError,
  ArgumentError,
  DataError,
  DisposedError,
  FileFormatError,
  FileWriteError,
} from '../../errors.js';
import type { Progress } from './layout.js';
import type { ManifestHead } from './manifest.js';
import { ManifestFiles, type SharedFiles } from './manifest-files.js';
import { StoreWriter, type Decoded, type WriterOptions, type WrittenStore } from './writer.js';

/** A writer, wherever it runs. */
export interface Writer {
  /** When it was opened. */
  readonly progress: Progress;
  /** The pictures are the writer's from then on. */
  commit(batch: readonly Decoded[]): Promise<Progress>;
  finish(): Promise<WrittenStore>;
  /** Idempotent. */
  close(): Promise<void>;
}

/** {@link WriterOptions}, as a thread can be given them. */
interface ThreadData extends Omit<WriterOptions, 'manifest'> {
  readonly manifest: { readonly head: ManifestHead; readonly files: SharedFiles };
}

type Request = { readonly commit: readonly Decoded[] } | { readonly finish: true } | { readonly close: true };

type Reply = { readonly result: unknown } | { readonly error: PlainError };

/** Starts the thread and opens the store there. @throws as `StoreWriter.open` */
export async function openWriterThread(options: WriterOptions): Promise<Writer> {
  const thread = new WriterThread(options);
  try {
    return new ThreadedWriter(thread, (await thread.opened) as Progress);
  } catch (error) {
    await thread.end();
    throw error;
  }
}

class ThreadedWriter implements Writer {
  readonly progress: Progress;
  readonly #thread: WriterThread;

  constructor(thread: WriterThread, progress: Progress) {
    this.#thread = thread;
    this.progress = progress;
  }

  commit(batch: readonly Decoded[]): Promise<Progress> {
    const memory = batch.flatMap((decoded) =>
      'reason' in decoded ? [] : [decoded.data.buffer as ArrayBuffer],
    );
    return this.#thread.ask({ commit: batch }, memory) as Promise<Progress>;
  }

  finish(): Promise<WrittenStore> {
    return this.#thread.ask({ finish: true }) as Promise<WrittenStore>;
  }

  async close(): Promise<void> {
    await this.#thread.ask({ close: true }).catch(() => undefined);
    await this.#thread.end();
  }
}

interface Waiting {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class WriterThread {
  /** Settles when the store is open there. */
  readonly opened: Promise<unknown>;
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  #ended: Error | undefined;

  constructor(options: WriterOptions) {
    const { head, files } = options.manifest;
    this.#worker = new Worker(new URL(import.meta.url), {
      workerData: { ...options, manifest: { head, files: files.shared } } satisfies ThreadData,
      name: 'alexnet-store',
      execArgv: [],
    });
    this.opened = this.#wait();
    this.#worker.on('message', (reply: Reply) => {
      const { resolve, reject } = this.#waiting.shift()!;
      if ('result' in reply) resolve(reply.result);
      else reject(revive(reply.error));
    });
    this.#worker.on('error', (error: Error) => this.#fail(error));
    this.#worker.on('exit', (code) => this.#fail(new Error(`exit code ${code}`)));
  }

  ask(request: Request, memory: readonly ArrayBuffer[] = []): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    this.#worker.postMessage(request, memory);
    return this.#wait();
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #wait(): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #fail(cause: Error): void {
    this.#ended ??= new DataError(`the thread that writes the store ended: ${cause.message}`, { cause });
    for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
  }
}

/** An error as it goes from thread to thread: a clone is a plain Error. */
interface PlainError {
  readonly kind: string;
  readonly message: string;
  readonly path?: string;
  readonly cause: unknown;
}

function toPlain(error: unknown): PlainError {
  const { constructor, message, path, cause } = error as Error & { readonly path?: string };
  const text = cause instanceof Error ? new Error(cause.message) : undefined;
  return { kind: constructor.name, message, cause: text, ...(path !== undefined && { path }) };
}

function revive({ kind, message, path, cause }: PlainError): Error {
  // Errors with a path put it before their message.
  if (path !== undefined) {
    const reason = message.slice(path.length + 2);
    if (kind === FileFormatError.name) return new FileFormatError(path, reason, { cause });
    if (kind === FileWriteError.name) return new FileWriteError(path, reason, { cause });
  }
  if (kind === ArgumentError.name) return new ArgumentError(message);
  if (kind === DisposedError.name) return new DisposedError(message);
  if (kind === DataError.name) return new DataError(message, { cause });
  return new AlexnetError('ERR_DATA', `writing the store failed: ${message}`, { cause });
}

async function serve(port: NonNullable<typeof parentPort>): Promise<void> {
  const reply = async (work: () => unknown): Promise<void> => {
    try {
      port.postMessage({ result: await work() } satisfies Reply);
    } catch (error) {
      port.postMessage({ error: toPlain(error) } satisfies Reply);
    }
  };
  const { manifest, ...options } = workerData as ThreadData;
  const files = new ManifestFiles(manifest.files);
  let writer: StoreWriter | undefined;
  let last = reply(async () => {
    writer = await StoreWriter.open({ ...options, manifest: { head: manifest.head, files } });
    return writer.progress;
  });
  port.on('message', (request: Request) => {
    last = last.then(() =>
      reply(() => {
        if ('commit' in request) return writer?.commit(request.commit);
        return 'finish' in request ? writer?.finish() : writer?.close();
      }),
    );
  });
}

if (parentPort && (workerData as Partial<ThreadData> | null)?.manifest) void serve(parentPort);
