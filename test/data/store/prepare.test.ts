// Preparing a store: what it holds, and what stops it.
// Invariant: a store that was interrupted is compared with one that was not, value by value.

import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { computeMean } from '../../../lib/data/mean.js';
import { ImageFolderDataset } from '../../../lib/data/image-folder-dataset.js';
import { scanImageFolder } from '../../../lib/data/image-folder.js';
import { ImageStore } from '../../../lib/data/store/image-store.js';
import { readManifest, type Manifest } from '../../../lib/data/store/manifest.js';
import { ManifestFiles } from '../../../lib/data/store/manifest-files.js';
import { prepareStore, prepareWith, type PrepareProgress } from '../../../lib/data/store/prepare.js';
import type { Writer } from '../../../lib/data/store/writer-thread.js';
import { StoreWriter, type WriterOptions } from '../../../lib/data/store/writer.js';
import {
  AbortedError,
  ArgumentError,
  DataError,
  DecodeError,
  DisposedError,
  FileFormatError,
  FileWriteError,
} from '../../../lib/errors.js';
import { RandomStream, randomWords, uniformBelow } from '../../../lib/random.js';
import { runNode } from '../../cli/run-cli.js';
import { gradient, png } from '../pictures.js';
import { tempFiles, tempFolder } from '../temp-folder.js';
import { contentsOf, recordsOf, SIDE, splitPictures } from './contents.js';

const BASE = { side: SIDE, workers: 2, batchSize: 4 } as const;

function newStore(): string {
  return join(tempFolder(), 'store');
}

/** A writer in this thread, of a class of the caller's. */
function openWith(kind: typeof StoreWriter) {
  return async (options: WriterOptions): Promise<Writer> => {
    const writer = await kind.open(options);
    return {
      progress: writer.progress,
      commit: async (batch) => writer.commit(batch),
      finish: async () => writer.finish(),
      close: () => writer.close(),
    };
  };
}

/** Writes are refused from the third batch on, as a full disk does. */
class FullDiskWriter extends StoreWriter {
  #writes = 0;

