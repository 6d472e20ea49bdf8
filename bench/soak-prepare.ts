// Kills `alexnet prepare` at random moments until it is done, again and again, and compares what it made with an
// undisturbed run: `npm run soak:prepare -- FOLDER [--kills 20] [--seed 1]`.
// Invariant: the moments are seeded; every picture, label, name, failure and statistic of the stores is compared.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ImageStore } from '../lib/index.js';
import { randomWords, RandomStream } from '../lib/random.js';

const MAIN = fileURLToPath(new URL('../lib/cli/main.js', import.meta.url));
/** Pictures that are compared at a time. */
const COMPARED = 64;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kills: { type: 'string', default: '20' }, seed: { type: 'string', default: '1' } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('give the folder: npm run soak:prepare -- FOLDER');
const wanted = Number(values.kills);
const seed = Number(values.seed);

function start(out: string): ChildProcess {
  return spawn(process.execPath, [MAIN, 'prepare', folder!, '--out', out, '--frame', 'full'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
}

async function finish(child: ChildProcess): Promise<boolean> {
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code === 0 || signal === 'SIGKILL') return code === 0;
  throw new Error(`alexnet prepare ended with ${code ?? signal}:\n${errors}`);
}

/** 0 <= x < 1. */
function fraction(kill: number): number {
  return randomWords({ seed, index: kill, stream: RandomStream.shuffle })[0] / 2 ** 32;
}

interface Contents {
  readonly store: ImageStore;
  readonly summary: string;
}

async function open(path: string): Promise<Contents> {
  const store = await ImageStore.open(path);
  const { classNames, side, framing, splits, mean, colours, failures } = store;
  const known = {
    classNames,
    side,
    framing,
    splits,
    colours,
    failures,
    manifest: store.manifest,
    files: [...store.files()],
  };
  return { store, summary: JSON.stringify({ ...known, mean: [...mean.image], colour: [...mean.colour] }) };
}

/** @throws Error at the first difference */
async function compare(one: Contents, other: Contents): Promise<number> {
  if (one.summary !== other.summary) throw new Error('labels, names, failures or statistics differ');
  let pictures = 0;
  for (const split of one.store.splits) {
    const [a, b] = [one.store.dataset(split), other.store.dataset(split)];
    if (a.labels.join() !== b.labels.join()) throw new Error(`${split}: the labels differ`);
    for (let at = 0; at < a.length; at += COMPARED) {
      const indices = Array.from({ length: Math.min(COMPARED, a.length - at) }, (_, i) => at + i);
      const sizes = indices.map((i) => [
        a.sizes!.heights[i]!,
        a.sizes!.widths[i]!,
        b.sizes!.heights[i]!,
        b.sizes!.widths[i]!,
      ]);
      if (sizes.some(([h, w, otherH, otherW]) => h !== otherH || w !== otherW)) {
        throw new Error(`${split}: sizes differ`);
      }
      const bytes = sizes.reduce((sum, [h, w]) => sum + h! * w! * 3, 0);
      const [x, y] = [new Uint8Array(bytes), new Uint8Array(bytes)];
      await Promise.all([a.read(indices, x), b.read(indices, y)]);
      if (Buffer.compare(x, y) !== 0) throw new Error(`${split}: pictures ${at} and following differ`);
    }
    pictures += a.length;
  }
  return pictures;
}

const work = await mkdtemp(join(tmpdir(), 'alexnet-soak-'));
try {
  const began = performance.now();
  await finish(start(join(work, 'undisturbed')));
  const wholeMs = performance.now() - began;
  const undisturbed = await open(join(work, 'undisturbed'));
  let [kills, stores, pictures] = [0, 0, 0];
  while (kills < wanted) {
    const out = join(work, `killed-${stores++}`);
    for (let done = false; !done;) {
      const child = start(out);
      const ended = finish(child);
      const kill = kills < wanted;
      if (kill) {
        await Promise.race([setTimeout(fraction(kills) * wholeMs), ended]);
        child.kill('SIGKILL');
      }
      done = await ended;
      if (!done) console.log(`kill ${++kills} of ${wanted}`);
    }
    const killed = await open(out);
    pictures = await compare(undisturbed, killed);
    await killed.store.close();
    await rm(out, { recursive: true });
  }
  await undisturbed.store.close();
  console.log(
    `${kills} kills, ${stores} stores of ${pictures} pictures: all identical to the undisturbed one ` +
      `(${Math.round(wholeMs)} ms undisturbed)`,
  );
} finally {
  await rm(work, { recursive: true, force: true });
}
