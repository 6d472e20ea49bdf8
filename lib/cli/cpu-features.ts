// The processor features on which the speed of this package depends.
// Invariant: reports only what the system says; nothing where it cannot be known.

import { readFile } from 'node:fs/promises';

/** Vector and matrix instructions, as Linux calls them on x86 and on Arm. */
const RELEVANT = /^(avx|avx2|avx_vnni|fma|avx512\w*|amx_\w+|asimd|asimddp|bf16|i8mm|sve|sve2|svebf16|sme)$/;

/** Undefined where the system does not say. */
export async function cpuFeatures(): Promise<string[] | undefined> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const [, flags] = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text) ?? [];
  return flags?.split(' ').filter((name) => RELEVANT.test(name));
}