  protected override write(action: () => void): void {
    // The first three are the claim, the manifest's files and its head.
    if (++this.#writes > 5) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    super.write(action);
  }
}

describe('prepareStore', () => {
  it('stores what an image folder dataset reads, with labels, names, mean and failures', async () => {
    const dir = tempFiles(splitPictures(6));
    const out = newStore();
    const prepared = await prepareStore(dir, { ...BASE, out });
    assert.equal(prepared.status, 'written');
    assert.deepEqual(prepared.pictures, { train: 11, validation: 11 });
    assert.deepEqual(
      prepared.failures.map(({ path }) => path),
      ['train/a/1.png', 'val/b/0.png'],
    );
    const listed = JSON.parse(readFileSync(join(out, 'failures.json'), 'utf8')) as unknown;
    assert.deepEqual(listed, prepared.failures);
    const store = await ImageStore.open(out);
    const folder = await scanImageFolder(dir);
    for (const split of ['train', 'validation'] as const) {
      const files = folder[split]!;
      const dataset = new ImageFolderDataset(files, { side: SIDE, workers: 1 });
      const all = [...files.labels.keys()];
      const expected = new Uint8Array(all.length * SIDE * SIDE * 3);
      const readable = await dataset.read(all, expected);
      const stored = store.dataset(split);
      const kept = all.filter((i) => readable[i]);
      assert.deepEqual(
        kept.map((_, i) => join(dir, stored.nameOf(i))),
        kept.map((i) => files.paths.at(i)),
      );
      assert.deepEqual(
        [...stored.labels],
        kept.map((i) => files.labels[i]),
      );
      const found = new Uint8Array(kept.length * SIDE * SIDE * 3);
      assert.ok(!(await stored.read([...kept.keys()], found)).includes(false));
      const bytes = SIDE * SIDE * 3;
      kept.forEach((from, to) =>
        assert.deepEqual(
          found.subarray(to * bytes, (to + 1) * bytes),
          expected.subarray(from * bytes, (from + 1) * bytes),
        ),
      );
      const mean = await computeMean(dataset);
      assert.deepEqual(stored.mean, split === 'train' ? mean : undefined);
      await dataset.close();
    }
    await store.verify();
    await store.close();
  });

  it('gives the same store for any number of threads and any batch', async () => {
    const dir = tempFiles(splitPictures(5));
    const [one, other] = [newStore(), newStore()];
    await prepareStore(dir, { ...BASE, out: one, workers: 1, batchSize: 1 });
    await prepareStore(dir, { ...BASE, out: other, workers: 3, batchSize: 7 });
    assert.deepEqual(await contentsOf(one), await contentsOf(other));
  });

  it('does nothing to a store that is complete', async () => {
    const dir = tempFiles(splitPictures(3));
    const out = newStore();
    const first = await prepareStore(dir, { ...BASE, out });
    const progress: PrepareProgress[] = [];
    const again = await prepareStore(dir, { ...BASE, out, onProgress: (p) => progress.push(p) });
    assert.deepEqual(again, { ...first, status: 'complete' });
    assert.deepEqual(progress, []);
  });

  it('says what has changed since, and makes the store anew if told to', async () => {
    const dir = tempFiles(splitPictures(3));
    const out = newStore();
    await prepareStore(dir, { ...BASE, out });
    writeFileSync(join(dir, 'train/b/new.png'), png(gradient(9, 9)));
    appendFileSync(join(dir, 'train/b/0.png'), 'x');
    rmSync(join(dir, 'val/a/2.png'));
    await assert.rejects(prepareStore(dir, { ...BASE, out }), (error: Error) => {
      assert.ok(error instanceof DataError);
      assert.match(error.message, /1 picture added \(train\/b\/new\.png\)/);
      assert.match(error.message, /1 picture removed \(val\/a\/2\.png\)/);
      assert.match(error.message, /1 picture written to \(train\/b\/0\.png\)/);
      assert.match(error.message, /--overwrite/);
      return true;
    });
    const anew = await prepareStore(dir, { ...BASE, out, overwrite: true });
    assert.deepEqual(anew.pictures, { train: 6, validation: 4 });
    const elsewhere = newStore();
    await prepareStore(dir, { ...BASE, out: elsewhere });
    assert.deepEqual(await contentsOf(out), await contentsOf(elsewhere));
  });

  it('refuses other options, for a complete store and for an unfinished one', async () => {
    const dir = tempFiles(splitPictures(3));
    const out = newStore();
    const signal = AbortSignal.abort();
    await assert.rejects(prepareStore(dir, { ...BASE, out, signal }), AbortedError);
    const other = { ...BASE, out, side: 2 * SIDE };
    await assert.rejects(prepareStore(dir, other), (error: Error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(error.message, /begun with side 8, not 16\. Give the same again, or .* --overwrite/);
      return true;
    });
    await prepareStore(dir, { ...BASE, out });
    await assert.rejects(prepareStore(dir, other), /begun with side 8, not 16/);
  });

  it('stops at the signal, keeps what is committed, and goes on', async () => {
    const dir = tempFiles(splitPictures(8));
    const [out, undisturbed] = [newStore(), newStore()];
    const stop = new AbortController();
    const onProgress = ({ done }: PrepareProgress): void => {
      if (done === 12) stop.abort();
    };
    const stopped = prepareStore(dir, { ...BASE, out, signal: stop.signal, onProgress });
    await assert.rejects(stopped, AbortedError);
    const progress: number[] = [];
    await prepareStore(dir, { ...BASE, out, onProgress: ({ done }) => progress.push(done) });
    assert.deepEqual(progress, [12, 16, 20, 24, 28, 32]);
    await prepareStore(dir, { ...BASE, out: undisturbed });
    assert.deepEqual(await contentsOf(out), await contentsOf(undisturbed));
  });

  it('stops at a broken picture when strict, also at one that was left out before', async () => {
    const dir = tempFiles(splitPictures(4));
    const out = newStore();
    await assert.rejects(prepareStore(dir, { ...BASE, out, strict: true }), (error: Error) => {
      assert.ok(error instanceof DecodeError);
      assert.equal(error.path, join(dir, 'train/a/1.png'));
      return true;
    });
    const stop = new AbortController();
    const signal = stop.signal;
    await assert.rejects(
      prepareStore(dir, { ...BASE, out, signal, onProgress: ({ done }) => done > 0 && stop.abort() }),
    );
    await assert.rejects(
      prepareStore(dir, { ...BASE, out, strict: true }),
      /1 pictures were left out by a run/,
    );
  });

  it('survives a full disk: a clear error, and the same store once there is space', async () => {
    const dir = tempFiles(splitPictures(6));
    const [out, undisturbed] = [newStore(), newStore()];
    await assert.rejects(prepareWith(dir, { ...BASE, out }, openWith(FullDiskWriter)), (error: Error) => {
      assert.ok(error instanceof FileWriteError);
      assert.match(
        error.message,
        /no space left: [\d,]+ bytes \(.*\) more are needed, [\d,]+ \(.*\) are available/,
      );
      assert.match(error.message, /8 of 24 pictures are stored and stay so\. Free some space/);
      return true;
    });
    await assert.rejects(ImageStore.open(out), /unfinished/);
    const progress: number[] = [];
    await prepareStore(dir, { ...BASE, out, onProgress: ({ done }) => progress.push(done) });
    assert.equal(progress[0], 8);
    await prepareStore(dir, { ...BASE, out: undisturbed });
    assert.deepEqual(await contentsOf(out), await contentsOf(undisturbed));
  });

  it('refuses places that are not for a store', async () => {
    const dir = tempFiles(splitPictures(2));
    const linked = join(tempFolder(), 'link');
    symlinkSync(dir, linked);
    for (const out of [dir, join(dir, 'train/store'), join(linked, 'new/store')]) {
      await assert.rejects(prepareStore(dir, { ...BASE, out }), /cannot be in the folder of the pictures/);
    }
    const taken = tempFiles({ 'notes.txt': 'mine' });
    await assert.rejects(prepareStore(dir, { ...BASE, out: taken, overwrite: true }), (error: Error) => {
      assert.ok(error instanceof FileFormatError);
      assert.match(error.message, /something else in the folder; give a new or empty one/);
      return true;
    });
    const file = join(taken, 'notes.txt');
    await assert.rejects(prepareStore(dir, { ...BASE, out: file }), /it is a file; give a new folder/);
    assert.equal(readFileSync(file, 'utf8'), 'mine');
  });

  it('refuses options out of range, and folders of which nothing can be decoded', async () => {
    const dir = tempFiles({ 'a/1.png': 'text', 'b/1.png': 'text' });
    const out = newStore();
    for (const wrong of [{ side: 0 }, { batchSize: 0.5 }, { workers: 0 }]) {
      await assert.rejects(prepareStore(dir, { ...BASE, out, ...wrong }), ArgumentError);
    }
    await assert.rejects(prepareStore(dir, { ...BASE, out }), /no train picture can be decoded/);
  });
});

/** Ends in the middle of the list of files. */
class CutOffWriter extends StoreWriter {
  #writes = 0;

