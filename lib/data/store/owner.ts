// Which process writes a store. The claim stands in the store itself, and is taken in one of its transactions.
// Invariant: a claim whose process has ended binds nobody; one whose process lives is never taken away.

import { readFileSync } from 'node:fs';

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
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const started = startOf(owner.pid);
  return started === undefined || owner.started === '' || started === owner.started;
}

/** Boot and time since the boot at which a process started; Linux only. */
function startOf(pid: number): string | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything; the start is field 22, the 20th after it.
    const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    return start === undefined ? undefined : `${boot} ${start}`;
  } catch {
    return undefined;
  }
}
