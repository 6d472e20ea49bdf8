// Checksums of the pages in which LMDB keeps its tree: it trusts them, and a flipped bit there would end the process.
// Invariant: they are compared before LMDB sees the file; pixels are not among them, they have checksums of their own.

import { closeSync, openSync, readSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { FileFormatError } from '../../errors.js';
import { writeFileAtomically } from '../../io/atomic-file.js';
import { currentMetaPage, META_FIELDS } from './database.js';
import { ANEW, copyOf, dataFile, seal, unseal } from './layout.js';

/** One entry a page: its number, and its checksum; sealed. */
const pagesFile = (folder: string): string => join(folder, 'data.pages');

/** Page header, node and database record of lib/lmdb/mdb.c: where their fields are. */
const PAGE = { flags: 18, lower: 20, nodes: 24 } as const;
const NODE = { pageLow: 0, pageMiddle: 2, flags: 4, pageHigh: 4, keyBytes: 6, key: 8 } as const;
const DATABASE = { branchPages: 8, leafPages: 16, root: 40, end: 48 } as const;
const BRANCH_PAGE = 1;
const LEAF_PAGE = 2;
const SUB_DATABASE = 2;
/** Root of a database without entries. */
const NO_PAGE = 2n ** 64n - 1n;

/**
 * Notes the checksums of a finished store's tree.
 * @throws FileWriteError; FileFormatError if the file is damaged
 */
export async function sealTree(folder: string): Promise<void> {
  const sums = withFile(folder, (file) => {
    const { pages, pageSize } = treePages(folder, file);
    return pages.flatMap((page) => [page, crc32(readPage(file, page, pageSize))]);
  });
  const sealed = seal(new Uint8Array(Uint32Array.from(sums).buffer));
  await writeFileAtomically(pagesFile(folder), [sealed], { byteLength: sealed.length });
}

/** Whether there are checksums. */
export async function isTreeSealed(folder: string): Promise<boolean> {
  return stat(pagesFile(folder)).then(
    () => true,
    () => false,
  );
}

/**
 * Compares the tree of a store with its checksums: a page of 4 KiB for some 170 pictures is read.
 * @throws FileFormatError if it is damaged, or the checksums are missing
 */
export async function checkTree(folder: string): Promise<void> {
  const path = pagesFile(folder);
  const sealed = await readFile(path).catch((cause: Error) => {
    throw new FileFormatError(path, `it cannot be read (${cause.message}). ${ANEW}`, { cause });
  });
  const payload = unseal(sealed);
  if (!payload || payload.length % 8 !== 0) {
    throw new FileFormatError(path, `it does not match its checksum. ${ANEW}`);
  }
  const sums = new Uint32Array(copyOf(payload));
  withFile(folder, (file) => {
    const { pageSize } = currentMetaPage(folder, file);
    for (let i = 0; i < sums.length; i += 2) {
      if (crc32(readPage(file, sums[i]!, pageSize)) !== sums[i + 1]) throw damaged(folder, sums[i]!);
    }
  });
}

function damaged(folder: string, page: number): FileFormatError {
  return new FileFormatError(
    dataFile(folder),
    `the store is damaged: page ${page}, of its index, does not match its checksum. Check the disk. ${ANEW}`,
  );
}

function withFile<T>(folder: string, use: (file: number) => T): T {
  const file = openSync(dataFile(folder), 'r');
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

function readPage(file: number, page: number, pageSize: number): Buffer {
  const bytes = Buffer.alloc(pageSize);
  readSync(file, bytes, 0, pageSize, page * pageSize);
  return bytes;
}

/** Numbers of the two meta pages, and of all branches and leaves, those of the databases inside included. */
function treePages(folder: string, file: number): { pages: number[]; pageSize: number } {
  const { meta, pageSize } = currentMetaPage(folder, file);
  const pages = [0, 1];
  const walkDatabase = (database: DataView): void => {
    const root = database.getBigUint64(DATABASE.root, true);
    const [before, inside]: [number, DataView[]] = [pages.length, []];
    if (root !== NO_PAGE) walkPage(Number(root), inside);
    const counted =
      database.getBigUint64(DATABASE.branchPages, true) + database.getBigUint64(DATABASE.leafPages, true);
    if (BigInt(pages.length - before) !== counted) throw damaged(folder, Number(root));
    inside.forEach(walkDatabase);
  };
  const walkPage = (number: number, inside: DataView[]): void => {
    pages.push(number);
    const bytes = readPage(file, number, pageSize);
    const page = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const flags = page.getUint16(PAGE.flags, true);
    if ((flags & (BRANCH_PAGE | LEAF_PAGE)) === 0) throw damaged(folder, number);
    for (const node of nodesOf(page)) {
      if (flags & BRANCH_PAGE) walkPage(childOf(node), inside);
      else if (node.getUint16(NODE.flags, true) & SUB_DATABASE) inside.push(databaseIn(node));
    }
  };
  for (const at of [META_FIELDS.freeDatabase, META_FIELDS.mainDatabase]) {
    walkDatabase(new DataView(meta.buffer, meta.byteOffset + at));
  }
  return { pages, pageSize };
}

/** Offsets of nodes stand behind the header, and count from there. */
function nodesOf(page: DataView): DataView[] {
  const count = page.getUint16(PAGE.lower, true) / 2;
  return Array.from({ length: count }, (_, i) => {
    const at = PAGE.nodes + page.getUint16(PAGE.nodes + 2 * i, true);
    return new DataView(page.buffer, page.byteOffset + at, page.byteLength - at);
  });
}

function childOf(branch: DataView): number {
  const low = branch.getUint16(NODE.pageLow, true) + branch.getUint16(NODE.pageMiddle, true) * 2 ** 16;
  return low + branch.getUint16(NODE.pageHigh, true) * 2 ** 32;
}

function databaseIn(leaf: DataView): DataView {
  const at = leaf.byteOffset + NODE.key + leaf.getUint16(NODE.keyBytes, true);
  return new DataView(leaf.buffer, at, DATABASE.end);
}
