// TensorBoard's event files, against bytes that its own writer made and through a decoder that shares no code.
// Invariant: test/golden/tensorboard_golden.py makes the bytes; scripts/check-tensorboard.py reads files with the real reader.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageDirectory } from '../../lib/native/addon.js';
import { TensorBoardLogger } from '../../lib/report/index.js';
import { summaryEvent, versionEvent } from '../../lib/report/tensorboard/event.js';
import { crc32c, frameRecord } from '../../lib/report/tensorboard/record.js';
import { tempFolder } from '../data/temp-folder.js';
import { TestDevice } from '../helpers/devices.js';
import { smallModel } from '../train/small.js';
import { epochEvent, stepEvent, validationEvent } from './events.js';

const golden = JSON.parse(
  readFileSync(join(packageDirectory, 'test/golden/tensorboard-events.json'), 'utf8'),
) as { readonly wallTime: number; readonly png: string; readonly file: string };

describe('TensorBoard records', () => {
  // RFC 3720, appendix B.4; and the check value of the CRC catalogue.
  for (const [what, bytes, crc] of [
    ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
    ['32 ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
    ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
    ["'123456789'", Buffer.from('123456789'), 0xe3069283],
  ] as const) {
    it(`have the checksum ${crc.toString(16)} for ${what}`, () => assert.equal(crc32c(bytes), crc));
  }

  it("are byte for byte those of TensorBoard's own writer", () => {
    const { wallTime } = golden;
    const png = Buffer.from(golden.png, 'hex');
    const records = [
      versionEvent({ wallTime }),
      summaryEvent({ wallTime, step: 300 }, [
        { tag: 'step/loss', scalar: 1.25 },
        { tag: 'step/learning rate', scalar: 0.01 },
      ]),
      summaryEvent({ wallTime, step: 1_234_567 }, [
        { tag: 'conv1/kernels', image: { width: 579, height: 219, png } },
      ]),
    ];
    assert.equal(Buffer.concat(records.map(frameRecord)).toString('hex'), golden.file);
  });
});

/** A protocol buffer message: [field, value] pairs; numbers for varints and fixed sizes, bytes for the rest. */
function fieldsOf(message: Buffer): [field: number, value: number | Buffer][] {
  const fields: [number, number | Buffer][] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++]!;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const key = varint();
    const [field, wireType] = [key >> 3, key & 7];
    if (wireType === 0) fields.push([field, varint()]);
    else if (wireType === 1) fields.push([field, message.readDoubleLE((at += 8) - 8)]);
    else if (wireType === 5) fields.push([field, message.readFloatLE((at += 4) - 4)]);
    else {
      const length = varint();
      fields.push([field, message.subarray(at, (at += length))]);
    }
  }
  return fields;
}

function field(message: Buffer, number: number): number | Buffer | undefined {
  return fieldsOf(message).find(([name]) => name === number)?.[1];
}

interface Value {
  readonly step: number;
  readonly tag: string;
  readonly value: number | Buffer;
}

/** All values of the one event file of a folder. */
function readEvents(folder: string): Value[] {
  const [name, ...more] = readdirSync(folder);
  assert.ok(name?.startsWith('events.out.tfevents.'), name);
  assert.deepEqual(more, []);
  const file = readFileSync(join(folder, name ?? ''));
  const values: Value[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    const event = file.subarray(at + 12, at + 12 + length);
    at += length + 16;
    const step = Number(field(event, 2) ?? 0);
    for (const [, value] of fieldsOf((field(event, 5) as Buffer | undefined) ?? Buffer.alloc(0))) {
      const tag = (field(value as Buffer, 1) as Buffer).toString();
      values.push({ step, tag, value: (field(value as Buffer, 2) ?? field(value as Buffer, 4))! });
    }
  }
  return values;
}

