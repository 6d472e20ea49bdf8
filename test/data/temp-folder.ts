// Temporary folders for tests.
// Invariant: every folder made here is gone when its test file has run.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'mocha';

const made: string[] = [];

/** A new empty folder; call it within a test or a hook. */
export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-test-'));
  made.push(folder);
  return folder;
}

/** A new folder with the given files: relative path -> contents. */
export function tempFiles(files: Readonly<Record<string, Uint8Array | string>>): string {
  const folder = tempFolder();
  for (const [path, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), contents);
  }
  return folder;
}

after(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
});
