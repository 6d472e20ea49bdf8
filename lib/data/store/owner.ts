// Which process writes a store. The claim stands in the store itself, and is taken in one of its transactions.
// Invariant: a claim whose process has ended binds nobody; one whose process lives is never taken away.

import { isRunning, startOf } from '../../io/process-identity.js';

/** A process that writes a store. */
export interface Owner {
  readonly pid: number;
  /** What tells the process from a later one with the same pid, where the system says. */
  readonly started: string;
  /** Names one opening of the store. */
  readonly token: string;
}

/** @param token  unique, of the caller's choice */
export function thisProcess(token: string): Owner {
  return { pid: process.pid, started: startOf(process.pid) ?? '', token };
}

/** @param ownTokens  openings of this process that have not ended */
export function isAlive(owner: Owner, ownTokens: readonly string[]): boolean {
  if (owner.pid === process.pid) return ownTokens.includes(owner.token);
  return isRunning(owner);
}
