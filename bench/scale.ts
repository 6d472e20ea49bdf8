// Memory of preparing and of reading many pictures: `npm run bench:scale -- [--pictures 100000] [--side 64]`.
// Invariant: the memory counted is the process's own (RssAnon), sampled while it works: pages of the store that the
// system keeps are not. A tenth of the pictures goes first; memory must not grow with their number.
import { link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Jimp } from 'jimp';
import { ImageStore, loadBatches, prepareStore, randomCrop, randomMirror } from '../lib/index.js';
import { checkSpace, noiseBytes } from './made-up-store.js';

const CLASSES = 100;
/** Different pictures; the files are links to them, so that they take no space. */
const KINDS = 50;
const SAMPLE_MS = 100;

const { values } = parseArgs({
  options: { pictures: { type: 'string', default: '100000' }, side: { type: 'string', default: '64' } },
});
const total = Number(values.pictures);
const side = Number(values.side);

async function privateMiB(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  return Number(/RssAnon:\s+(\d+) kB/.exec(status)![1]) / 1024;
}

interface Cost {
  readonly peakMiB: number;
  readonly perSecond: number;
}

async function costOf(pictures: number, work: () => Promise<void>): Promise<Cost> {
  let peak = await privateMiB();
  const timer = setInterval(() => void privateMiB().then((now) => (peak = Math.max(peak, now))), SAMPLE_MS);
  const began = performance.now();
  await work();
  clearInterval(timer);
  return {
    peakMiB: Math.round(Math.max(peak, await privateMiB())),
    perSecond: Math.round((pictures / (performance.now() - began)) * 1000),
  };
}

async function makeFolder(dir: string, pictures: number): Promise<void> {
  const kinds = join(dir, '..', 'kinds');
  await mkdir(kinds, { recursive: true });
  const noise = noiseBytes(80 * 70 * 4 + KINDS);
  for (let kind = 0; kind < KINDS; kind++) {
    const image = new Jimp({
      width: 80,
      height: 70,
      data: Buffer.from(noise.subarray(kind, kind + 80 * 70 * 4)),
    });
    await writeFile(join(kinds, `${kind}.jpg`), await image.getBuffer('image/jpeg', { quality: 60 }));
  }
  for (let label = 0; label < CLASSES; label++) await mkdir(join(dir, `class${label}`), { recursive: true });
  for (let i = 0; i < pictures; i++) {
    await link(join(kinds, `${i % KINDS}.jpg`), join(dir, `class${i % CLASSES}`, `${i}.jpg`));
  }
}

async function readAll(path: string): Promise<void> {
  const store = await ImageStore.open(path);
  const augmentation = [randomCrop({ size: side - 8 }), randomMirror()];
  const options = { batchSize: 128, seed: 1, epoch: 0, sampler: 'shuffle', augmentation } as const;
  let seen = 0;
  for await (const batch of loadBatches(store.dataset('train'), options)) seen += batch.size;
  if (seen !== store.count('train')) {
    throw new Error(`${seen} pictures came, expected ${store.count('train')}`);
  }
  await store.close();
}

async function measure(pictures: number): Promise<Record<string, number>> {
  const work = await mkdtemp(join(tmpdir(), 'alexnet-scale-'));
  try {
    await checkSpace(work, 2 * pictures * (side * side * 3 + 4096));
    const [dir, out] = [join(work, 'pictures'), join(work, 'store')];
    await makeFolder(dir, pictures);
    const prepared = await costOf(pictures, async () => {
      await prepareStore(dir, { out, side });
    });
    const read = await costOf(pictures, () => readAll(out));
    return {
      'prepare: peak MiB': prepared.peakMiB,
      'prepare: pictures/s': prepared.perSecond,
      'an epoch: peak MiB': read.peakMiB,
      'an epoch: pictures/s': read.perSecond,
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

console.log(`${cpus()[0]?.model.trim()}, Node ${process.versions.node}, pictures of ${side} pixels`);
const tenth = Math.ceil(total / 10);
console.table({ [tenth]: await measure(tenth), [total]: await measure(total) });
