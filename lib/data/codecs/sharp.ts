// sharp (libvips) as a codec, where the user has installed it; the package does not depend on it.
// Invariant: it gives the pixels as they are stored: no rotation, no colour profile; what it warns about is refused.

import type { PictureHeader } from '../headers/index.js';
import type { Pixels } from '../raster.js';

/** The part of sharp's interface that is used; its own types are there only when it is installed. */
interface Sharp {
  (bytes: Uint8Array, options: { failOn: 'warning'; limitInputPixels: number }): SharpPipeline;
  readonly versions: { readonly sharp?: string; readonly vips: string };
}

interface SharpPipeline {
  toColourspace(space: 'srgb'): SharpPipeline;
  raw(): SharpPipeline;
  toBuffer(options: { resolveWithObject: true }): Promise<{
    readonly data: Buffer;
    readonly info: { readonly width: number; readonly height: number; readonly channels: number };
  }>;
}

export type SharpDecoder = (header: PictureHeader, maxPixels: number) => Promise<Pixels>;

/** @throws Error if sharp is not installed, or does not load on this machine */
export async function loadSharp(): Promise<{ readonly decode: SharpDecoder; readonly version: string }> {
  const name: string = 'sharp'; // not a literal: the compiler would look for it
  const { default: sharp } = (await import(name)) as { default: Sharp };
  const { sharp: own, vips } = sharp.versions;
  return { decode: decoderOf(sharp), version: `${own ?? 'of unknown version'}, libvips ${vips}` };
}

/** The payload has no metadata left in it, so that there is no profile to apply. */
function decoderOf(sharp: Sharp): SharpDecoder {
  return async ({ payload }, maxPixels) => {
    const { data, info } = await sharp(payload, { failOn: 'warning', limitInputPixels: maxPixels })
      .toColourspace('srgb')
      .raw()
      .toBuffer({ resolveWithObject: true });
    const { width, height, channels } = info;
    if (channels !== 3 && channels !== 4) throw new Error(`sharp gave ${channels} channels`);
    return { width, height, channels, data };
  };
}