  protected override write(action: () => void): void {
    if (++this.#writes > 2) throw new Error('cut off');
    super.write(action);
  }
}

describe('a store whose list of files was cut off', () => {
  /** Of files that need not be there: nothing is decoded. */
  const listOf = (files: number, digest: string): Manifest => ({
    head: {
      ...{ side: SIDE, framing: 'centre', maxPixels: 1, files, digest, classNames: ['a', 'b'] },
      splits: [{ name: 'train', start: 0, end: files }],
    },
    files: ManifestFiles.from(
      Array.from({ length: files }, (_, i) => ({
        ...{ path: `a/${digest}-${i}.png`, label: i % 2, bytes: 1, modifiedMs: 1 },
      })),
    ),
  });
  const options = { token: 'one', ownTokens: ['one'], overwrite: false };
  const write = async (folder: string, manifest: Manifest): Promise<void> => {
    mkdirSync(folder, { recursive: true });
    await (await StoreWriter.open({ ...options, folder, manifest })).close();
  };

  it('is begun anew, with another list too, and nothing is left of the first', async () => {
    const [cut, undisturbed] = [newStore(), newStore()];
    mkdirSync(cut);
    const long = listOf(70_000, 'long');
    await assert.rejects(CutOffWriter.open({ ...options, folder: cut, manifest: long }), FileWriteError);
    const short = listOf(3000, 'short');
    await write(cut, short);
    await write(undisturbed, short);
    assert.deepEqual(await recordsOf(cut), await recordsOf(undisturbed));
    await assert.rejects(write(cut, long), (error: Error) => {
      assert.ok(error instanceof DataError);
      assert.match(
        error.message,
        /70000 pictures added \(a\/long-0\.png, .*\.\.\.\), 3000 pictures removed \(a\/short-0\.png/,
      );
      return true;
    });
  });
});

describe('a store that is being written', () => {
  const open = async (dir: string, folder: string, over: Partial<WriterOptions> = {}) => {
    const manifest = await readManifest(await scanImageFolder(dir), {
      side: SIDE,
      framing: 'centre',
      maxPixels: 64_000_000,
    });
    mkdirSync(folder, { recursive: true });
    return StoreWriter.open({
      folder,
      manifest,
      token: 'one',
      ownTokens: ['one'],
      overwrite: false,
      ...over,
    });
  };
  const square = { width: SIDE, height: SIDE, data: new Uint8Array(SIDE * SIDE * 3) };

  it('is refused to others, and to --overwrite', async () => {
    const dir = tempFiles(splitPictures(2));
    const out = newStore();
    let reported = '';
    const child = runNode(['--input-type=module', '--eval', holdScript(dir, out)], {
      onOutput: ({ stdout }) => (reported = stdout),
    });
    while (!reported.startsWith('open')) await setTimeout(20);
    for (const overwrite of [false, true]) {
      await assert.rejects(prepareStore(dir, { ...BASE, out, overwrite }), (error: Error) => {
        assert.ok(error instanceof DataError);
        assert.match(error.message, /being written by another process \(pid \d+\); wait for it, or stop it/);
        return true;
      });
    }
    process.kill(Number(reported.split(' ')[1]), 'SIGKILL');
    await child;
    assert.equal((await prepareStore(dir, { ...BASE, out })).status, 'written');
  });

  it('is refused to a second call in the same process', async () => {
    const dir = tempFiles(splitPictures(6));
    const out = newStore();
    let second: Promise<unknown> | undefined;
    const onProgress = (): void => {
      second ??= assert.rejects(prepareStore(dir, { ...BASE, out }), /being written by another process/);
    };
    await prepareStore(dir, { ...BASE, out, workers: 1, batchSize: 1, onProgress });
    await second;
  });

  it('takes nothing more from a process that has lost it', async () => {
    const dir = tempFiles(splitPictures(2));
    const out = newStore();
    const first = await open(dir, out);
    first.commit([square]);
    const second = await open(dir, out, { token: 'two', ownTokens: ['two'] });
    assert.throws(() => first.commit([square]), /taken over by another process/);
    assert.throws(() => first.commit([square]), DisposedError);
    assert.equal(second.commit([square]).done, 2);
    await first.close();
    assert.equal(second.commit([square]).done, 3);
    await second.close();
  });
});

/** Opens a writer and waits. */
function holdScript(dir: string, out: string): string {
  const module = (name: string): string =>
    JSON.stringify(new URL(`../../../lib/data/store/${name}`, import.meta.url).href);
  return `
    import { readManifest } from ${module('manifest.js')};
    import { StoreWriter } from ${module('writer.js')};
    import { mkdirSync } from 'node:fs';
    const { scanImageFolder } = await import(${module('../image-folder.js')});
    const folder = ${JSON.stringify(out)};
    mkdirSync(folder, { recursive: true });
    const manifest = await readManifest(await scanImageFolder(${JSON.stringify(dir)}), { side: ${SIDE}, framing: 'centre', maxPixels: 64e6 });
    // What prepareStore writes first.
    const { writeDescription } = await import(${module('layout.js')});
    await writeDescription(folder, { state: 'unfinished', side: ${SIDE}, framing: 'centre', classes: 2, files: manifest.files.length });
    await StoreWriter.open({ folder, manifest, token: 'a', ownTokens: ['a'], overwrite: false });
    console.log('open ' + process.pid + ' ');
    setTimeout(() => {}, 60_000);
  `;
}

describe('a store whose process is killed', () => {
  const KILLS = 20;
  const PER_CLASS = 60;

  interface Moment {
    /** Told of what is done, at the start and after each commit: whether it is time. */
    readonly after: (done: readonly number[]) => boolean;
    readonly delayMs: number;
  }

  /** Prepares in a process of its own, and kills it. What it reports is empty where nothing was left to do. */
  async function killed(
    dir: string,
    out: string,
    { after, delayMs }: Moment,
  ): Promise<{ reported: number[]; finished: boolean }> {
    const module = JSON.stringify(new URL('../../../lib/data/store/prepare.js', import.meta.url).href);
    const options = JSON.stringify({ ...BASE, workers: 1, batchSize: 2, out });
    const script = `
      import { prepareStore } from ${module};
      const onProgress = ({ done }) => process.stdout.write(done + '\\n');
      await prepareStore(${JSON.stringify(dir)}, { ...${options}, onProgress });
    `;
    let isKilled = false;
    const { stdout, code } = await runNode(['--input-type=module', '--eval', script], {
      onOutput: (written, child) => {
        if (isKilled || !after(written.stdout.split('\n').slice(0, -1).map(Number))) return;
        isKilled = true;
        void setTimeout(delayMs).then(() => child.kill('SIGKILL'));
      },
    });
    return { reported: stdout.split('\n').slice(0, -1).map(Number), finished: code === 0 };
  }

  it(`${KILLS} times at random is the same as one that was left alone`, async () => {
    const dir = tempFiles(splitPictures(PER_CLASS));
    const [out, undisturbed] = [newStore(), newStore()];
    const total = 4 * PER_CLASS;
    let kept = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const [commits, delay] = randomWords({ seed: 5, index: kill, stream: RandomStream.shuffle });
      const least = uniformBelow(4, [commits]);
      const when = {
        after: (done: readonly number[]) => done.length > least,
        // Before its first commit a process decodes for a while.
        delayMs: uniformBelow(kill % 4 === 0 ? 150 : 4, [delay]),
      };
      const { reported, finished } = await killed(dir, out, when);
      const [start = finished ? total : 0] = reported;
      assert.ok(start >= kept, `it began at ${start}, but ${kept} were done`);
      if (finished) break;
      kept = reported.at(-1) ?? kept;
    }
    // At the end: between the last commit, the marks of completeness, and the exit.
    const after = (done: readonly number[]): boolean => done.at(-1) === total;
    for (const delayMs of [0, 1, 3]) await killed(dir, out, { after, delayMs });
    const result = await prepareStore(dir, { ...BASE, out });
    assert.deepEqual(result.pictures, { train: total / 2 - 1, validation: total / 2 - 1 });
    await prepareStore(dir, { ...BASE, out: undisturbed });
    assert.deepEqual(await contentsOf(out), await contentsOf(undisturbed));
  }).timeout(120_000);
});
