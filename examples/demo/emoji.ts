// The demo's pictures: two vendors' drawings of the emoji, as an image folder with a class for each category.
// Invariant: the folder exists only when it is complete; it is made under another name and renamed at the end.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { DataError } from '../../lib/errors.js';
import { splitEmoji, type Emoji, type Split } from './emoji-split.js';
import { fetchNpmPackage, type NpmPackage } from './npm-package.js';

/** The name changes whenever the contents would. */
const FOLDER = 'emoji-v1';

/** The largest classes are cut to this many emoji, so that accuracy is not the size of a class. */
const MOST_PER_CLASS = 200;

const SPLITS: readonly Split[] = ['train', 'val', 'test'];
const ONE_HOUR_MS = 3_600_000;

interface Vendor extends NpmPackage {
  readonly vendor: string;
  /** Size of the download. */
  readonly megabytes: number;
}

const VENDORS: readonly Vendor[] = [
  {
    vendor: 'google',
    name: 'emoji-datasource-google',
    version: '16.0.0',
    integrity:
      'sha512-ZRexfzs7MVoLnmzZmNsO4TKhnAJp5D++Vm6PpUpH/jEQQlemp3l88CjZ+DoZ2faM9R4QxZkOPJCoT8DlPhfQ3A==',
    megabytes: 74,
  },
  {
    vendor: 'twitter',
    name: 'emoji-datasource-twitter',
    version: '16.0.0',
    integrity:
      'sha512-7F+uCuHH+7Qnrc15P5tnbvKkg9E6tlzi4MnT2uW1RlN4pLYTza6cP/dstIfSDMtpjFLWuZewWg8jBbuL2eyELQ==',
    megabytes: 62,
  },
];

const LICENCE =
  'Pictures: Noto Emoji, copyright Google, Apache License 2.0; Twemoji, copyright Twitter and other contributors, ' +
  'CC-BY 4.0 (https://creativecommons.org/licenses/by/4.0/). ' +
  'Taken unchanged from emoji-datasource 16.0.0, copyright 2013 Cal Henderson, MIT.';

/** Number of pictures of each class in each split. */
export type EmojiCounts = Readonly<Record<Split, Readonly<Record<string, number>>>>;

export interface EmojiFolder {
  /** An image folder with train, val and test; 64 x 64 PNG files with transparency, `<vendor>-<code points>.png`. */
  readonly dir: string;
  /** Whose pictures these are and under which licences; to be shown where they are. */
  readonly licence: string;
  readonly counts: EmojiCounts;
}

/** An entry of emoji.json, as far as it is used here. */
interface EmojiEntry {
  readonly unified: string;
  readonly image: string;
  readonly category: string;
  readonly has_img_google: boolean;
  readonly has_img_twitter: boolean;
}

/** Files of one vendor's package, by path. */
type Files = ReadonlyMap<string, Uint8Array>;

/**
 * Makes the demo's image folder, or finds it from an earlier run. The first run downloads 136 MB with the npm client and
 * keeps 8 MB. Classes are the Unicode categories; both vendors' drawings of an emoji, and all its variants, are in the
 * same split (see `splitEmoji`); of every class about 80 % are in train, 10 % in val and 10 % in test. The folder is
 * `$ALEXNET_CACHE/emoji-v1`, by default in `$XDG_CACHE_HOME/alexnet` or `~/.cache/alexnet`.
 * @param options.onProgress called with a line for people before each step that takes time
 * @throws DataError if npm is missing, its registry cannot be reached, or what comes is not what is expected
 */
export async function prepareEmojiFolder(
  options: { readonly onProgress?: (message: string) => void } = {},
): Promise<EmojiFolder> {
  const { onProgress = () => {} } = options;
  const cache = cacheFolder();
  const dir = join(cache, FOLDER);
  if (!(await exists(dir))) await make(dir, onProgress);
  return { dir, licence: LICENCE, counts: await countPictures(dir) };
}

/** `$ALEXNET_CACHE`, `$XDG_CACHE_HOME/alexnet` or `~/.cache/alexnet`. */
function cacheFolder(): string {
  const { ALEXNET_CACHE: own, XDG_CACHE_HOME: general } = process.env;
  if (own) return own;
  return join(general && isAbsolute(general) ? general : join(homedir(), '.cache'), 'alexnet');
}

