// The body of a decoding thread: takes paths, answers with squares.
// Invariant: requests are answered one by one, in the order they came; the squares' memory goes to the asker.

import { parentPort, workerData } from 'node:worker_threads';
import { DecodeError } from '../errors.js';
import { checkDecoder, type Decoder } from './codecs/index.js';
import { decodeFile, reasonOf } from './decode.js';
import { resizeToSquare } from './resize.js';

/** What a thread is started with. */
export interface DecodeWorkerData {
  readonly side: number;
  readonly maxPixels: number;
  readonly decoder: Decoder;
}

/** Pool to thread: the file to decode. */
export interface DecodeRequest {
  readonly path: string;
}

/** Thread to pool: 'ready' once, then an answer for each request. */
export type DecodeReply =
  'ready' | { readonly square: Uint8Array<ArrayBuffer> } | { readonly reason: string };

async function answer({ path }: DecodeRequest, { side, ...options }: DecodeWorkerData) {
  try {
    return { square: resizeToSquare(await decodeFile(path, options), side) };
  } catch (error) {
    // Anything else is a fault of this program: it ends the thread, and the pool reports it.
    if (!(error instanceof DecodeError)) throw error;
    return { reason: reasonOf(error) };
  }
}

/** Codecs print about odd files, which would stand in the midst of the program's output. */
function silenceCodecs(): void {
  const nothing = (): void => {};
  Object.assign(console, { log: nothing, info: nothing, warn: nothing, error: nothing });
}

if (parentPort) {
  const port = parentPort;
  silenceCodecs();
  const data = workerData as DecodeWorkerData;
  let last: Promise<void> = checkDecoder(data.decoder).then(() =>
    port.postMessage('ready' satisfies DecodeReply),
  );
  port.on('message', (request: DecodeRequest) => {
    last = last.then(async () => {
      const reply: DecodeReply = await answer(request, data);
      port.postMessage(reply, 'square' in reply ? [reply.square.buffer] : []);
    });
  });
}
