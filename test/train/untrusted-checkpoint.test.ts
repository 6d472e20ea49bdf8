// Checkpoints that were made to do harm: whatever their JSON says, resuming works, or is refused with an error of ours.
// Invariant: the forged files are whole, checksum and all; only what they say of the training is not true.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { AlexnetError, FileFormatError } from '../../lib/errors.js';
import { openSafetensors, writeSafetensors } from '../../lib/io/safetensors.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';
import { Trainer } from '../../lib/train/index.js';
import { tempFolder } from '../data/temp-folder.js';
import { runs } from '../helpers/mutations.js';
import { pictures, smallModel } from './small.js';

const CHECKSUM = 'checkpoint.sha256';
type Json = Record<string, unknown>;

/** Places in a JSON value, as lists of keys. */
function placesIn(value: unknown): string[][] {
  if (typeof value !== 'object' || value === null) return [[]];
  const inside = Object.entries(value).flatMap(([key, part]) => placesIn(part).map((rest) => [key, ...rest]));
  return [[], ...inside];
}

/** A copy with another value at a place; `undefined` leaves it out. */
function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = Array.isArray(value) ? [...(value as unknown[])] : { ...(value as Json) };
  (copy as Json)[key] = replaced((value as Json)[key], rest, by);
  return copy;
}

const anything = fc.oneof(
  fc.constantFrom(undefined, null, 0, -1, 0.5, 2 ** 31, 2 ** 53, 1e308, '', 'x', [], {}, [null], true),
  fc.jsonValue({ maxDepth: 2 }),
);

describe('a forged checkpoint', function () {
  this.timeout(120_000);
  let device: Device;
  let whole: string;
  let training: Json;
  before(async () => {
    device = openDevice('cpu');
    const out = tempFolder();
    using model = smallModel({ device });
    const options = { epochs: 2, batchSize: 8, out, learningRate: 0.01, plateau: { patience: 2 } };
    for await (const _ of new Trainer(model, options).fit({ train: pictures() }));
    const [name] = readdirSync(path.join(out, 'checkpoints')).sort();
    whole = path.join(out, 'checkpoints', name as string);
    await using file = await openSafetensors(whole);
    training = JSON.parse(file.metadata['training'] ?? '') as Json;
  });
  after(() => device.dispose());

  /** The checkpoint with another state of training, in a folder of its own. */
  async function forge(state: unknown): Promise<string> {
    await using file = await openSafetensors(whole);
    const entries = await Promise.all(
      file.entries
        .filter(({ name }) => name !== CHECKSUM)
        .map(async ({ name, dtype, shape }) => ({ name, dtype, shape, data: await file.read(name) })),
    );
    const forged = path.join(tempFolder(), 'forged.safetensors');
    const metadata = { ...file.metadata, training: JSON.stringify(state) ?? 'undefined' };
    await writeSafetensors(forged, entries, metadata, { checksum: CHECKSUM });
    return forged;
  }

  /** Resumes and takes some steps, or is refused with an error of this package. */
  async function resume(checkpoint: string): Promise<'resumed' | AlexnetError> {
    using model = smallModel({ device });
    try {
      const trainer = await Trainer.resume(checkpoint, { device, model });
      let steps = 0;
      for await (const event of trainer.fit({ train: pictures() })) {
        if (event.type === 'step' && (steps += 1) === 3) break;
      }
      return 'resumed';
    } catch (error) {
      if (error instanceof AlexnetError) return error;
      throw error;
    }
  }

  it('is resumed where nothing was changed', async () => {
    assert.equal(await resume(await forge(training)), 'resumed');
  });

  it('is resumed or refused whatever stands in a place of it', async () => {
    const places = placesIn(training);
    const change = fc.tuple(fc.constantFrom(...places), anything);
    const property = fc.asyncProperty(change, async ([place, value]) => {
      await resume(await forge(replaced(training, place, value)));
    });
    await fc.assert(property, runs(150));
  });

  for (const [name, change] of Object.entries({
    'no object': { place: [], value: null },
    'no epoch': { place: ['state', 'epoch'], value: undefined },
    'steps below zero': { place: ['state', 'step'], value: -1 },
    'a position that is no number': { place: ['state', 'position'], value: '0' },
    'names of layers that are none': { place: ['frozen'], value: [1] },
  })) {
    it(`is refused when its state has ${name}`, async () => {
      const error = await resume(await forge(replaced(training, change.place, change.value)));
      assert.ok(error instanceof FileFormatError, String(error));
      assert.match(error.message, /state of training/);
    });
  }
});
