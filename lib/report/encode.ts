// Pictures as PNG and JPEG bytes.
// Invariant: opaque; an enlarged picture's pixels are squares, nothing is smoothed.
import { Jimp } from 'jimp';
import type { RgbImage } from '../data/index.js';

export async function encodePicture(
  { width, height, data }: RgbImage,
  { type }: { readonly type: 'image/png' | 'image/jpeg' },
): Promise<Uint8Array> {
  const image = new Jimp({ width, height, color: 0xffffffff });
  const rgba = image.bitmap.data;
  for (let i = 0; i < width * height; i++) rgba.set(data.subarray(i * 3, i * 3 + 3), i * 4);
  return type === 'image/png' ? image.getBuffer(type) : image.getBuffer(type, { quality: 85 });
}

/** For `<img src>`. */
export function dataUri(bytes: Uint8Array, type: 'image/png' | 'image/jpeg'): string {
  return `data:${type};base64,${Buffer.from(bytes).toString('base64')}`;
}

/** Pixels become squares of `scale` pixels. */
export function enlarge(picture: RgbImage, scale: number): RgbImage {
  if (scale === 1) return picture;
  const [width, height] = [picture.width * scale, picture.height * scale];
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (Math.floor(y / scale) * picture.width + Math.floor(x / scale)) * 3;
      data.set(picture.data.subarray(from, from + 3), (y * width + x) * 3);
    }
  }
  return { width, height, data };
}
