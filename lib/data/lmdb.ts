// Loads LMDB where there is a store or a cache of pictures, and not before.
// Invariant: without either the package works also where LMDB's binary, which asks for a newer system, does not load.

import { createRequire } from 'node:module';
import { AddonError } from '../errors.js';

/** @throws AddonError if its binary does not load here */
export function loadLmdb(): typeof import('lmdb') {
  try {
    return createRequire(import.meta.url)('lmdb') as typeof import('lmdb');
  } catch (cause) {
    const reason = (cause as Error).message.split('\n', 1)[0];
    throw new AddonError(
      `Stores and caches of pictures need the package lmdb, which does not load here: ${reason}\n` +
        'What to do: train from the folder of pictures, without a store or cache; or use a system with the libstdc++ of GCC 11 ' +
        '(Debian 12, Ubuntu 22.04, RHEL 9 or later).',
      { cause },
    );
  }
}
