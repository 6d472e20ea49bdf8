// Models as files: what is saved comes back bit for bit, and what does not fit leaves the model as it was.
// Invariant: after every refusal each weight, the class names and the preprocessing are compared with before.
import assert from 'node:assert/strict';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FileFormatError, NativeError } from '../../lib/errors.js';
import { openSafetensors, writeSafetensors, type SafetensorsEntry } from '../../lib/io/safetensors.js';
import { Flatten, Linear, Sequential } from '../../lib/layers/index.js';
import {
  alexnet,
  cifarNet,
  loadModel,
  loadPretrained,
  loadWeights,
  Model,
  Preprocessing,
  saveModel,
} from '../../lib/models/index.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';
import { tempFolder } from '../data/temp-folder.js';
import { forEachDevice } from '../helpers/devices.js';
import { hashUniform } from '../helpers/hash-values.js';

const CLASS_NAMES = ['cat', 'dog', '狐'];

function smallNet(device: Device, seed: number): Model {
  return cifarNet({ net: '19pct', classNames: CLASS_NAMES }).initialize(device, { seed });
}

/** Everything of a model that a file holds. */
async function contentsOf(model: Model) {
  const weights: Record<string, Float32Array> = {};
  for (const { name, value } of model.network.parameters) weights[name] = await value.data();
  return { weights, classNames: model.classNames, preprocessing: model.preprocessing?.options };
}

/** A file like the one at `path`, with other metadata or entries. */
async function rewrite(
  path: string,
  change: {
    readonly metadata?: Readonly<Record<string, string>>;
    readonly entry?: (entry: SafetensorsEntry) => SafetensorsEntry | undefined;
  },
): Promise<string> {
  const changed = join(tempFolder(), 'changed.safetensors');
  await using file = await openSafetensors(path);
  const entries = file.entries.flatMap((info) => {
    const entry = { ...info, data: () => file.read(info.name) };
    return change.entry ? (change.entry(entry) ?? []) : entry;
  });
  await writeSafetensors(changed, entries, { ...file.metadata, ...change.metadata });
  return changed;
}

function newPath(): string {
  return join(tempFolder(), 'model.safetensors');
}

forEachDevice('a saved model', (on) => {
  it('comes back bit for bit, with its classes, its preprocessing and its predictions', async () => {
    using model = smallNet(on.device, 1);
    const mean = hashUniform(161, 36 * 36 * 3, 90, 130);
    model.preprocessing = new Preprocessing({ side: 36, crop: 32, mean, std: [58, 57, 56] });
    const path = newPath();
    await saveModel(model, path);
    using loaded = await loadModel(path, { device: on.device });
    assert.deepEqual(await contentsOf(loaded), await contentsOf(model));
    assert.deepEqual(loaded.architecture, model.architecture);
    const picture = { width: 40, height: 36, data: Uint8Array.from(hashUniform(162, 40 * 36 * 3, 0, 256)) };
    assert.deepEqual(await loaded.predict(picture), await model.predict(picture));
  });

  it('of AlexNet comes back bit for bit, in its variant', async () => {
    const options = { preset: 'owt', classes: 3, inputSize: 67, dropout: 0.25 } as const;
    using model = alexnet(options).initialize(on.device, { seed: 2 });
    const path = newPath();
    await saveModel(model, path);
    using loaded = await loadModel(path, { device: on.device });
    assert.deepEqual(loaded.architecture, { builder: 'alexnet', options });
    assert.deepEqual(
      loaded.network.layers.map(({ name }) => name),
      model.network.layers.map(({ name }) => name),
    );
    assert.deepEqual(await contentsOf(loaded), await contentsOf(model));
  });

  it('can be loaded into a model of the same architecture', async () => {
    using model = smallNet(on.device, 3);
    using other = cifarNet({ net: '19pct', classes: 3 }).initialize(on.device, { seed: 4 });
    const path = newPath();
    await saveModel(model, path);
    await loadWeights(other, path, { device: on.device });
    assert.deepEqual(await contentsOf(other), await contentsOf(model));
  });

  it("of a user's own network is loaded by the user, who alone knows how to build it", async () => {
    const build = () =>
      new Model({
        inputShape: [1, 2, 2],
        network: new Sequential([new Flatten(), new Linear({ inFeatures: 4, outFeatures: 3 })]),
      });
    using model = build().initialize(on.device, { seed: 5 });
    using other = build();
    const path = newPath();
    await saveModel(model, path);
    await assert.rejects(loadModel(path, { device: on.device }), {
      code: 'ERR_FILE',
      message: /built by 'custom', not by this package\. Build it yourself and call loadWeights/,
    });
    await loadWeights(other, path, { device: on.device });
    assert.deepEqual(await contentsOf(other), await contentsOf(model));
  });

  it('can carry notes', async () => {
    using model = smallNet(on.device, 6);
    const path = newPath();
    await saveModel(model, path, { notes: { epoch: 3, top1: 0.75 } });
    await using file = await openSafetensors(path);
    assert.deepEqual(JSON.parse(file.metadata['notes']!), { epoch: 3, top1: 0.75 });
  });
});

