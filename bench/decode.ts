// Decoding speed of one thread, by decoder: `npm run bench:decode -- FOLDER [--pictures 200] [--side 256]`.
// Invariant: every row reads the same files to squares of the same side; the best of four rounds counts.
import { readdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Jimp } from 'jimp';
import { decodeFile, decoderInfo, PICTURE_EXTENSIONS, resizeToSquare, type Decoder } from '../lib/index.js';

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

type Row = Record<'decode' | 'square', (path: string) => Promise<unknown>>;

/** The rows take turns, so that a busy moment of the machine does not count against one of them. */
async function measure(rows: Readonly<Record<string, Row>>): Promise<Record<string, object>> {
  const best = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, row] of Object.entries(rows)) {
      for (const [kind, read] of Object.entries(row)) {
        const start = performance.now();
        for (const path of files) await read(path);
        const perSecond = (files.length / (performance.now() - start)) * 1000;
        best.set(`${name} ${kind}`, Math.max(perSecond, best.get(`${name} ${kind}`) ?? 0));
      }
    }
  }
  const rounded = (name: string, kind: keyof Row) => Math.round(best.get(`${name} ${kind}`) ?? 0);
  return Object.fromEntries(
    Object.keys(rows).map((name) => [
      name,
      { 'decoded a second': rounded(name, 'decode'), 'squares a second': rounded(name, 'square') },
    ]),
  );
}

const decoders = await decoderInfo();
const rows: Record<string, Row> = {
  'jimp alone (read, cover)': {
    decode: (path) => Jimp.read(path),
    square: async (path) => (await Jimp.read(path)).cover({ w: side, h: side }),
  },
};
for (const decoder of ['jimp', 'wasm', 'sharp', 'auto'] satisfies Decoder[]) {
  if (decoder !== 'auto' && !decoders[decoder].available) continue;
  const decode = (path: string) => decodeFile(path, { decoder });
  rows[decoder] = { decode, square: async (path) => resizeToSquare(await decode(path), side) };
}
console.log(
  `${cpus()[0]?.model.trim()}, Node ${process.versions.node}, one thread, ${files.length} pictures`,
);
console.log(decoders);
console.table(await measure(rows));
