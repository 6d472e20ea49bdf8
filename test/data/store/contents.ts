// Pictures for stores, and all that is in a store.
// Invariant: two stores have the same contents if no reader could tell one from the other.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { openDatabase } from '../../../lib/data/store/database.js';
import { describeFile, failuresFile } from '../../../lib/data/store/layout.js';
import { gradient, png } from '../pictures.js';

export const SIDE = 8;

/** Pictures of two classes in train and val, all of different sizes; train/a/1.png and val/b/0.png are text. */
export function splitPictures(perClass: number): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  for (const [s, split] of ['train', 'val'].entries()) {
    for (const [c, name] of ['a', 'b'].entries()) {
      for (let i = 0; i < perClass; i++) {
        files[`${split}/${name}/${i}.png`] = png(gradient(9 + (i % 7) + s, 10 + 2 * c + (i % 5)));
      }
    }
  }
  return { ...files, 'train/a/1.png': Buffer.from('no picture'), 'val/b/0.png': Buffer.from('none') };
}

/** Everything in a store's database. */
export async function recordsOf(store: string): Promise<Record<string, string>> {
  const contents: Record<string, string> = {};
  const database = openDatabase(store, { readOnly: true });
  for (const name of ['records', 'failures', 'meta'] as const) {
    for (const { key, value } of database[name].getRange()) {
      contents[`${name} ${key}`] = createHash('sha256').update(value).digest('hex');
    }
  }
  await database.root.close();
  return contents;
}

/** Everything in a store but its size, of which free space is a part. */
export async function contentsOf(store: string): Promise<Record<string, string>> {
  const contents = await recordsOf(store);
  const { bytes, ...description } = JSON.parse(readFileSync(describeFile(store), 'utf8')) as {
    bytes: number;
  };
  contents['store.json'] = JSON.stringify(description);
  const failures = failuresFile(store);
  contents['failures.json'] = existsSync(failures) ? readFileSync(failures, 'utf8') : 'none';
  return bytes > 0 ? contents : { ...contents, bytes: 'none' };
}
