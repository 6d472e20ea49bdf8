// AbortSignals as errors of this package.
// Invariant: the signal's own reason is kept as the error's cause.

import { AbortedError } from '../errors.js';

/** The error for work that an aborted signal stops. */
export function abortedBy(signal: AbortSignal, what: string): AbortedError {
  return new AbortedError(`${what} was aborted`, { cause: signal.reason });
}

/** @throws AbortedError if the signal is aborted */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortedBy(signal, what);
}
