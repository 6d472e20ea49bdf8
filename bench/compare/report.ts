// What was measured, as JSON, as a readable page and as a picture.
// Invariant: every figure of the page is computed from the JSON's measurements; medians are quoted, never single calls.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Ceilings, Floor } from './floors.js';
import { CONFIGURATIONS, INT8 } from './peers.js';
import { plotPanels, type Panel } from './plot.js';

/** A measurement: a process that was asked for one thing. */
export interface Measured {
  readonly name: string;
  readonly round: number;
  readonly task: 'train' | 'infer';
  readonly batchSize: number;
  readonly timesMs?: readonly number[];
  readonly peakResidentMiB?: number;
  /** From the start of the process to the end of its first call. */
  readonly toFirstMs?: number;
  readonly longestDelayMs?: number;
  /** Of a training step, by layer. */
  readonly layersMs?: Readonly<Record<string, number>>;
  readonly cannot?: string;
}

/** What a peer made of the weights and the pictures that all were given. */
export interface Check {
  readonly name: string;
  readonly pictures: number;
  readonly expected: number;
  readonly loss?: number;
  readonly versions?: Readonly<Record<string, string>>;
  readonly cannot?: string;
}

export interface Comparison {
  readonly date: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly ceilings: Ceilings;
  readonly floors: { readonly float32: readonly Floor[]; readonly bfloat16?: readonly Floor[] };
  readonly checks: readonly Check[];
  readonly sizesMiB: Readonly<Record<string, number>>;
  readonly measured: readonly Measured[];
}

/** Writes compare.json, compare.md and compare.svg. @returns where they are */
export async function writeReport(comparison: Comparison, folder: string): Promise<string> {
  const json = path.join(folder, 'compare.json');
  const page = path.join(folder, 'compare.md');
  await writeFile(json, `${JSON.stringify(comparison, null, 1)}\n`);
  await writeFile(page, `${summarise(comparison)}\n`);
  const picture = path.join(folder, 'compare.svg');
  await writeFile(picture, `${plotPanels(measuresOf(comparison).map((one) => panelOf(comparison, one)))}\n`);
  return `${json}, ${page}, ${picture}`;
}

export function summarise(comparison: Comparison): string {
  const { date, machine, checks, sizesMiB } = comparison;
  const versions = Object.assign({}, ...checks.map((check) => check.versions)) as Record<string, string>;
  const list = (values: Readonly<Record<string, string | number>>) =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value}`)
      .join(', ');
  return [
    `# AlexNet on a CPU, ${date}`,
    `${list(machine)}. Versions: ${list(versions)}. Medians of all rounds; "ratio" is a configuration's time by ours in ` +
      'the same precision, the median of the rounds. Repeat it with `npm run bench:compare`.',
    ...measuresOf(comparison).map((measure) => measureSection(comparison, measure)),
    floorSection(comparison),
    checkSection(checks),
    `## Size of an installation\n\n${table(
      ['package', 'MiB'],
      Object.entries(sizesMiB).map(([name, size]) => [name, String(size)]),
    )}`,
  ].join('\n\n');
}

interface Measure {
  readonly task: 'train' | 'infer';
  readonly batchSize: number;
}

function measuresOf({ measured }: Comparison): Measure[] {
  const keys = new Set(measured.map(({ task, batchSize }) => `${task}:${batchSize}`));
  return [...keys].map((key) => {
    const [task, batch] = key.split(':');
    return { task: task as 'train' | 'infer', batchSize: Number(batch) };
  });
}

function measureSection(comparison: Comparison, measure: Measure): string {
  const { batchSize } = measure;
  const all = measurementsOf(comparison, measure);
  const names = [...new Set(all.map(({ name }) => name))];
  const rows = names.map((name) => {
    const own = all.filter((one) => one.name === name);
    const failure = own.find(({ cannot }) => cannot !== undefined)?.cannot;
    if (failure !== undefined) return [name, `cannot: ${failure}`, '', '', '', '', ''];
    const time = median(own.map(medianTime));
    return [
      name,
      time.toFixed(1),
      ((batchSize / time) * 1000).toFixed(1),
      ratioOf(all, name)?.toFixed(2) ?? '',
      median(own.map(({ peakResidentMiB = NaN }) => peakResidentMiB)).toFixed(0),
      (median(own.map(({ toFirstMs = NaN }) => toFirstMs)) / 1000).toFixed(1),
      delayOf(own),
    ];
  });
  const head = [
    'configuration',
    'ms',
    'images/s',
    'ratio',
    'peak MiB',
    'start to first, s',
    'longest delay, ms',
  ];
  return `## ${titleOf(measure)}\n\n${table(head, rows)}`;
}

