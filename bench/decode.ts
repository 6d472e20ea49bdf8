// Decoding speed of one thread, by decoder: `npm run bench:decode -- FOLDER [--pictures 200] [--side 256]`.
// Invariant: every row reads the same files to squares of the same side; the best of three rounds counts.
import { readdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Jimp } from 'jimp';
import { decodeFile, decoderInfo, PICTURE_EXTENSIONS, resizeToSquare, type Decoder } from '../lib/index.js';

const ROUNDS = 3;

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

/** Pictures a second of the best round; the first round also warms up. */
async function measure(read: (path: string) => Promise<unknown>): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    for (const path of files) await read(path);
    best = Math.min(best, performance.now() - start);
  }
  return (files.length / best) * 1000;
}

async function withJimpAlone(path: string): Promise<void> {
  const picture = await Jimp.read(path);
  picture.cover({ w: side, h: side });
}

const decoders = await decoderInfo();
const rows: Record<string, { 'decoded a second': number; 'squares a second': number }> = {};
rows['jimp alone (read, cover)'] = {
  'decoded a second': Math.round(await measure((path) => Jimp.read(path))),
  'squares a second': Math.round(await measure(withJimpAlone)),
};
for (const decoder of ['jimp', 'wasm', 'sharp', 'auto'] satisfies Decoder[]) {
  if (decoder !== 'auto' && !decoders[decoder].available) continue;
  const decode = (path: string) => decodeFile(path, { decoder });
  rows[decoder] = {
    'decoded a second': Math.round(await measure(decode)),
    'squares a second': Math.round(await measure(async (path) => resizeToSquare(await decode(path), side))),
  };
}
console.log(`${cpus()[0]?.model.trim()}, Node ${process.versions.node}, one thread, ${files.length} pictures`);
console.log(decoders);
console.table(rows);