interface Unfit {
  readonly what: string;
  readonly message: RegExp;
  /** Makes the unfit file of a good one. */
  make(path: string, device: Device): Promise<string> | string;
}

function truncated(path: string): string {
  const bytes = readFileSync(path);
  truncateSync(path, bytes.length - 100);
  return path;
}

async function otherNet(path: string, device: Device): Promise<string> {
  using other = cifarNet({ net: '80sec', classNames: CLASS_NAMES }).initialize(device, { seed: 9 });
  await saveModel(other, path);
  return path;
}

async function moreClasses(path: string, device: Device): Promise<string> {
  using other = cifarNet({ net: '19pct', classes: 4 }).initialize(device, { seed: 9 });
  await saveModel(other, path);
  return path;
}

async function foreign(path: string): Promise<string> {
  const data = new Float32Array(4);
  await writeSafetensors(path, [{ name: 'weight', dtype: 'float32', shape: [4], data }], { format: 'pt' });
  return path;
}

function notSafetensors(path: string): string {
  writeFileSync(path, 'PK\u0003\u0004 and so on, for longer than a header');
  return path;
}

const withPreprocessing = (preprocessing: unknown) => (path: string) =>
  rewrite(path, { metadata: { preprocessing: JSON.stringify(preprocessing) } });

const UNFIT: readonly Unfit[] = [
  { what: 'a truncated file', message: /model\.safetensors: /, make: truncated },
  { what: 'a file of something else', message: /model\.safetensors: /, make: notSafetensors },
  { what: 'weights from elsewhere', message: /not a model of this package/, make: foreign },
  {
    what: "another net's weights",
    message: /fc10\.weight as float32 \[3, 64\]; the model needs float32 \[3, 1024\]/,
    make: otherNet,
  },
  {
    what: 'weights for more classes',
    message: /has fc10\.weight as float32 \[4, 1024\]; the model needs/,
    make: moreClasses,
  },
  {
    what: 'a file without one of the weights',
    message: /has no conv3\.bias; the model needs float32 \[64\]/,
    make: (path) => rewrite(path, { entry: (entry) => (entry.name === 'conv3.bias' ? undefined : entry) }),
  },
  {
    what: 'a file with weights of another type',
    message: /has conv3\.bias as int32 \[64\]; the model needs float32 \[64\]/,
    make: (path) =>
      rewrite(path, {
        entry: (entry) =>
          entry.name === 'conv3.bias' ? { ...entry, dtype: 'int32', data: new Int32Array(64) } : entry,
      }),
  },
  {
    what: 'a file with too few class names',
    message: /does not name the model's 3 classes/,
    make: (path) => rewrite(path, { metadata: { classNames: '["cat", "dog"]' } }),
  },
  {
    what: 'a file with damaged class names',
    message: /its metadata 'classNames' is missing or damaged/,
    make: (path) => rewrite(path, { metadata: { classNames: '["cat", ' } }),
  },
  {
    what: 'a file with impossible preprocessing',
    message: /its preprocessing is damaged/,
    make: withPreprocessing({ side: -1, crop: 32, std: [1, 1, 1] }),
  },
  {
    what: 'a file with no preprocessing where some is said to be',
    message: /damaged/,
    make: withPreprocessing(null),
  },
  {
    what: 'a file with preprocessing but no mean',
    message: /preprocessing\.mean/,
    make: withPreprocessing({ side: 36, crop: 32, std: [1, 1, 1] }),
  },
];

