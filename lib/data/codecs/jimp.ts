// jimp as a codec: with its own JPEG decoder, which reads everything, and with a faster one put in its place.
// Invariant: the header was judged before; jimp's own limits are only set so that they do not stand in the way.

import { createJimp } from '@jimp/core';
import { Jimp } from 'jimp';
import type { PictureHeader } from '../headers/index.js';
import type { Pixels } from '../raster.js';
import type { JpegDecoder } from './wasm-jpeg.js';

/** What jimp's own JPEG decoder may allocate: coefficients, samples and RGBA of four components. */
const JPEG_BYTES_PER_PIXEL = 40;

/** JPEG (CMYK included), PNG, GIF, BMP and TIFF with jimp's own codecs. */
export async function decodeWithJimp(header: PictureHeader, maxPixels: number): Promise<Pixels> {
  const { bitmap } = await Jimp.fromBuffer(bufferOf(header.payload), {
    'image/jpeg': {
      maxResolutionInMP: maxPixels / 1e6,
      maxMemoryUsageInMB: 64 + (maxPixels * JPEG_BYTES_PER_PIXEL) / 2 ** 20,
      ...(header.storesRgb ? { colorTransform: false } : {}),
    },
  });
  return { width: bitmap.width, height: bitmap.height, channels: 4, data: bitmap.data };
}

/** A jimp that knows JPEG only, and leaves it to `decode`. */
export function jimpWithJpegCodec(decode: JpegDecoder): (header: PictureHeader) => Promise<Pixels> {
  const format = () => ({
    mime: 'image/jpeg' as const,
    decode: async (bytes: Buffer) => {
      const { width, height, data } = await decode(bytes);
      return { width, height, data: bufferOf(data) };
    },
    encode: (): never => {
      throw new Error('this jimp decodes only');
    },
  });
  const FastJimp = createJimp({ formats: [format] });
  return async ({ payload }) => {
    const { bitmap } = await FastJimp.fromBuffer(bufferOf(payload));
    return { width: bitmap.width, height: bitmap.height, channels: 4, data: bitmap.data };
  };
}

/** The same bytes as a Buffer, which is what jimp takes. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
}
