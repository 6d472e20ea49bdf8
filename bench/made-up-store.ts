// A store of seeded noise, for measurements that need many pictures and no decoding.
// Invariant: the same options make the same store; it is refused where it would fill the disk.
import { mkdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { dataFile, writeDescription } from '../lib/data/store/layout.js';
import type { Manifest } from '../lib/data/store/manifest.js';
import { ManifestFiles } from '../lib/data/store/manifest-files.js';
import { sealTree } from '../lib/data/store/tree-pages.js';
import { StoreWriter } from '../lib/data/store/writer.js';

const CLASS_NAMES = ['a', 'b'];
const BATCH = 64;

/** @returns the folder */
export async function makeUpStore(
  parent: string,
  { pictures, side }: { readonly pictures: number; readonly side: number },
): Promise<string> {
  const folder = join(parent, 'store');
  await checkSpace(parent, 2 * pictures * (side * side * 3 + 4096));
  await mkdir(folder, { recursive: true });
  const manifest: Manifest = {
    head: {
      ...{
        side,
        framing: 'centre',
        maxPixels: 1,
        files: pictures,
        digest: 'made up',
        classNames: CLASS_NAMES,
      },
      splits: [{ name: 'train', start: 0, end: pictures }],
    },
    files: ManifestFiles.from(
      Array.from({ length: pictures }, (_, i) => ({
        ...{ path: `${CLASS_NAMES[i % 2]}/${i}.png`, label: i % 2, bytes: 1, modifiedMs: 1 },
      })),
    ),
  };
  const writer = await StoreWriter.open({ folder, manifest, token: 'a', ownTokens: ['a'], overwrite: false });
  const noise = noiseBytes(side * side * 3 + BATCH);
  for (let at = 0; at < pictures; at += BATCH) {
    const count = Math.min(BATCH, pictures - at);
    writer.commit(
      Array.from({ length: count }, (_, i) => ({
        width: side,
        height: side,
        data: noise.slice(i, i + side * side * 3),
      })),
    );
  }
  const { digest } = writer.finish();
  await writer.close();
  await sealTree(folder);
  const { size } = await stat(dataFile(folder));
  await writeDescription(folder, {
    ...{
      state: 'complete',
      side,
      framing: 'centre',
      classes: 2,
      files: pictures,
      bytes: size,
      failures: 0,
      digest,
    },
  });
  return folder;
}

/** Xorshift: noise, so that nothing is faster than it would be on pictures. */
export function noiseBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

/** @throws Error if there is not twice as much space as will be taken */
export async function checkSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new Error(
    `${folder}: ${bytes} bytes are needed, ${bavail * bsize} are free; set TMPDIR to another disk`,
  );
}
