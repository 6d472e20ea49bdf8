// libjpeg compiled to WebAssembly (mozjpeg, packaged by @jsquash/jpeg), as a JPEG codec for jimp.
// Invariant: a picture comes out without a single warning, or not at all; a failure leaves no state behind.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Pixels } from '../raster.js';

/** WebAssembly memory never shrinks: after a picture of more pixels than this, it is given back and made anew. */
const KEPT_PIXELS = 4_000_000;

interface Instance {
  decode(
    bytes: Uint8Array,
    preserveOrientation: boolean,
  ): { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray } | null;
}

type Factory = (options: {
  readonly noInitialRun: boolean;
  readonly printErr: (line: string) => void;
  readonly instantiateWasm: (imports: object, done: (instance: object) => void) => object;
}) => Promise<Instance>;

/** The parts of the WebAssembly interface that are used; Node has them all, its types do not. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** Decodes greyscale, YCbCr and RGB JPEG. Rejects for anything else, and for files that libjpeg has a warning about. */
export type JpegDecoder = (bytes: Uint8Array) => Promise<Pixels>;

/**
 * Compiles the codec from the package's file: nothing is fetched, and it works in worker threads.
 * @throws Error if the package is missing or WebAssembly is switched off
 */
export async function loadWasmJpeg(): Promise<{ readonly decode: JpegDecoder; readonly version: string }> {
  const require = createRequire(import.meta.url);
  const { version } = require('@jsquash/jpeg/package.json') as { version: string };
  const module = new WebAssembly.Module(
    await readFile(require.resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm')),
  );
  const codec: unknown = await import('@jsquash/jpeg/codec/dec/mozjpeg_dec.js');
  const decode = decoderOf((codec as { default: Factory }).default, module);
  return { decode, version };
}

function decoderOf(factory: Factory, module: object): JpegDecoder {
  const warnings: string[] = [];
  let running: Promise<Instance> | undefined;
  const start = (): Promise<Instance> =>
    factory({
      noInitialRun: true,
      printErr: (line) => warnings.push(line),
      instantiateWasm: (imports, done) => {
        const instance = new WebAssembly.Instance(module, imports);
        done(instance);
        return instance.exports;
      },
    });
  return async (bytes) => {
    const instance = await (running ??= start());
    warnings.length = 0;
    try {
      const picture = instance.decode(bytes, false);
      if (!picture || warnings.length > 0) throw new Error(warnings.join('; ') || 'no picture');
      const { width, height, data } = picture;
      if (width * height > KEPT_PIXELS) running = undefined;
      return { width, height, channels: 4, data: new Uint8Array(data.buffer) };
    } catch (error) {
      running = undefined; // libjpeg leaves by exit(), with its memory still allocated
      throw new Error(warnings.join('; ') || String(error), { cause: error });
    }
  };
}
