// A device in words.
// Invariant: says what the device says of itself, whatever that is.

import type { DeviceInfo } from '../index.js';

/** `cpu (threads 2, oneDNN 3.2.0, instructionSet AVX-512)` */
export function describeDevice({ kind, properties }: DeviceInfo): string {
  const facts = Object.entries(properties).map(([name, value]) => `${name} ${value}`);
  return facts.length === 0 ? kind : `${kind} (${facts.join(', ')})`;
}
