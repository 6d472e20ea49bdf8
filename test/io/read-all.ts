// Whole safetensors files.
// Invariant: the file is closed when its tensors are there.

import { openSafetensors } from '../../lib/io/safetensors.js';

/** Of each tensor, by its name: type, shape and values. */
export async function readAll(file: string): Promise<Record<string, unknown>> {
  await using opened = await openSafetensors(file);
  const all: Record<string, unknown> = {};
  for (const { name, dtype, shape } of opened.entries) {
    all[name] = { dtype, shape, data: await opened.read(name) };
  }
  return all;
}
