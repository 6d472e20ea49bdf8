// Number formats of 16 bits by arithmetic alone: what a value becomes in bfloat16 and float16, and back.
// Invariant: IEEE 754's rule, round to nearest and to even, with subnormals, infinities and NaN; no bits are shifted.

export interface FloatFormat {
  readonly exponentBits: number;
  readonly mantissaBits: number;
}

export const bfloat16: FloatFormat = { exponentBits: 8, mantissaBits: 7 };
export const float16: FloatFormat = { exponentBits: 5, mantissaBits: 10 };

/** To the nearest integer, ties to the even one. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** The exponent of the smallest normal number. */
function smallestExponent({ exponentBits }: FloatFormat): number {
  return 2 - 2 ** (exponentBits - 1);
}

/** The value that 16 bits stand for. */
export function decode(bits: number, format: FloatFormat): number {
  const { exponentBits, mantissaBits } = format;
  const sign = bits >= 2 ** (exponentBits + mantissaBits) ? -1 : 1;
  const exponent = Math.floor(bits / 2 ** mantissaBits) % 2 ** exponentBits;
  const mantissa = bits % 2 ** mantissaBits;
  if (exponent === 2 ** exponentBits - 1) return mantissa === 0 ? sign * Infinity : NaN;
  const scale = 2 ** (smallestExponent(format) + Math.max(exponent, 1) - 1 - mantissaBits);
  return sign * (mantissa + (exponent === 0 ? 0 : 2 ** mantissaBits)) * scale;
}

/** The nearest value of the format; beyond its largest, an infinity. */
export function nearest(value: number, format: FloatFormat): number {
  if (!Number.isFinite(value) || value === 0) return value;
  const { exponentBits, mantissaBits } = format;
  const magnitude = Math.abs(value);
  let exponent = smallestExponent(format);
  while (2 ** (exponent + 1) <= magnitude) exponent++;
  const scale = 2 ** (exponent - mantissaBits);
  const rounded = roundHalfEven(magnitude / scale) * scale;
  return Math.sign(value) * (rounded >= 2 ** (2 ** (exponentBits - 1)) ? Infinity : rounded);
}
