// What tells a process from every other one, here and on other machines, and whether it still runs.
// Invariant: 'running' and 'ended' are certain where the system says when a process started; what cannot be seen from here is 'unknown'.
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Boot of the system, and time from it to the start of the process; '' where the system does not say. */
  readonly started: string;
  /** In which the pid counts: a container has one of its own. '' where the system does not say. */
  readonly namespace: string;
}

export function currentProcess(): ProcessIdentity {
  return {
    pid: process.pid,
    host: hostname(),
    started: startOf(process.pid) ?? '',
    namespace: pidNamespace(),
  };
}

/** Of a process of this or of another machine. */
export function livenessOf(other: ProcessIdentity): 'running' | 'ended' | 'unknown' {
  const own = currentProcess();
  const isNear =
    own.started !== '' && own.namespace !== ''
      ? bootOf(own) === bootOf(other) && own.namespace === other.namespace
      : own.host === other.host;
  if (!isNear) return 'unknown';
  return isRunning(other) ? 'running' : 'ended';
}

/** Whether a process of this machine runs. Where the system does not say when it started, a later one with its pid counts too. */
export function isRunning({ pid, started }: Pick<ProcessIdentity, 'pid' | 'started'>): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const found = statOf(pid);
  if (!found) return true;
  // A process that was killed stays in the table until its parent looks.
  return !'ZX'.includes(found.state) && (started === '' || started === found.started);
}

/** Boot and time since the boot at which a process started; Linux only. */
export function startOf(pid: number): string | undefined {
  return statOf(pid)?.started;
}

function statOf(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything; the state is the field after it, the start the 20th.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state = '', start] = [fields[0], fields[19]];
    return start === undefined ? undefined : { state, started: `${boot} ${start}` };
  } catch {
    return undefined;
  }
}

function bootOf({ started }: ProcessIdentity): string {
  return started.slice(0, started.lastIndexOf(' '));
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}
