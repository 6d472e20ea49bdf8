// Which codec decodes which picture. jimp reads everything; faster ones are tried first where they give the same.
// Invariant: a faster codec that is missing, or refuses a picture, never makes it unreadable: jimp has the last word.

import { createRequire } from 'node:module';
import { ArgumentError } from '../../errors.js';
import type { PictureHeader } from '../headers/index.js';
import type { Pixels } from '../raster.js';
import { decodeWithJimp, jimpWithJpegCodec } from './jimp.js';
import { loadSharp } from './sharp.js';
import { loadWasmJpeg } from './wasm-jpeg.js';

/**
 * What decodes pictures. Whatever one cannot decode goes to the next, down to jimp.
 * - 'jimp': jimp with its own codecs, in plain JavaScript.
 * - 'wasm': jimp with libjpeg, compiled to WebAssembly, in place of its JPEG codec.
 * - 'sharp': sharp (libvips) for JPEG and PNG; only if it is installed beside this package.
 * - 'auto': the fastest: sharp, if installed, for PNG and for JPEG of 150,000 pixels or more, otherwise 'wasm'.
 */
export type Decoder = 'auto' | 'sharp' | 'wasm' | 'jimp';

const DECODERS: readonly Decoder[] = ['auto', 'sharp', 'wasm', 'jimp'];

/** Below this many pixels a call of sharp costs more than it saves (`npm run bench:decode`). */
const SHARP_FROM_PIXELS = 150_000;

/** Whether a decoder can be used here, and in which version; if not, why. */
export type DecoderStatus =
  | { readonly available: true; readonly version: string }
  | { readonly available: false; readonly reason: string };

/** See {@link decoderInfo}. */
export interface DecoderInfo {
  /** What 'auto' uses first. */
  readonly fastest: Exclude<Decoder, 'auto'>;
  readonly jimp: DecoderStatus;
  readonly wasm: DecoderStatus;
  readonly sharp: DecoderStatus;
}

type Codec = (header: PictureHeader, maxPixels: number) => Promise<Pixels>;
type Loaded = { readonly codec: Codec; readonly version: string } | { readonly reason: string };

const wasm = once(async () => {
  const { decode, version } = await loadWasmJpeg();
  return { codec: jimpWithJpegCodec(decode), version };
});

const sharp = once(async () => {
  const { decode, version } = await loadSharp();
  return { codec: decode, version };
});

/** Says which decoders work in this process, and which is used. Loads those that are installed. */
export async function decoderInfo(): Promise<DecoderInfo> {
  const status = { wasm: statusOf(await wasm()), sharp: statusOf(await sharp()) };
  const fastest = status.sharp.available ? 'sharp' : status.wasm.available ? 'wasm' : 'jimp';
  const { version } = createRequire(import.meta.url)('jimp/package.json') as { version: string };
  return { fastest, jimp: { available: true, version }, ...status };
}

/** @throws ArgumentError if there is no such decoder */
export function checkDecoderName(decoder: Decoder): void {
  if (!DECODERS.includes(decoder)) {
    throw new ArgumentError(`decoder is '${String(decoder)}', expected one of ${DECODERS.join(', ')}`);
  }
}

/** @throws ArgumentError if the decoder was asked for by name, and does not work here */
export async function checkDecoder(decoder: Decoder): Promise<void> {
  checkDecoderName(decoder);
  if (decoder === 'auto' || decoder === 'jimp') return;
  const loaded = await (decoder === 'sharp' ? sharp() : wasm());
  if ('reason' in loaded) {
    throw new ArgumentError(`decoder '${decoder}' cannot be used: ${loaded.reason}; leave it at 'auto'`);
  }
}

/** Decodes the payload of a picture with the first codec that manages to. Rejects with what jimp says. */
export async function decodePayload(
  header: PictureHeader,
  { decoder, maxPixels }: { readonly decoder: Decoder; readonly maxPixels: number },
): Promise<Pixels> {
  for (const load of fasterCodecs(header, decoder)) {
    const loaded = await load();
    if ('reason' in loaded) continue;
    const raster = await loaded.codec(header, maxPixels).catch(() => undefined);
    if (raster?.width === header.width && raster.height === header.height) return raster;
  }
  const raster = await decodeWithJimp(header, maxPixels);
  if (raster.width !== header.width || raster.height !== header.height) {
    throw new Error(
      `decoded to ${raster.width} x ${raster.height} instead of ${header.width} x ${header.height}`,
    );
  }
  return raster;
}

/** In the order in which they are tried: only codecs that give what jimp gives, but for rounding. */
function fasterCodecs(header: PictureHeader, decoder: Decoder): readonly (() => Promise<Loaded>)[] {
  if (decoder === 'jimp') return [];
  // CMYK is left to jimp: libjpeg and libvips turn it into RGB in other ways, or not at all.
  const plainJpeg = header.format === 'JPEG' && (header.components === 1 || header.components === 3);
  // Of 16 bits, codecs keep the upper 8 or round.
  const plainPng = header.format === 'PNG' && (header.bits ?? 16) <= 8;
  const small = header.format === 'JPEG' && header.width * header.height < SHARP_FROM_PIXELS;
  const forSharp = decoder === 'sharp' || (decoder === 'auto' && !small);
  return [...(forSharp && (plainJpeg || plainPng) ? [sharp] : []), ...(plainJpeg ? [wasm] : [])];
}

/** Loads at the first call, and remembers why if that fails. */
function once(load: () => Promise<{ codec: Codec; version: string }>): () => Promise<Loaded> {
  let loading: Promise<Loaded> | undefined;
  return () => (loading ??= load().catch((error: unknown) => ({ reason: reasonFor(error) })));
}

function reasonFor(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return missing ? 'it is not installed' : `it does not load (${String(message).split('\n', 1)[0]})`;
}

function statusOf(loaded: Loaded): DecoderStatus {
  return 'reason' in loaded
    ? { available: false, reason: loaded.reason }
    : { available: true, version: loaded.version };
}
