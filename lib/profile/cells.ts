// Numbers of a profile as text.
// Invariant: nothing to say is an empty cell, never a zero.
import { formatBytes, formatCount } from '../format.js';

/** Three digits, of layers that take microseconds too. */
export function time(ms: number): string {
  return ms < 0.0005 ? '' : ms.toFixed(ms < 0.1 ? 3 : ms < 10 ? 2 : 1);
}

export function share(ms: number, of: number): string {
  return ms < 0.0005 ? '' : `${((100 * ms) / of).toFixed(1)} %`;
}

export function millions(count: number): string {
  return count > 0 ? formatCount(count / 1e6) : '';
}

/** Thousands of millions a second. A multiply-accumulate is two operations. */
export function gigaOperations(macs: number, ms: number): string {
  return macs > 0 && ms > 0 ? formatCount((2 * macs) / ms / 1e6) : '';
}

export function gigabytes(bytes: number, ms: number): string {
  return bytes > 0 && ms > 0 ? (bytes / ms / 1e6).toFixed(1) : '';
}

export function memory(bytes: number): string {
  return bytes === 0 ? '' : formatBytes(bytes);
}

export function pictures(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'picture' : 'pictures'}`;
}
