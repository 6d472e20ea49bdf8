// Pictures with what photographs have: smooth gradients, noise, coloured edges; as JPEG in the kinds that cameras write.
// Invariant: the same seed gives the same bytes; nothing here uses the code under test.

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import encode, { init } from '@jsquash/jpeg/encode.js';
import { RandomStream, randomWords } from '../../lib/random.js';

export interface PhotoOptions {
  readonly width?: number;
  readonly height?: number;
  readonly seed: number;
}

/** [height, width, 4]: a sky-like gradient, a disc and a bar of other colours, and noise of up to 12 levels. */
export function photo({ width = 160, height = 120, seed }: PhotoOptions): {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
} {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [a, b, c] = randomWords({ seed, index: y * width + x, stream: RandomStream.shuffle });
      const inDisc = Math.hypot(x - width * 0.4, y - height * 0.5) < height * 0.3;
      const inBar = x > width * 0.8;
      const base = inDisc
        ? [200, 60, 40]
        : inBar
          ? [30, 120, 50]
          : [90 + (x * 80) / width, 130, 250 - (y * 120) / height];
      const noise = [a, b, c].map((word) => (word / 2 ** 32) * 12 - 6);
      data.set([...base.map((value, channel) => value + noise[channel]!), 255], (y * width + x) * 4);
    }
  }
  return { width, height, data };
}

export interface PhotoJpegOptions extends PhotoOptions {
  /** 2: chroma at half the size, as most cameras write. 1: at full size. */
  readonly subsample: 1 | 2;
  readonly progressive?: boolean;
  readonly grey?: boolean;
}

let encoder: Promise<void> | undefined;

/** {@link photo} as a JPEG of quality 90, by mozjpeg's encoder. */
export async function photoJpeg(options: PhotoJpegOptions): Promise<Buffer> {
  const { subsample, progressive = false, grey = false, ...picture } = options;
  await (encoder ??= startEncoder());
  const file = await encode(photo(picture) as Parameters<typeof encode>[0], {
    quality: 90,
    progressive,
    color_space: grey ? 1 : 3,
    auto_subsample: false,
    chroma_subsample: subsample,
  });
  return Buffer.from(file);
}

async function startEncoder(): Promise<void> {
  const path = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm');
  const wasmBinary = await readFile(path);
  await (init as (options: object) => Promise<void>)({ wasmBinary });
}
