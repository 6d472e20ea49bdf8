// The body of a decoding thread: takes paths, answers with scaled pictures.
// Invariant: requests are answered one by one, in the order they came; the pictures' memory goes to the asker.

import { parentPort, workerData } from 'node:worker_threads';
import { DecodeError } from '../errors.js';
import { loadAddon } from '../native/addon.js';
import { checkDecoder, type Decoder } from './codecs/index.js';
import { decodeFileToRaster, reasonOf } from './decode.js';
import { scaleRaster, type FrameOptions } from './resize.js';
import type { RgbImage } from './types.js';

/** What a thread is started with. */
export interface DecodeWorkerData {
  readonly frame: FrameOptions;
  readonly maxPixels: number;
  readonly decoder: Decoder;
}

/** Pool to thread: the file to decode. */
export interface DecodeRequest {
  readonly path: string;
}

/** Thread to pool: 'ready' once, then an answer for each request. */
export type DecodeReply = 'ready' | { readonly picture: RgbImage } | { readonly reason: string };

async function answer({ path }: DecodeRequest, { frame, ...options }: DecodeWorkerData) {
  try {
    return { picture: scaleRaster(await decodeFileToRaster(path, options), frame) };
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
  let last: Promise<void> = checkDecoder(data.decoder).then(() => {
    loadAddon(); // fails here, once, rather than at every picture
    port.postMessage('ready' satisfies DecodeReply);
  });
  port.on('message', (request: DecodeRequest) => {
    last = last.then(async () => {
      const reply = await answer(request, data);
      port.postMessage(reply satisfies DecodeReply, 'picture' in reply ? [reply.picture.data.buffer] : []);
    });
  });
}
