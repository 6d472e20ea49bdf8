// What was found, as JSON and for people.
// Invariant: a report of a simulated GPU says so before anything else, and projects nothing.
import { formatBytes, formatDuration } from '../../lib/index.js';
import type { Speed } from './benchmark.js';
import type { Check } from './checks.js';
import type { TorchReport, TorchSpeed } from './torch.js';

/** Pictures that ILSVRC-2012 trains on, and how often the paper goes over them. */
const IMAGENET_IMAGES = 1_281_167;
const EPOCHS = 90;

export interface Projection {
  readonly epochs: number;
  readonly images: number;
  readonly precision: Speed['precision'];
  readonly batchSize: number;
  readonly imagesPerSecond: number;
  readonly hours: number;
}

export interface Report {
  readonly date: string;
  /** No card: what was run is the backend on a simulated GPU. */
  readonly simulated: boolean;
  readonly device: Readonly<Record<string, string>>;
  readonly node: string;
  readonly checks: readonly Check[];
  readonly speed: readonly Speed[];
  readonly torch: TorchReport;
  readonly projection: readonly Projection[] | null;
}

/** How long the paper's training would take if pictures came as fast as the card takes them. */
export function projectEpochs(speed: readonly Speed[]): Projection[] {
  return speed
    .filter(
      ({ task, batchSize, imagesPerSecond }) => task === 'train' && batchSize === 128 && imagesPerSecond,
    )
    .map(({ precision, batchSize, imagesPerSecond }) => ({
      epochs: EPOCHS,
      images: IMAGENET_IMAGES,
      precision,
      batchSize,
      imagesPerSecond: imagesPerSecond!,
      hours: (EPOCHS * IMAGENET_IMAGES) / imagesPerSecond! / 3600,
    }));
}

function rate(speed: Speed | undefined): string {
  if (!speed) return '';
  return speed.imagesPerSecond === null ? '-' : Math.round(speed.imagesPerSecond).toLocaleString('en');
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function speedTable({ speed, torch }: Report): string {
  const peer = (of: Speed, compiled: boolean) =>
    torch.speed.find(
      (other: TorchSpeed) =>
        other.task === of.task &&
        other.precision === of.precision &&
        other.batchSize === of.batchSize &&
        other.compiled === compiled,
    );
  return table(
    ['task', 'precision', 'batch', 'images/s', 'peak memory', 'PyTorch eager', 'PyTorch compiled'],
    speed.map((of) => [
      of.task,
      of.precision,
      `${of.batchSize}`,
      rate(of),
      formatBytes(of.peakBytes),
      rate(peer(of, false)),
      rate(peer(of, true)),
    ]),
  );
}

function projectionText({ projection }: Report): string {
  if (!projection) return 'Not from a simulation.';
  const rows = projection.map(({ precision, imagesPerSecond, hours }) => [
    precision,
    Math.round(imagesPerSecond).toLocaleString('en'),
    formatDuration(hours * 3_600_000),
  ]);
  return (
    `${EPOCHS} epochs over ${IMAGENET_IMAGES.toLocaleString('en')} pictures at batch 128, if they are read that fast:\n\n` +
    table(['precision', 'images/s', 'time'], rows)
  );
}

export function markdown(report: Report): string {
  const { simulated, device, node, checks, speed, torch, date } = report;
  const failures = speed.filter(({ reason }) => reason !== undefined);
  return [
    '# The cuda device, verified',
    ...(simulated
      ? [
          '**SIMULATION: there is no card here. Call order and arithmetic were checked; speeds mean nothing.**',
        ]
      : []),
    `${date}, Node ${node}.`,
    table(['property', 'value'], Object.entries(device)),
    '## Checks',
    ...checks.map(({ name, passed, detail }) => `- ${passed ? 'passed' : 'FAILED'}: ${name}. ${detail}`),
    '## Speed',
    `Images a second, ${simulated ? 'of the simulation' : 'of this card'}. PyTorch: ${torch.version ?? 'none'}${torch.reason === undefined ? '' : ` (${torch.reason})`}.`,
    speedTable(report),
    ...failures.map(
      ({ task, precision, batchSize, reason }) => `- ${task}, ${precision}, ${batchSize}: ${reason}`,
    ),
    '## Training as in the paper',
    projectionText(report),
    '',
  ].join('\n\n');
}
