// Runs something several times under the device's profile.
// Invariant: what warms up is not recorded; a profile that was begun is ended, whatever happens.
import { ArgumentError } from '../errors.js';
import type { Device, OpRecords } from '../tensor/device.js';

/** @throws ArgumentError that names the first option that is no positive integer */
export function checkCounts(caller: string, counts: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(counts)) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new ArgumentError(`${caller}: ${name} must be a positive integer, got ${value}.`);
  }
}

export interface Measurement {
  /** Of a run, from its call to its end: the median. */
  readonly medianMs: number;
  readonly records: OpRecords;
}

/**
 * @param run  is given its number, from 1 on, and ends when the device has done it
 * @throws ArgumentError while the device is being profiled
 */
export async function measureRuns(
  device: Device,
  run: (step: number) => Promise<unknown>,
  { steps, warmUpSteps }: { readonly steps: number; readonly warmUpSteps: number },
): Promise<Measurement> {
  const timed = async (step: number): Promise<number> => {
    const began = performance.now();
    await run(step);
    return performance.now() - began;
  };
  for (let step = 1; step <= warmUpSteps; step++) await timed(step);
  const times: number[] = [];
  device.startProfile();
  let records: OpRecords;
  try {
    for (let step = 1; step <= steps; step++) times.push(await timed(warmUpSteps + step));
  } finally {
    records = await device.stopProfile();
  }
  return { medianMs: median(times), records };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return ((sorted[(sorted.length - 1) >> 1] ?? NaN) + (sorted[sorted.length >> 1] ?? NaN)) / 2;
}
