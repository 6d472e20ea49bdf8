// Trainings of the smallest network on made-up pictures, and what they leave behind.
// Invariant: a folder that is made here is gone when its test file has run.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSafetensors } from '../../lib/io/safetensors.js';
import type { RunState } from '../../lib/report/index.js';
import { tempFiles } from '../data/temp-folder.js';
import { alexnet, colourPictures, SMALL, type Outcome } from './run-cli.js';

/** SHA-256 of each tensor of a file, by its name. */
export async function tensorsOf(path: string): Promise<Map<string, string>> {
  await using file = await openSafetensors(path);
  const tensors = new Map<string, string>();
  for (const { name } of file.entries) {
    // It is of the whole file, in which times stand.
    if (name === 'checkpoint.sha256') continue;
    tensors.set(
      name,
      createHash('sha256')
        .update(await file.read(name))
        .digest('hex'),
    );
  }
  return tensors;
}

/** In a folder with pictures/, the training's folder is `run`. */
export function trainIn(cwd: string, ...more: readonly string[]): Promise<Outcome> {
  return alexnet(['train', 'pictures', ...SMALL, ...more], { cwd });
}

export function withPictures(
  perClass: number,
  more: Readonly<Record<string, Uint8Array | string>> = {},
): string {
  const pictures = { ...colourPictures(perClass), ...more };
  return tempFiles(
    Object.fromEntries(Object.entries(pictures).map(([path, data]) => [`pictures/${path}`, data])),
  );
}

/** What the report in a run's folder shows. */
export function reportOf(run: string): Promise<RunState> {
  return stateOf(join(run, 'report.html'));
}

export async function stateOf(page: string): Promise<RunState> {
  const html = await readFile(page, 'utf8');
  return JSON.parse(/<script type="application\/json" id="state">([^<]*)</.exec(html)?.[1] ?? '') as RunState;
}
