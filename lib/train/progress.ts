// Shows training events to a person: one live line on a terminal, plain lines now and then in a log.
// Invariant: displaying never fails training; nothing is written after close(); a live line never wraps.

import { formatBytes, formatCount, formatDuration, formatPercent, formatRate } from '../format.js';
import type {
  DoneEvent,
  EpochEvent,
  LearningRateEvent,
  Metrics,
  PreparingEvent,
  ResumedEvent,
  SavedEvent,
  StepEvent,
  TrainingEvent,
  ValidationProgressEvent,
} from './events.js';

/** Where progress goes: `process.stderr`, or any writable stream. */
export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

export interface ProgressOptions {
  /** Default `process.stderr`, so that results on stdout can be piped. */
  readonly stream?: ProgressStream;
  /** Decides colour (NO_COLOR), the kind of terminal (TERM) and of characters (LC_ALL, LC_CTYPE, LANG); default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Shortest time between two redraws of the live line; default 100 ms. */
  readonly redrawMs?: number;
  /** Shortest time between two lines on running steps where there is no terminal; default 10 s. */
  readonly plainIntervalMs?: number;
  /** A clock in milliseconds; default `performance.now`. */
  readonly now?: () => number;
}

export interface Progress {
  /** Takes any training event. Loss and accuracies of steps are shown as means over about the last 20. */
  handle(event: TrainingEvent): void;
  /** Ends the live line, leaving it readable, and lets go of the stream. May be called twice. */
  close(): void;
}

/** Steps that the displayed loss, accuracies and waiting time are averaged over: single batches jump too much to read. */
const SMOOTHING_STEPS = 20;
/** Waiting for data is worth a place in the line from this share of a step's time. */
const NOTABLE_WAIT = 0.1;
const BAR_CELLS = 24;
const MIN_BAR_CELLS = 4;
/** Facts of this rank and above give way to the bar; it gives way to the others, as the counter beside it says the same. */
const BAR_RANK = 5;

/**
 * Makes a display for training events.
 * On a terminal: one line that is redrawn in place, fitted to the terminal's width, above it a permanent line for
 * every epoch, learning-rate drop and warning. Elsewhere (a file, a pipe, TERM=dumb): the permanent lines, and the
 * state of training every 10 seconds. Colours appear on terminals only, and not under NO_COLOR.
 *
 * ```ts
 * const progress = createProgress();
 * try {
 *   for await (const event of training) progress.handle(event);
 * } finally {
 *   progress.close();
 * }
 * ```
 */
export function createProgress(options: ProgressOptions = {}): Progress {
  return new Display(options);
}

/** What a line is made with: characters and colours that the terminal has. */
interface Style {
  readonly full: string;
  readonly empty: string;
  readonly ellipsis: string;
  readonly arrow: string;
  readonly bold: Paint;
  readonly dim: Paint;
  readonly good: Paint;
  readonly warn: Paint;
}
type Paint = (text: string) => string;

