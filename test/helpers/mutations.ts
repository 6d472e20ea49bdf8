// Damaged files for property tests: any bytes at all, and valid files with a few places changed.
// Invariant: a run is a function of its seed; ALEXNET_FUZZ_RUNS multiplies how many are tried.
import fc from 'fast-check';

/** Cases tried a property, and the seed that they come from. */
export function runs(numRuns: number): { numRuns: number; seed: number } {
  const times = Number(process.env['ALEXNET_FUZZ_RUNS'] ?? 1);
  // More than the usual number: other ones.
  return { numRuns: numRuns * times, seed: times };
}

type Edit = (bytes: Buffer) => Buffer;

/** Counts from either end: headers and trailers are hit more often than data. */
const places = fc.oneof(
  fc.nat(64),
  fc.nat(64).map((n) => -1 - n),
  fc.integer(),
);

const placeIn = (bytes: Buffer, place: number): number =>
  bytes.length === 0 ? 0 : ((place % bytes.length) + bytes.length) % bytes.length;

const setByte = fc.tuple(places, fc.nat(255)).map(([place, value]): Edit => (bytes) => {
  const copy = Buffer.from(bytes);
  copy[placeIn(bytes, place)] = value;
  return copy;
});

/** Sizes and offsets are numbers of 16 and 32 bits, of which the largest do most harm. */
const setNumber = fc
  .tuple(
    places,
    fc.constantFrom(0, 1, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff),
    fc.boolean(),
  )
  .map(([place, value, little]): Edit => (bytes) => {
    if (bytes.length < 4) return bytes;
    const copy = Buffer.from(bytes);
    const at = Math.min(placeIn(bytes, place), bytes.length - 4);
    if (little) copy.writeUInt32LE(value, at);
    else copy.writeUInt32BE(value, at);
    return copy;
  });

const cut = places.map(
  (place): Edit =>
    (bytes) =>
      bytes.subarray(0, placeIn(bytes, place)),
);

const insert = fc.tuple(places, fc.uint8Array({ maxLength: 16 })).map(([place, added]): Edit => (bytes) => {
  const at = placeIn(bytes, place);
  return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]);
});

const repeat = fc.tuple(places, fc.nat(64)).map(([place, length]): Edit => (bytes) => {
  const at = placeIn(bytes, place);
  return Buffer.concat([bytes.subarray(0, at + length), bytes.subarray(at)]);
});

/** Any bytes, or one of the valid files with up to six changes. */
export function damaged(valid: readonly Uint8Array[]): fc.Arbitrary<Buffer> {
  const edits = fc.array(fc.oneof(setByte, setNumber, cut, insert, repeat), { minLength: 1, maxLength: 6 });
  const edited = fc
    .tuple(fc.nat(valid.length - 1), edits)
    .map(([which, list]) =>
      list.reduce<Buffer>((bytes, edit) => edit(bytes), Buffer.from(valid[which] as Uint8Array)),
    );
  return fc.oneof(
    { weight: 9, arbitrary: edited },
    { weight: 1, arbitrary: fc.uint8Array().map((b) => Buffer.from(b)) },
  );
}