describe('TensorBoardLogger', () => {
  const test = new TestDevice('cpu');
  before(() => test.open());
  after(() => test.close());

  it('draws training and validation as two runs with the same tags', async () => {
    const folder = tempFolder();
    const logger = new TensorBoardLogger(folder);
    for (let step = 1; step <= 10; step++) logger.handle(stepEvent(step));
    logger.handle(epochEvent(1));
    await logger.close();
    const of = (run: string, tag: string) =>
      readEvents(join(folder, run))
        .filter((value) => value.tag === tag)
        .map(({ step, value }) => [step, value]);
    assert.deepEqual(
      of('train', 'step/loss'),
      Array.from({ length: 10 }, (_, i) => [i + 1, Math.fround(2 / (i + 1))]),
    );
    assert.deepEqual(of('train', 'speed/images per second').at(-1), [10, 100]);
    assert.deepEqual(of('train', 'epoch/top-1'), [[10, 0.5]]);
    assert.deepEqual(of('validation', 'epoch/top-1'), [[10, 0.625]]);
  });

  it('draws how each layer fares', async () => {
    const folder = tempFolder();
    const logger = new TensorBoardLogger(folder);
    logger.handle(stepEvent(99, { gradientNorm: 0.5 }));
    const norms = { weightNorm: 8, gradientNorm: 2, updateNorm: 0.25, updateRatio: 0.03125 };
    logger.handle({
      ...{ type: 'layers', epoch: 1, step: 100 },
      parameters: [
        { name: 'conv1.weight', ...norms },
        { name: 'conv1.bias', ...norms, weightNorm: 4 },
      ],
      units: [{ layer: 'relu1', units: 96, silent: 24 }],
    });
    await logger.close();
    const drawn = readEvents(join(folder, 'train')).filter(
      ({ step, tag }) => step === 100 || /norm/.test(tag),
    );
    assert.deepEqual(
      drawn.map(({ tag, value }) => [tag, value]),
      [
        ['step/gradient norm', 0.5],
        ['weight norm/conv1.weight', 8],
        ['gradient norm/conv1.weight', 2],
        ['update ratio/conv1.weight', 0.03125],
        ['weight norm/conv1.bias', 4],
        ['gradient norm/conv1.bias', 2],
        ['update ratio/conv1.bias', 0.03125],
        ['silent units/relu1', 0.25],
      ],
    );
  });

  it('shows the kernels after every epoch, and what was taken for what', async () => {
    const folder = tempFolder();
    using model = smallModel(test);
    const logger = new TensorBoardLogger(folder, { model });
    logger.handle(stepEvent(10));
    logger.handle(
      validationEvent(
        ['a', 'b'],
        [
          [3, 1],
          [0, 4],
        ],
      ),
    );
    logger.handle(epochEvent(1));
    await logger.close();
    const kernels = readEvents(join(folder, 'train')).find(({ tag }) => tag === 'conv/kernels');
    // Four kernels of 3x3 in a row, a pixel around each, three times enlarged.
    assert.deepEqual([kernels?.step, sizeOf(kernels)], [10, { height: 15, width: 51, png: [15, 51] }]);
    const confusion = readEvents(join(folder, 'validation')).find(({ tag }) => tag === 'confusion');
    assert.deepEqual(sizeOf(confusion), { height: 512, width: 512, png: [512, 512] });
  });

  it('has one run where there is no validation', async () => {
    const folder = tempFolder();
    const logger = new TensorBoardLogger(folder);
    logger.handle(stepEvent(1));
    const { validation: _, ...event } = epochEvent(1);
    logger.handle(event);
    await logger.close();
    assert.deepEqual(readdirSync(folder), ['train']);
  });
});

/** What the record says of a picture, and what the PNG itself does. */
function sizeOf(value: Value | undefined) {
  const image = value?.value as Buffer;
  const png = field(image, 4) as Buffer;
  return {
    height: field(image, 1),
    width: field(image, 2),
    png: [png.readUInt32BE(20), png.readUInt32BE(16)],
  };
}