forEachDevice('a pretrained model', (on) => {
  async function saved(): Promise<string> {
    using model = smallNet(on.device, 1);
    const mean = Float32Array.of(100, 110, 120);
    model.preprocessing = new Preprocessing({ side: 36, crop: 32, mean, std: [1, 1, 1] });
    const path = newPath();
    await saveModel(model, path);
    return path;
  }

  it('for other classes has a new head of its seed, the other layers, and the preprocessing', async () => {
    const path = await saved();
    using original = await loadModel(path, { device: on.device });
    const expected = await contentsOf(original);
    const classNames = ['ant', 'bee', 'cow', 'dog'];
    const heads: Float32Array[] = [];
    for (const seed of [1, 1, 2]) {
      using model = await loadPretrained(path, { device: on.device, classNames, seed });
      assert.deepEqual([model.classes, model.classNames], [4, classNames]);
      const { weights, preprocessing } = await contentsOf(model);
      for (const [name, values] of Object.entries(weights)) {
        if (!name.startsWith('fc10')) assert.deepEqual(values, expected.weights[name], name);
      }
      assert.equal(weights['fc10.weight']!.length, 4 * 1024);
      assert.deepEqual(preprocessing, expected.preprocessing);
      heads.push(weights['fc10.weight']!);
    }
    assert.deepEqual(heads[1], heads[0]);
    assert.notDeepEqual(heads[2], heads[0]);
  });

  it('has a new head for other classes of the same number, and the old one for the same classes', async () => {
    const path = await saved();
    using original = await loadModel(path, { device: on.device });
    const expected = await contentsOf(original);
    using same = await loadPretrained(path, { device: on.device, classNames: CLASS_NAMES });
    assert.deepEqual(await contentsOf(same), expected);
    using other = await loadPretrained(path, { device: on.device, classNames: ['a', 'b', 'c'] });
    assert.notDeepEqual((await contentsOf(other)).weights['fc10.weight'], expected.weights['fc10.weight']);
  });
});

forEachDevice('a model that is given', (on) => {
  for (const unfit of UNFIT) {
    it(`${unfit.what} refuses it and stays as it was`, async () => {
      using saved = smallNet(on.device, 7);
      using model = smallNet(on.device, 8);
      const mean = Float32Array.of(1, 2, 3);
      model.preprocessing = new Preprocessing({ side: 40, crop: 32, mean, std: [1, 1, 1] });
      const before = await contentsOf(model);
      const path = newPath();
      await saveModel(saved, path);
      const file = await unfit.make(path, on.device);
      await assert.rejects(loadWeights(model, file, { device: on.device }), (error) => {
        assert.ok(error instanceof FileFormatError, String(error));
        assert.match(error.message, unfit.message);
        return true;
      });
      assert.deepEqual(await contentsOf(model), before);
    });
  }

  it('a missing file says so', async () => {
    using model = smallNet(on.device, 8);
    const missing = join(tempFolder(), 'missing.safetensors');
    await assert.rejects(loadWeights(model, missing, { device: on.device }), FileFormatError);
  });

  it('more than its device can hold stays as it was', async () => {
    using small = openDevice(on.kind, { memoryLimitBytes: 200_000 });
    using model = smallNet(on.device, 8);
    const before = await contentsOf(model);
    const path = newPath();
    await saveModel(model, path);
    await assert.rejects(loadWeights(model, path, { device: small }), (error) => {
      assert.ok(error instanceof NativeError);
      assert.equal(error.code, 'ERR_OUT_OF_MEMORY');
      return true;
    });
    assert.deepEqual(await contentsOf(model), before);
  });
});

describe('a file of a model', () => {
  let device: Device;
  let path: string;
  before(async () => {
    device = openDevice('cpu');
    using model = smallNet(device, 10);
    path = newPath();
    await saveModel(model, path);
  });
  after(() => device.dispose());

  for (const [what, architecture, message] of [
    ['an unknown builder', { builder: 'resnet', options: {} }, /built by 'resnet', not by this package/],
    ['a builder that every object has', { builder: 'toString', options: {} }, /built by 'toString'/],
    ['no builder', {}, /architecture/],
    ['no architecture at all', null, /architecture/],
    [
      'options that cannot be built',
      { builder: 'cifarNet', options: { net: '17pct' } },
      /cannot be built: .*17pct/,
    ],
    ['options that are none', { builder: 'cifarNet', options: null }, /architecture/],
  ] as const) {
    it(`that names ${what} is refused`, async () => {
      const changed = await rewrite(path, { metadata: { architecture: JSON.stringify(architecture) } });
      await assert.rejects(loadModel(changed, { device }), (error) => {
        assert.ok(error instanceof FileFormatError, String(error));
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