class Display implements Progress {
  readonly #stream: ProgressStream;
  readonly #style: Style;
  readonly #live: boolean;
  readonly #intervalMs: number;
  readonly #now: () => number;
  readonly #recent = new RecentSteps();
  readonly #saved = new Map<SavedEvent['kind'], SavedEvent>();
  readonly #onError = (): void => {
    this.#closed = true;
  };
  #lastDrawMs = -Infinity;
  #lastType: TrainingEvent['type'] | undefined;
  #lineOpen = false;
  #closed = false;

  constructor(options: ProgressOptions) {
    const env = options.env ?? process.env;
    this.#stream = options.stream ?? process.stderr;
    this.#live = this.#stream.isTTY === true && env['TERM'] !== 'dumb';
    this.#style = makeStyle({ colour: this.#live && !env['NO_COLOR'], unicode: hasUnicode(env) });
    this.#intervalMs = this.#live ? (options.redrawMs ?? 100) : (options.plainIntervalMs ?? 10_000);
    this.#now = options.now ?? (() => performance.now());
    // A reader that went away (`alexnet train 2>&1 | head`) must not end hours of training.
    this.#stream.on('error', this.#onError);
  }

  handle(event: TrainingEvent): void {
    switch (event.type) {
      case 'step':
        this.#recent.add(event);
        return this.#showState(event.type, () => stepParts(event, this.#recent, this.#style));
      case 'preparing':
        return this.#showState(event.type, () => preparingParts(event));
      case 'validation-progress':
        return this.#showState(event.type, () => validationParts(event));
      case 'validation':
      case 'layers':
        return;
      case 'epoch':
        return this.#print(epochLine(event, this.#style));
      case 'learning-rate':
        return this.#print(learningRateLine(event, this.#style));
      case 'resumed':
        return this.#print(resumedLine(event, this.#style));
      case 'checkpoint':
        return;
      case 'saved':
        this.#saved.set(event.kind, event);
        return;
      case 'warning':
        return this.#print(`${this.#style.warn('warning:')} ${printable(event.message)}`);
      case 'done':
        this.#print(doneLine(event, this.#style));
        for (const saved of this.#saved.values()) this.#print(savedLine(saved));
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#lineOpen) this.#stream.write('\n');
    // A failure of the last write is reported after this returns.
    setImmediate(() => this.#stream.off('error', this.#onError));
  }

  #showState(type: TrainingEvent['type'], parts: () => LineParts): void {
    const now = this.#now();
    const isNew = this.#live && type !== this.#lastType;
    if (this.#closed || (now - this.#lastDrawMs < this.#intervalMs && !isNew)) return;
    this.#lastDrawMs = now;
    this.#lastType = type;
    if (!this.#live) {
      this.#stream.write(`${plainLine(parts())}\n`);
      return;
    }
    // The last column stays free: some terminals wrap as soon as it is filled.
    const width = (this.#stream.columns || 80) - 1;
    this.#stream.write(`\r${fitLine(parts(), width, this.#style)}\x1b[K`);
    this.#lineOpen = true;
  }

  #print(line: string): void {
    if (this.#closed) return;
    this.#stream.write(this.#lineOpen ? `\r\x1b[K${line}\n` : `${line}\n`);
    this.#lineOpen = false;
    this.#lastType = undefined;
  }
}

/** Means over about the last {@link SMOOTHING_STEPS} steps; plain means while there are fewer. */
class RecentSteps {
  #count = 0;
  loss = 0;
  top1 = 0;
  top5 = 0;
  /** Share of the time that steps waited for data, 0..1. */
  waiting = 0;

  add(event: StepEvent): void {
    this.#count = Math.min(this.#count + 1, SMOOTHING_STEPS);
    const stepMs = (event.batchSize / event.imagesPerSecond) * 1000;
    this.loss = this.#mean(this.loss, event.loss);
    this.top1 = this.#mean(this.top1, event.top1);
    this.top5 = this.#mean(this.top5, event.top5);
    this.waiting = this.#mean(this.waiting, stepMs > 0 ? Math.min(event.dataWaitMs / stepMs, 1) : 0);
  }

  #mean(mean: number, value: number): number {
    // A loss that is not a number must be seen at once, and must not stay once it is gone.
    if (!Number.isFinite(mean) || !Number.isFinite(value)) return value;
    return mean + (value - mean) / this.#count;
  }
}

/** The state of training in pieces, so that a narrow terminal gets the important ones. */
interface LineParts {
  readonly title: string;
  readonly done: number;
  readonly total: number;
  /** What `done` counts, for lines without a bar. */
  readonly unit: string;
  /** In the order of the line; the highest `rank` is left out first. */
  readonly facts: readonly { readonly text: string; readonly rank: number }[];
}

function stepParts(event: StepEvent, recent: RecentSteps, style: Style): LineParts {
  const facts = [
    { text: `${formatRate(event.imagesPerSecond)} images/s`, rank: 4 },
    { text: `loss ${formatLoss(recent.loss)}`, rank: 0 },
    { text: `top-1 ${formatPercent(recent.top1)}`, rank: 1 },
    { text: `top-5 ${formatPercent(recent.top5)}`, rank: 5 },
  ];
  if (recent.waiting >= NOTABLE_WAIT) {
    facts.push({ text: style.warn(`data wait ${formatPercent(recent.waiting, 0)}`), rank: 3 });
  }
  facts.push({ text: `memory ${formatBytes(event.memory.inUseBytes)}`, rank: 6 });
  facts.push({ text: `${formatDuration(event.remainingMs)} left`, rank: 2 });
  return {
    title: `epoch ${event.epoch}/${event.epochs}`,
    done: event.stepInEpoch,
    total: event.stepsPerEpoch,
    unit: 'step',
    facts,
  };
}

function preparingParts(event: PreparingEvent): LineParts {
  return { title: 'mean picture', done: event.imagesDone, total: event.images, unit: 'image', facts: [] };
}

function validationParts(event: ValidationProgressEvent): LineParts {
  return {
    title: `epoch ${event.epoch}/${event.epochs} validation`,
    done: event.imagesDone,
    total: event.images,
    unit: 'image',
    facts: [],
  };
}

function plainLine({ title, done, total, unit, facts }: LineParts): string {
  const position = `${unit} ${formatCount(done)}/${formatCount(total)}`;
  return [title, position, ...facts.map(({ text }) => text)].join('  ');
}

/** Shortens the bar, then leaves out facts and the bar by rank, then cuts the text, until the line fits. */
function fitLine(parts: LineParts, width: number, style: Style): string {
  let facts = [...parts.facts];
  const counter = `${formatCount(parts.done)}/${formatCount(parts.total)}`;
  const compose = (cells: number): string => {
    const bar = cells > 0 ? [`${drawBar(parts, cells, style)} ${counter}`] : [counter];
    return [style.bold(parts.title), ...bar, ...facts.map(({ text }) => text)].join('  ');
  };
  for (;;) {
    const spare = width - visibleLength(compose(MIN_BAR_CELLS));
    if (spare >= 0) return compose(Math.min(BAR_CELLS, MIN_BAR_CELLS + spare));
    const last = Math.max(0, ...facts.map(({ rank }) => rank));
    const bare = compose(0);
    if (last < BAR_RANK && visibleLength(bare) <= width) return bare;
    if (last === 0) return cut(stripColour(bare), width, style);
    facts = facts.filter(({ rank }) => rank < last);
  }
}

function cut(text: string, width: number, style: Style): string {
  return width > 0 ? text.slice(0, width - 1) + style.ellipsis : '';
}

function drawBar({ done, total }: LineParts, cells: number, style: Style): string {
  const share = total > 0 ? Math.min(Math.max(done / total, 0), 1) : 0;
  // Full only when everything is done.
  const full = Math.floor(share * cells);
  return `[${style.full.repeat(full)}${style.dim(style.empty.repeat(cells - full))}]`;
}

function epochLine(event: EpochEvent, style: Style): string {
  const epoch = String(event.epoch).padStart(String(event.epochs).length);
  const parts = [
    style.bold(`epoch ${epoch}/${event.epochs}`),
    `train loss ${formatLoss(event.train.loss)} top-1 ${formatPercent(event.train.top1)}`,
  ];
  if (event.validation !== undefined) parts.push(`validation ${describeMetrics(event.validation)}`);
  parts.push(`lr ${formatLearningRate(event.learningRate)}`, formatDuration(event.durationMs));
  if (event.best) parts.push(style.good('*'));
  return parts.join('  ');
}

function describeMetrics({ loss, top1, top5 }: Metrics): string {
  return `loss ${formatLoss(loss)} top-1 ${formatPercent(top1)} top-5 ${formatPercent(top5)}`;
}

function learningRateLine(event: LearningRateEvent, style: Style): string {
  const change = `${formatLearningRate(event.from)} ${style.arrow} ${formatLearningRate(event.to)}`;
  return `${style.bold('learning rate')} ${change} after epoch ${event.epoch}: ${printable(event.reason)}`;
}

function resumedLine(event: ResumedEvent, style: Style): string {
  const isDone = event.epoch > event.epochs;
  const place = isDone ? 'all epochs are done' : `epoch ${event.epoch}/${event.epochs}`;
  const where = `${place}, after step ${formatCount(event.step)}`;
  return `${style.bold('resumed:')} ${where}, from ${printable(event.path)}`;
}

function savedLine({ kind, epoch, path }: SavedEvent): string {
  return `${kind} weights (epoch ${epoch}): ${printable(path)}`;
}

function doneLine(event: DoneEvent, style: Style): string {
  const word = event.reason === 'completed' ? style.good('done:') : style.warn('stopped:');
  const amount = `${counted(event.epochs, 'epoch')}, ${counted(event.steps, 'step')}`;
  const line = `${word} ${amount} in ${formatDuration(event.durationMs)}`;
  if (event.best === undefined) return line;
  return `${line}; best was epoch ${event.best.epoch}: validation ${describeMetrics(event.best.validation)}`;
}

function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function formatLoss(loss: number): string {
  return Number.isFinite(loss) ? loss.toFixed(4) : String(loss);
}

/** 0.01, 0.001, 1e-7: three digits, without the noise of repeated divisions. */
function formatLearningRate(rate: number): string {
  return String(Number(rate.toPrecision(3)));
}

/** Names of files and messages of the system may hold line ends and terminal commands; these must not act. */
function printable(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ');
}

function hasUnicode(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '';
  return /utf-?8/i.test(locale);
}

function makeStyle({ colour, unicode }: { colour: boolean; unicode: boolean }): Style {
  // Not styleText of node:util: newer versions of Node look at stdout there, whatever stream is written to.
  const paint = (start: number, end: number): Paint => {
    return colour ? (text) => (text === '' ? '' : `\x1b[${start}m${text}\x1b[${end}m`) : (text) => text;
  };
  const colours = { bold: paint(1, 22), dim: paint(2, 22), good: paint(32, 39), warn: paint(33, 39) };
  return unicode
    ? { full: '█', empty: '░', ellipsis: '…', arrow: '→', ...colours }
    : { full: '#', empty: '-', ellipsis: '~', arrow: '->', ...colours };
}

function stripColour(text: string): string {
  // eslint-disable-next-line no-control-regex -- the escape character is what a colour begins with
  return text.replace(/\x1b\[\d+m/g, '');
}

function visibleLength(text: string): number {
  return stripColour(text).length;
}
