// A profile as a Chrome trace: what chrome://tracing, Perfetto and speedscope open.
// Invariant: plain data; events are in the order of the device's queue, times in microseconds.
import type { OpRecords } from '../tensor/device.js';

/** An event of the Trace Event Format: `X` has a duration, `i` is a moment, `C` a counter, `M` names a track. */
export interface ChromeTraceEvent {
  readonly name: string;
  readonly cat: string;
  readonly ph: 'X' | 'i' | 'C' | 'M';
  /** Microseconds. */
  readonly ts: number;
  /** Microseconds. */
  readonly dur?: number;
  readonly pid: number;
  readonly tid: number;
  readonly s?: 't';
  readonly args: Readonly<Record<string, string | number>>;
}

export interface ChromeTrace {
  readonly traceEvents: readonly ChromeTraceEvent[];
  readonly displayTimeUnit: 'ms';
}

/**
 * The records of `device.stopProfile()`, ready for JSON.stringify: an event an operation, named after its layer, an
 * instant for each mark, and a counter of the memory by which use has grown since the profile began.
 */
export function chromeTrace(records: OpRecords, options: { readonly device: string }): ChromeTrace {
  const track = { pid: 1, tid: 1 };
  const naming = (name: string, value: string): ChromeTraceEvent => ({
    name,
    cat: '__metadata',
    ph: 'M',
    ts: 0,
    ...track,
    args: { name: value },
  });
  let memory = 0;
  const events = records.entries.flatMap((record): ChromeTraceEvent[] => {
    const { op, label, keptBytes, scratchBytes } = record;
    const ts = record.startMs * 1000;
    if (op === 'mark') return [{ name: label, cat: 'mark', ph: 'i', ts, ...track, s: 't', args: {} }];
    const dur = record.durationMs * 1000;
    memory += keptBytes;
    const name = label === '' || label === op ? op : `${label} ${op}`;
    return [
      { name, cat: op, ph: 'X', ts, dur, ...track, args: { op, label, keptBytes, scratchBytes } },
      { name: 'memory', cat: 'memory', ph: 'C', ts: ts + dur, ...track, args: { grownBytes: memory } },
    ];
  });
  return {
    traceEvents: [naming('process_name', 'alexnet'), naming('thread_name', options.device), ...events],
    displayTimeUnit: 'ms',
  };
}
