// Memory of preparing and of training on many pictures: `npm run bench:scale -- [--pictures 10000,100000,300000] [--side 64]`.
// Invariant: every measurement is a process of its own. Counted is the memory that it alone has (RssAnon and RssShmem,
// sampled): pages of the store that the system keeps are not. The slope is between the last two numbers of pictures: the
// threads take a minute until they have the memory that they go on with, and two runs differ by some 20 MiB.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Jimp } from 'jimp';
import {
  ImageFolderDataset,
  ImageStore,
  loadBatches,
  PictureCache,
  prepareStore,
  randomCrop,
  randomMirror,
  scanImageFolder,
  type ImageDataset,
} from '../lib/index.js';
import { checkSpace, noiseBytes } from './made-up-store.js';

const CLASSES = 100;
/** Different pictures, of 80 by 70 pixels; the files are hard links to them, with names as ImageNet's. */
const KINDS = 50;
const SAMPLE_MS = 20;

const { values } = parseArgs({
  options: {
    pictures: { type: 'string', default: '10000,100000,300000' },
    side: { type: 'string', default: '64' },
    work: { type: 'string', default: 'prepare,again,epoch,folder' },
    measure: { type: 'string' },
    in: { type: 'string', default: '' },
  },
});
const side = Number(values.side);

/** What a process does, in the folder of all of them; resolves to the number of pictures. */
const WORK: Readonly<Record<string, (at: string) => Promise<number>>> = {
  prepare: async (at) =>
    (await prepareStore(join(at, 'pictures'), { out: join(at, 'store'), side })).pictures.train!,
  // Compares all files with those of the store.
  again: (at) => WORK['prepare']!(at),
  epoch: async (at) => {
    const store = await ImageStore.open(join(at, 'store'));
    return readAll(store.dataset('train')).finally(() => store.close());
  },
  // Decodes all pictures, and keeps them in a cache.
  folder: async (at) => {
    const cache = await PictureCache.open({ folder: join(at, 'cache') });
    const { train } = await scanImageFolder(join(at, 'pictures'));
    const dataset = new ImageFolderDataset(train, { side, cache });
    const read = await readAll(dataset);
    await dataset.close();
    await cache.close();
    return read;
  },
};

async function readAll(dataset: ImageDataset): Promise<number> {
  const augmentation = [randomCrop({ size: side - 8 }), randomMirror()];
  const options = { batchSize: 128, seed: 1, epoch: 0, sampler: 'shuffle', augmentation } as const;
  let seen = 0;
  for await (const batch of loadBatches(dataset, options)) seen += batch.size;
  return seen;
}

async function ownMiB(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  const kilobytes = ['RssAnon', 'RssShmem'].map((name) =>
    Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)![1]),
  );
  return (kilobytes[0]! + kilobytes[1]!) / 1024;
}

interface Cost {
  readonly pictures: number;
  readonly peakMiB: number;
  readonly perSecond: number;
}

/** In the process that is measured: prints the {@link Cost}. */
async function measureHere(work: string, at: string): Promise<void> {
  let peak = 0;
  const sample = async (): Promise<void> => {
    peak = Math.max(peak, await ownMiB());
  };
  const timer = setInterval(() => void sample(), SAMPLE_MS);
  const began = performance.now();
  const pictures = await WORK[work]!(at);
  const perSecond = (pictures / (performance.now() - began)) * 1000;
  clearInterval(timer);
  await sample();
  console.log(JSON.stringify({ pictures, peakMiB: peak, perSecond } satisfies Cost));
}

async function measure(work: string, at: string): Promise<Cost> {
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [script, '--measure', work, '--in', at, '--side', values.side], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`measuring '${work}' ended with ${code}`);
  return JSON.parse(text) as Cost;
}

async function makeKinds(at: string): Promise<void> {
  await mkdir(join(at, 'kinds'));
  const noise = noiseBytes(80 * 70 * 4 + KINDS);
  for (let kind = 0; kind < KINDS; kind++) {
    const data = Buffer.from(noise.subarray(kind, kind + 80 * 70 * 4));
    const image = new Jimp({ width: 80, height: 70, data });
    await writeFile(join(at, 'kinds', `${kind}.jpg`), await image.getBuffer('image/jpeg', { quality: 60 }));
  }
}

/** Adds pictures to the folder until it has `count`. */
async function addPictures(
  at: string,
  { from, count }: { readonly from: number; readonly count: number },
): Promise<void> {
  const synset = (label: number): string => `n${String(1440764 + label).padStart(8, '0')}`;
  for (let label = 0; label < CLASSES; label++) {
    await mkdir(join(at, 'pictures', synset(label)), { recursive: true });
  }
  for (let i = from; i < count; i++) {
    const name = synset(i % CLASSES);
    await link(join(at, 'kinds', `${i % KINDS}.jpg`), join(at, 'pictures', name, `${name}_${i}.JPEG`));
  }
}

async function compare(): Promise<void> {
  const counts = values.pictures.split(',').map(Number);
  const kinds = values.work.split(',');
  const at = await mkdtemp(join(tmpdir(), 'alexnet-scale-'));
  const rows: Record<string, Record<string, number>> = Object.fromEntries(kinds.map((work) => [work, {}]));
  try {
    await checkSpace(at, 3 * Math.max(...counts) * (side * side * 3 + 4096));
    await makeKinds(at);
    for (const [i, count] of counts.entries()) {
      await addPictures(at, { from: counts[i - 1] ?? 0, count });
      for (const work of kinds) {
        const { pictures, peakMiB, perSecond } = await measure(work, at);
        if (pictures !== count) throw new Error(`${work}: ${pictures} pictures came, expected ${count}`);
        console.error(
          `${work}, ${count} pictures: ${Math.round(peakMiB)} MiB, ${Math.round(perSecond)} a second`,
        );
        rows[work]![`${count}: MiB`] = Math.round(peakMiB);
        rows[work]![`${count}: a second`] = Math.round(perSecond);
      }
      for (const made of ['store', 'cache']) await rm(join(at, made), { recursive: true, force: true });
    }
  } finally {
    await rm(at, { recursive: true, force: true });
  }
  const [fewest, most] = [counts.at(-2) ?? counts[0]!, counts.at(-1)!];
  for (const row of Object.values(rows)) {
    const growth = row[`${most}: MiB`]! - row[`${fewest}: MiB`]!;
    row['bytes a picture more'] = Math.round((growth * 2 ** 20) / Math.max(1, most - fewest));
  }
  console.log(`${cpus()[0]?.model.trim()}, Node ${process.versions.node}, pictures of ${side} pixels`);
  console.table(rows);
}

await (values.measure === undefined ? compare() : measureHere(values.measure, values.in));
