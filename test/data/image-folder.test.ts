// Scanning image folders: layouts that are understood, and what is said about those that are not.
// Invariant: files are never opened while scanning, so empty ones serve as pictures here.

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { scanImageFolder } from '../../lib/data/image-folder.js';
import type { LabelledFiles } from '../../lib/data/labelled-files.js';
import { DataError } from '../../lib/errors.js';
import { tempFiles, tempFolder } from './temp-folder.js';

function folderOf(...paths: string[]): string {
  return tempFiles(Object.fromEntries(paths.map((path) => [path, ''])));
}

/** 'class: path' of every file, with forward slashes. */
function listed(dir: string, files: LabelledFiles | undefined): string[] {
  assert.ok(files);
  assert.equal(files.labels.length, files.paths.length);
  return [...files.paths].map(
    (path, i) => `${files.classNames[files.labels[i]!]}: ${relative(dir, path).replaceAll('\\', '/')}`,
  );
}

async function assertRefuses(dir: string, ...messages: RegExp[]): Promise<void> {
  await assert.rejects(scanImageFolder(dir), (error) => {
    assert.ok(error instanceof DataError, String(error));
    for (const message of messages) assert.match(error.message, message);
    assert.ok(error.message.includes(dir), 'the message names the folder');
    return true;
  });
}

describe('scanImageFolder', () => {
  it('finds classes and pictures, in code-unit order, whatever the case of the ending', async () => {
    const dir = folderOf('b/2.JPG', 'b/10.png', 'B/x.jpeg', 'ä/y.tiff', 'a/z.Gif', 'a/y.bmp', 'a/x.tif');
    const { train, validation, test } = await scanImageFolder(dir);
    assert.deepEqual(train.classNames, ['B', 'a', 'b', 'ä']);
    assert.deepEqual(listed(dir, train), [
      'B: B/x.jpeg',
      'a: a/x.tif',
      'a: a/y.bmp',
      'a: a/z.Gif',
      'b: b/10.png',
      'b: b/2.JPG',
      'ä: ä/y.tiff',
    ]);
    assert.equal(validation, undefined);
    assert.equal(test, undefined);
  });

  it('looks into folders below a class, and past hidden and other files', async () => {
    const dir = folderOf(
      'a/sub/deep/1.png',
      'a/0.png',
      'a/notes.txt',
      'a/.2.png',
      'a/.git/3.png',
      'b/1.png',
      '.c/1.png',
    );
    const { train } = await scanImageFolder(dir);
    assert.deepEqual(listed(dir, train), ['a: a/0.png', 'a: a/sub/deep/1.png', 'b: b/1.png']);
  });

  it('leaves out the folder of a training, but not a class that has weights beside its pictures', async () => {
    const dir = folderOf('a/1.png', 'b/1.png', 'b/x.safetensors', 'run/last.safetensors', 'run/log.jsonl');
    mkdirSync(join(dir, 'new'));
    writeFileSync(join(dir, 'new', 'training.lock'), '{}');
    assert.deepEqual((await scanImageFolder(dir)).train.classNames, ['a', 'b']);
  });

  it('recognises train, val and test', async () => {
    const dir = folderOf(
      'train/a/1.png',
      'train/b/1.png',
      'val/a/2.png',
      'val/b/2.png',
      'test/b/3.png',
      'test/a/3.png',
    );
    const { train, validation, test } = await scanImageFolder(dir);
    assert.deepEqual(listed(dir, train), ['a: train/a/1.png', 'b: train/b/1.png']);
    assert.deepEqual(listed(dir, validation), ['a: val/a/2.png', 'b: val/b/2.png']);
    assert.deepEqual(listed(dir, test), ['a: test/a/3.png', 'b: test/b/3.png']);
  });

  it('recognises validation, and train alone', async () => {
    const both = folderOf('train/a/1.png', 'train/b/1.png', 'validation/a/2.png', 'validation/b/2.png');
    assert.equal((await scanImageFolder(both)).validation?.paths.length, 2);
    const alone = await scanImageFolder(folderOf('train/a/1.png', 'train/b/1.png'));
    assert.deepEqual([alone.train.paths.length, alone.validation, alone.test], [2, undefined, undefined]);
  });

  it('takes train for a class where it holds pictures', async () => {
    const { train } = await scanImageFolder(folderOf('train/1.png', 'car/1.png', 'test/1.png'));
    assert.deepEqual(train.classNames, ['car', 'test', 'train']);
  });

  it('follows links to files and folders, once round a circle only', async () => {
    const dir = folderOf('a/1.png', 'b/1.png');
    const elsewhere = folderOf('far/2.png', '3.png');
    symlinkSync(join(elsewhere, 'far'), join(dir, 'b', 'linked'));
    symlinkSync(join(elsewhere, '3.png'), join(dir, 'b', '3.png'));
    symlinkSync(dir, join(dir, 'b', 'up'));
    symlinkSync(join(elsewhere, 'gone.png'), join(dir, 'b', 'gone.png'));
    const { train } = await scanImageFolder(dir);
    assert.deepEqual(listed(dir, train), [
      'a: a/1.png',
      'b: b/1.png',
      'b: b/3.png',
      'b: b/gone.png',
      'b: b/linked/2.png',
      'b: b/up/a/1.png',
    ]);
  });

  describe('refuses, and says why', () => {
    it('a missing folder', () => assertRefuses(join(tempFolder(), 'none'), /there is no such folder/));
    it('a file', () => assertRefuses(join(folderOf('a.png'), 'a.png'), /it is a file/));
    it('a folder without pictures, saying what is there instead', async () => {
      await assertRefuses(tempFolder(), /no pictures .* were found; expected DIR\/<class>/);
      await assertRefuses(
        folderOf('a/1.webp', 'a/2.webp', 'b/notes.txt'),
        /no pictures .*: 2 \.webp, 1 \.txt;/,
      );
    });
    it('a single class', () => assertRefuses(folderOf('cats/1.png'), /one class only, cats/));
    it('classes without pictures, naming them', async () => {
      const dir = folderOf('a/1.png', 'b/1.png', 'd/x.webp');
      mkdirSync(join(dir, 'c'));
      await assertRefuses(dir, /these classes have no pictures .*: c, d, but 1 other files: 1 \.webp/);
    });
    it('pictures outside of classes', () =>
      assertRefuses(folderOf('a/1.png', 'b/1.png', 'loose.png'), /1 pictures lie outside .*loose\.png/));
    it('splits with other classes than train, naming the differences', () =>
      assertRefuses(
        folderOf('train/a/1.png', 'train/b/1.png', 'val/a/2.png', 'val/c/2.png'),
        /val: its classes differ from those of train: it lacks b; it has c, which train does not have/,
      ));
    it('a test folder that lacks a class', () =>
      assertRefuses(folderOf('train/a/1.png', 'train/b/1.png', 'test/a/2.png'), /test: .*it lacks b/));
    it('val and validation together', () =>
      assertRefuses(
        folderOf('train/a/1.png', 'train/b/1.png', 'val/a/2.png', 'val/b/2.png', 'validation/a/2.png'),
        /both val and validation/,
      ));
    it('val without train', () =>
      assertRefuses(folderOf('val/a/2.png', 'val/b/2.png'), /there is val, but no train/));
    it('a train folder that may be a class or a split', () =>
      assertRefuses(folderOf('train/steam/1.png', 'car/1.png', 'bus/1.png'), /pictures in bus, car too/));
  });
});
