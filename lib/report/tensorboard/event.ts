// The part of TensorFlow's Event message that scalars and pictures need, as protocol buffer bytes.
// Invariant: field numbers are those of tensorflow/core/util/event.proto and framework/summary.proto.

/** What a summary shows: a number, or an encoded picture. */
export type SummaryValue =
  | { readonly tag: string; readonly scalar: number }
  | {
      readonly tag: string;
      readonly image: { readonly width: number; readonly height: number; readonly png: Uint8Array };
    };

export interface EventFields {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
}

/** The first record of every file. */
export function versionEvent({ wallTime }: Pick<EventFields, 'wallTime'>): Uint8Array {
  return message(double(1, wallTime), bytes(3, Buffer.from('brain.Event:2')));
}

export function summaryEvent({ wallTime, step }: EventFields, values: readonly SummaryValue[]): Uint8Array {
  const summary = message(...values.map((value) => bytes(1, encodeValue(value))));
  return message(double(1, wallTime), integer(2, step), bytes(5, summary));
}

function encodeValue(value: SummaryValue): Uint8Array {
  const tag = bytes(1, Buffer.from(value.tag));
  if ('scalar' in value) return message(tag, float(2, value.scalar));
  const { width, height, png } = value.image;
  // Colour space 3 is RGB.
  return message(tag, bytes(4, message(integer(1, height), integer(2, width), integer(3, 3), bytes(4, png))));
}

// Wire types of protocol buffers.
const [VARINT, FIXED64, LENGTH, FIXED32] = [0, 1, 2, 5];

function message(...fields: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(fields);
}

function key(field: number, wireType: number): Uint8Array {
  return varint((field << 3) | wireType);
}

/** A non-negative integer, seven bits a byte, the lowest first. */
function varint(value: number): Uint8Array {
  const parts: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    parts.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  return Uint8Array.of(...parts, rest);
}

function integer(field: number, value: number): Uint8Array {
  return Buffer.concat([key(field, VARINT), varint(value)]);
}

function double(field: number, value: number): Uint8Array {
  const data = Buffer.alloc(8);
  data.writeDoubleLE(value);
  return Buffer.concat([key(field, FIXED64), data]);
}

function float(field: number, value: number): Uint8Array {
  const data = Buffer.alloc(4);
  data.writeFloatLE(value);
  return Buffer.concat([key(field, FIXED32), data]);
}

function bytes(field: number, data: Uint8Array): Uint8Array {
  return Buffer.concat([key(field, LENGTH), varint(data.length), data]);
}