function panelOf(comparison: Comparison, measure: Measure): Panel {
  const all = measurementsOf(comparison, measure).filter(({ timesMs }) => timesMs);
  const names = [...new Set(all.map(({ name }) => name))];
  const bars = names.map((name) => {
    const time = median(all.filter((one) => one.name === name).map(medianTime));
    return { name, imagesPerSecond: (measure.batchSize / time) * 1000, ours: name.startsWith('alexnet') };
  });
  return { title: `${titleOf(measure)}: images a second`, bars };
}

function measurementsOf({ measured }: Comparison, { task, batchSize }: Measure): Measured[] {
  return measured.filter((one) => one.task === task && one.batchSize === batchSize);
}

function titleOf({ task, batchSize }: Measure): string {
  return `${task === 'train' ? 'A training step' : 'Inference'}, batch ${batchSize}`;
}

/** Its time by ours of the same round, in the same precision where we have it. */
function ratioOf(all: readonly Measured[], name: string): number | undefined {
  const ours = oursFor(all, name);
  if (name === ours || name === INT8) return undefined;
  const ratios = all
    .filter((one) => one.name === name)
    .flatMap((one) => {
      const own = all.find((other) => other.name === ours && other.round === one.round);
      return own?.timesMs ? [medianTime(one) / medianTime(own)] : [];
    });
  return ratios.length === 0 ? undefined : median(ratios);
}

function oursFor(all: readonly Measured[], name: string): string {
  const bfloat16 = all.some((one) => one.name === 'alexnet, bfloat16' && one.timesMs);
  const wanted = CONFIGURATIONS.find((configuration) => configuration.name === name);
  return bfloat16 && (wanted?.options['bf16'] || name === 'alexnet, bfloat16')
    ? 'alexnet, bfloat16'
    : 'alexnet, float32';
}

function delayOf(own: readonly Measured[]): string {
  const delays = own.flatMap(({ longestDelayMs }) => longestDelayMs ?? []);
  return delays.length === 0 ? '' : Math.max(...delays).toFixed(0);
}

/** The floors of a step at batch 128, and how near we come. */
function floorSection({ ceilings, floors, measured }: Comparison): string {
  const { float32GFlops, bfloat16GFlops, copyGBps } = ceilings;
  const lines = Object.entries(floors).map(([precision, list]) => {
    const floor = list.reduce((sum, { floorMs }) => sum + floorMs, 0);
    const own = measured.filter(
      (one) =>
        one.name === `alexnet, ${precision}` && one.task === 'train' && one.batchSize === 128 && one.timesMs,
    );
    const isMeasured = own.length > 0;
    const reached = isMeasured
      ? `; we take ${(median(own.map(medianTime)) / floor).toFixed(2)} times that`
      : '';
    const rows = list.map(({ layer, arithmeticMs, bytesMs, floorMs }) => {
      const cells = [arithmeticMs, bytesMs, floorMs].map((value) => value.toFixed(1));
      if (!isMeasured) return [layer, ...cells];
      const measuredMs = median(own.map(({ layersMs }) => layersMs?.[layer] ?? NaN));
      return [layer, ...cells, measuredMs.toFixed(1), (measuredMs / floorMs).toFixed(2)];
    });
    const head = ['layer', 'arithmetic, ms', 'bytes, ms', 'floor, ms'];
    if (isMeasured) head.push('measured, ms', 'times the floor');
    return `${precision}: ${floor.toFixed(0)} ms${reached}.\n\n${table(head, rows)}`;
  });
  return [
    '## The floor of a training step, batch 128',
    `Largest matrix product: ${float32GFlops} GFLOP/s in float32, ${bfloat16GFlops || 'none'} in bfloat16; copy: ` +
      `${copyGBps} GB/s, read and written. A layer's floor is its arithmetic at the one or its bytes at the other, ` +
      'whichever takes longer. The arithmetic is that of the definition: convolutions by Winograd do with a third of it, ' +
      'and so can be below.',
    ...lines,
  ].join('\n\n');
}

function checkSection(checks: readonly Check[]): string {
  const rows = checks.map(({ name, pictures, expected, loss, cannot }) => [
    ...[name, String(pictures), expected.toFixed(6), cannot ?? (loss as number).toFixed(6)],
  ]);
  return (
    '## The same work\n\nMean cross-entropy of the same pictures with the same weights, without dropout, beside what ' +
    'convolutions as they are defined give. What int8 costs in accuracy on photographs is in ' +
    '[Where the time goes](../../docs/performance.md#8-bit-integers).\n\n' +
    table(['configuration', 'pictures', 'expected', 'loss'], rows)
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

function medianTime({ timesMs = [] }: Measured): number {
  return median(timesMs);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return Number.isInteger(middle) ? (upper + (sorted[middle - 1] ?? NaN)) / 2 : upper;
}
