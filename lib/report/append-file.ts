// A file of lines or records that grows in the background.
// Invariant: pieces are written whole, in order, one write at a time; the caller never waits, a failure ends it.
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { FileWriteError } from '../errors.js';
import type { LoggerOptions } from './logger.js';

export interface AppendFileOptions extends LoggerOptions {
  /** Whether the lines that the file holds already stay. Default false: it is written anew. */
  readonly append?: boolean;
}

export class AppendFile {
  readonly path: string;
  readonly #options: AppendFileOptions;
  #waiting: Uint8Array[] = [];
  #writing: Promise<void> | undefined;
  #handle: FileHandle | undefined;
  #ended = false;

  /** The file and its folder are made by the first write. */
  constructor(file: string, options: AppendFileOptions = {}) {
    this.path = file;
    this.#options = options;
  }

  write(piece: string | Uint8Array): void {
    if (this.#ended) return;
    this.#waiting.push(typeof piece === 'string' ? Buffer.from(piece) : piece);
    this.#writing ??= this.#writeAll();
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#writing;
    await this.#handle?.close().catch(() => undefined);
    this.#handle = undefined;
  }

  /** What comes while a write is under way goes out in the next one. */
  async #writeAll(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        const pieces = Buffer.concat(this.#waiting.splice(0));
        this.#handle ??= await this.#open();
        await this.#handle.appendFile(pieces);
      }
    } catch (cause) {
      this.#ended = true;
      this.#waiting = [];
      const reason = `it cannot be written: ${(cause as Error).message}. Training goes on without it.`;
      this.#options.onError?.(new FileWriteError(this.path, reason, { cause }));
    } finally {
      // At once: what comes a moment later must find that nothing is being written.
      this.#writing = undefined;
    }
  }

  async #open(): Promise<FileHandle> {
    await mkdir(path.dirname(this.path), { recursive: true });
    if (!this.#options.append) return open(this.path, 'w');
    const handle = await open(this.path, 'a+');
    // A process that was killed may have left half a line, which must not swallow the next one.
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    if (size > 0 && last.toString() !== '\n') await handle.appendFile('\n');
    return handle;
  }
}
