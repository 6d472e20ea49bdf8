// Decoding speed of one thread, by decoder: `npm run bench:decode -- FOLDER [--pictures 200] [--side 256]`.
// Invariant: every row reads the same files to squares of the same side; the best of four rounds counts, and the CPU
// time of all threads is shown, so that no row can win by using a second one.
import { readdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Jimp } from 'jimp';
import { DecodePool, decoderInfo, PICTURE_EXTENSIONS, type Decoder } from '../lib/index.js';

const ROUNDS = 4;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { pictures: { type: 'string', default: '200' }, side: { type: 'string', default: '256' } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('give the folder: npm run bench:decode -- FOLDER');
const side = Number(values.side);
const files = await picturesOf(folder, Number(values.pictures));

/** At most `most` pictures in and below a folder, spread evenly over it. */
async function picturesOf(dir: string, most: number): Promise<string[]> {
  const names = (await readdir(dir, { recursive: true })).filter((name) =>
    PICTURE_EXTENSIONS.includes(extname(name).toLowerCase()),
  );
  if (names.length === 0) throw new Error(`${dir}: there are no pictures`);
  const taken = Math.min(most, names.length);
  const sorted = names.sort();
  return Array.from({ length: taken }, (_, i) =>
    join(dir, sorted[Math.floor((i * names.length) / taken)] as string),
  );
}

/** Reads all files. */
type Row = () => Promise<unknown>;

interface Measured {
  /** Of the best round. */
  readonly perSecond: number;
  /** Of all threads of the process, in the round in which it was least. */
  readonly cpuMs: number;
}

/** The rows take turns, so that a busy moment of the machine does not count against one of them. */
async function measure(rows: Readonly<Record<string, Row>>): Promise<ReadonlyMap<string, Measured>> {
  const best = new Map<string, Measured>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, read] of Object.entries(rows)) {
      const [start, cpu] = [performance.now(), process.cpuUsage()];
      await read();
      const { user, system } = process.cpuUsage(cpu);
      const perSecond = (files.length / (performance.now() - start)) * 1000;
      const cpuMs = (user + system) / 1000 / files.length;
      const { perSecond: fastest = 0, cpuMs: least = Infinity } = best.get(name) ?? {};
      best.set(name, { perSecond: Math.max(perSecond, fastest), cpuMs: Math.min(cpuMs, least) });
    }
  }
  return best;
}

const JIMP_ALONE = 'jimp alone (read, cover)';
const decoders = await decoderInfo();
const rows: Record<string, Row> = {
  [JIMP_ALONE]: async () => {
    for (const path of files) (await Jimp.read(path)).cover({ w: side, h: side });
  },
};
const pools: DecodePool[] = [];
for (const decoder of ['jimp', 'wasm', 'sharp', 'auto'] satisfies Decoder[]) {
  if (decoder !== 'auto' && !decoders[decoder].available) continue;
  const pool = new DecodePool({ workers: 1, side, decoder });
  pools.push(pool);
  rows[decoder] = () => pool.decode(files);
}
console.log(
  `${cpus()[0]?.model.trim()}, Node ${process.versions.node}, one decoding thread, ${files.length} pictures`,
);
console.log(decoders);
const results = await measure(rows);
await Promise.all(pools.map((pool) => pool.close()));
const alone = results.get(JIMP_ALONE)!;
console.table(
  Object.fromEntries(
    [...results].map(([name, { perSecond, cpuMs }]) => [
      name,
      {
        'squares a second': Math.round(perSecond),
        'times jimp alone': Number((perSecond / alone.perSecond).toFixed(2)),
        'CPU ms a picture': Number(cpuMs.toFixed(2)),
        'times less CPU': Number((alone.cpuMs / cpuMs).toFixed(2)),
      },
    ]),
  ),
);