async function make(dir: string, onProgress: (message: string) => void): Promise<void> {
  const cache = dirname(dir);
  await mkdir(cache, { recursive: true });
  await removeLeftovers(cache);
  const work = await mkdtemp(join(cache, `${FOLDER}.part-`));
  try {
    const packages: Files[] = [];
    for (const vendor of VENDORS) packages.push(await fetchVendor(vendor, work, onProgress));
    const made = join(work, FOLDER);
    await writePictures(made, packages);
    await moveIntoPlace(made, dir);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** What runs that were killed left behind; younger folders may belong to a run that is still going. */
async function removeLeftovers(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith(`${FOLDER}.part-`)) continue;
    const path = join(cache, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > ONE_HOUR_MS) await rm(path, { recursive: true, force: true });
  }
}

async function fetchVendor(
  vendor: Vendor,
  work: string,
  onProgress: (message: string) => void,
): Promise<Files> {
  const { name, version, megabytes } = vendor;
  onProgress(`Fetching ${name}@${version} with npm (${megabytes} MB, on the first run only) ...`);
  const folder = join(work, vendor.vendor);
  await mkdir(folder);
  const pictures = `package/img/${vendor.vendor}/64/`;
  const wanted = (path: string): boolean => path === 'package/emoji.json' || path.startsWith(pictures);
  return fetchNpmPackage(vendor, { folder, wanted });
}

async function writePictures(dir: string, packages: readonly Files[]): Promise<void> {
  for (const { split, category, unified } of splitEmoji(readEmoji(packages), {
    mostPerClass: MOST_PER_CLASS,
  })) {
    const folder = join(dir, split, category);
    await mkdir(folder, { recursive: true });
    for (const [i, { vendor }] of VENDORS.entries()) {
      await writeFile(
        join(folder, `${vendor}-${unified.toLowerCase()}.png`),
        pictureOf(packages[i]!, vendor, unified),
      );
    }
  }
  await writeFile(join(dir, 'LICENCES.txt'), `${LICENCE}\n`);
}

/** The emoji that both vendors draw, without the swatches of skin tones. */
function readEmoji(packages: readonly Files[]): Emoji[] {
  const list = packages[0]!.get('package/emoji.json');
  if (!list) throw new DataError(`${VENDORS[0]!.name} has no emoji.json; this version of it cannot be used`);
  const entries = JSON.parse(Buffer.from(list).toString('utf8')) as EmojiEntry[];
  return entries
    .filter((entry) => entry.category !== 'Component' && entry.has_img_google && entry.has_img_twitter)
    .map(({ unified, category }) => {
      const pictures = VENDORS.map(({ vendor }, i) =>
        createHash('sha256')
          .update(pictureOf(packages[i]!, vendor, unified))
          .digest('hex'),
      );
      return { unified, category: folderName(category), pictures };
    });
}

function pictureOf(files: Files, vendor: string, unified: string): Uint8Array {
  const path = `package/img/${vendor}/64/${unified.toLowerCase()}.png`;
  const picture = files.get(path);
  if (!picture) {
    throw new DataError(`the package of ${vendor}'s emoji has no ${path}; this version of it cannot be used`);
  }
  return picture;
}

/** 'Animals & Nature' -> 'animals-nature'. */
function folderName(category: string): string {
  return category.toLowerCase().replace(/[^a-z]+/g, '-');
}

/** Another run may have been faster: then its folder, which is the same, stays. */
async function moveIntoPlace(made: string, dir: string): Promise<void> {
  try {
    await rename(made, dir);
  } catch (error) {
    if (!(await exists(dir))) throw error;
  }
}

async function countPictures(dir: string): Promise<EmojiCounts> {
  const counts: Record<Split, Record<string, number>> = { train: {}, val: {}, test: {} };
  for (const split of SPLITS) {
    for (const category of (await readdir(join(dir, split))).sort()) {
      counts[split][category] = (await readdir(join(dir, split, category))).length;
    }
  }
  return counts;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
