// Pieces that both reports are made of.
// Invariant: pure functions of results.
import type { RunResult } from './results.js';

export function percent(fraction: number | undefined): string {
  return fraction === undefined ? '' : `${(fraction * 100).toFixed(2)} %`;
}

/** Columns are padded as Prettier pads them. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Between how many threads, on what, when. */
export function machines(results: readonly RunResult[]): string {
  const dates = results.map(({ date }) => date.slice(0, 10)).sort();
  const [first, last] = [dates[0], dates.at(-1)];
  const texts = results.map(
    ({ machine: { cpu, threads, instructionSet, oneDnn, node } }) =>
      `${cpu}, ${threads} thread(s), ${instructionSet}, oneDNN ${oneDnn}, Node.js ${node}`,
  );
  const when = first === last ? `${first}` : `${first} to ${last}`;
  return `Trained on: ${[...new Set(texts)].join('; ')}; ${when}.`;
}

/** Seconds of an epoch: the machine may have been shared, so the fastest tells most. */
export function fastestEpoch(results: readonly RunResult[]): number {
  return Math.min(...results.flatMap(({ epochs }) => epochs.map(({ seconds }) => seconds)));
}
