// The curves: what they show, and how uPlot draws them.
// Invariant: every chart has a legend with its latest or pointed-at values, and its numbers as a table.

type Values = readonly (number | null)[];

interface Curve {
  readonly label: string;
  /** 1 to 4, of the palette. */
  readonly colour: number;
  /** Whether the curve is of steps, with their running mean on top, or of epochs. */
  readonly of: 'steps' | 'epochs';
  readonly values: (state: State) => Values;
  readonly smooth?: boolean;
}

interface ChartSpec {
  readonly title: string;
  readonly unit: string;
  readonly curves: readonly Curve[];
  readonly format: (value: number) => string;
  /** At the axis, where the unit is said already. Default: `format`. */
  readonly tick?: (value: number) => string;
  readonly logarithmic?: boolean;
  /** Curves are parts of a sum, the first one at the bottom. */
  readonly stacked?: boolean;
  readonly range?: (low: number, high: number) => [number, number];
}

/** Running means forget over about this many steps. */
const SMOOTHING_STEPS = 20;
const TABLE_ROWS = 40;
const HEIGHT = 220;

const fromZero = (_low: number, high: number): [number, number] => [0, high > 0 ? high * 1.05 : 1];
const fraction = (low: number, high: number): [number, number] => [
  Math.max(0, low - 0.05 * (high - low || 1)),
  Math.min(1, high + 0.05 * (high - low || 1)),
];

const step = (column: keyof State['steps'], label: string, colour: number, smooth = false): Curve => ({
  label,
  colour,
  of: 'steps',
  values: (state) => state.steps[column],
  smooth,
});

const epoch = (
  column: 'validationLoss' | 'validationTop1' | 'validationTop5',
  label: string,
  colour: number,
): Curve => ({
  label,
  colour,
  of: 'epochs',
  values: (state) => state.epochs.map((row) => row[column]),
});

const chartSpecs: readonly ChartSpec[] = [
  {
    title: 'Loss',
    unit: 'cross-entropy, nats',
    curves: [step('loss', 'training', 1, true), epoch('validationLoss', 'validation', 2)],
    format: nats,
    tick: number,
    range: fromZero,
  },
  {
    title: 'Top-1 accuracy',
    unit: 'share of pictures',
    curves: [step('top1', 'training', 1, true), epoch('validationTop1', 'validation', 2)],
    format: percent,
    range: fraction,
  },
  {
    title: 'Top-5 accuracy',
    unit: 'share of pictures',
    curves: [step('top5', 'training', 1, true), epoch('validationTop5', 'validation', 2)],
    format: percent,
    range: fraction,
  },
  {
    title: 'Learning rate',
    unit: 'logarithmic',
    curves: [step('learningRate', 'learning rate', 4)],
    format: number,
    logarithmic: true,
  },
  {
    title: 'Throughput',
    unit: 'images a second',
    curves: [step('imagesPerSecond', 'images/s', 3)],
    format: number,
    range: fromZero,
  },
  {
    title: 'Where the time of a step goes',
    unit: 'milliseconds a step, stacked',
    curves: [
      step('deviceWaitMs', 'computing', 1, true),
      step('dataWaitMs', 'waiting for pictures', 2, true),
      step('submitMs', 'describing the work', 3, true),
      step('handlersMs', 'logs and reports', 4, true),
    ],
    format: (ms) => `${number(ms)} ms`,
    tick: number,
    stacked: true,
  },
  {
    title: 'Memory',
    unit: 'MiB in use on the device',
    curves: [
      {
        label: 'in use',
        colour: 4,
        of: 'steps',
        values: (state) => state.steps.inUseBytes.map((bytes) => bytes / 2 ** 20),
      },
    ],
    format: (mebi) => mebibytes(mebi * 2 ** 20),
    tick: number,
    range: fromZero,
  },
];

function colourOf(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Exponential, corrected for its beginning. */
function runningMean(values: Values): number[] {
  const keep = 1 - 1 / SMOOTHING_STEPS;
  let [sum, weight] = [0, 0];
  return values.map((value) => {
    sum = sum * keep + (value ?? 0) * (1 - keep);
    weight = weight * keep + (1 - keep);
    return sum / weight;
  });
}

/** The first steps choose kernels and take many times as long: drawn whole, they would flatten all others. */
function usualTop(values: Values): number {
  const sorted = values.map((value) => value ?? 0).sort((a, b) => a - b);
  return 1.25 * (sorted[Math.floor(0.9 * (sorted.length - 1))] ?? 0);
}

/** A curve as it is drawn. */
interface Line {
  readonly curve: Curve;
  readonly values: Values;
  readonly faint?: boolean;
  readonly filled?: boolean;
}

/** Curves of steps may have a faint line of single steps below their mean; stacked ones are drawn from the top down. */
function linesOf(spec: ChartSpec, state: State): Line[] {
  if (spec.stacked) {
    let sums: readonly number[] = [];
    const stacked = spec.curves.map((curve): Line => {
      sums = runningMean(curve.values(state)).map((value, i) => value + (sums[i] ?? 0));
      return { curve, values: sums, filled: true };
    });
    return stacked.reverse();
  }
  return spec.curves.flatMap((curve): Line[] => {
    const values = curve.values(state);
    if (!curve.smooth) return [{ curve, values }];
    return [
      { curve, values, faint: true },
      { curve, values: runningMean(values) },
    ];
  });
}

function aligned(lines: readonly Line[], state: State): uPlot.AlignedData {
  const epochSteps = state.epochs.map((row) => row.step);
  const tables = lines.map(
    ({ curve, values }) =>
      [curve.of === 'steps' ? state.steps.step : epochSteps, values] as unknown as uPlot.AlignedData,
  );
  return uPlot.join(tables);
}

class Chart {
  readonly #spec: ChartSpec;
  readonly #plotBox = element('div', { class: 'plot', role: 'img' });
  readonly #legend = element('ul', { class: 'legend' });
  readonly #values: HTMLElement[];
  readonly #details = element('details', {}, [element('summary', {}, ['Numbers'])]);
  #plot: uPlot | undefined;
  #state: State | undefined;

  constructor(spec: ChartSpec, parent: HTMLElement) {
    this.#spec = spec;
    this.#values = spec.curves.map(({ label, colour }) => {
      const value = element('b');
      this.#legend.append(element('li', {}, [element('i', { class: `s${colour}` }), `${label} `, value]));
      return value;
    });
    const head = element('div', { class: 'chart-head' }, [
      element('h3', {}, [spec.title]),
      element('span', { class: 'unit' }, [spec.unit]),
    ]);
    parent.append(
      element('div', { class: 'card chart' }, [head, this.#legend, this.#plotBox, this.#details]),
    );
    new ResizeObserver(() => this.#fit()).observe(this.#plotBox);
    this.#details.addEventListener('toggle', () => this.#table());
  }

  draw(state: State): void {
    this.#state = state;
    const lines = linesOf(this.#spec, state);
    const data = aligned(lines, state);
    if (this.#plot) this.#plot.setData(data);
    else if (this.#plotBox.clientWidth > 0 && (data[0]?.length ?? 0) > 0) this.#create(lines, data);
    this.#showLatest();
    this.#table();
  }

  /** For other colours. */
  redraw(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    if (this.#state) this.draw(this.#state);
  }

  #create(lines: readonly Line[], data: uPlot.AlignedData): void {
    const { range, logarithmic, stacked, format, tick = format } = this.#spec;
    const [ink, grid] = [colourOf('--quiet'), colourOf('--line')];
    const axis = {
      stroke: ink,
      grid: { stroke: grid, width: 1 },
      ticks: { stroke: grid, width: 1 },
      font: '12px system-ui',
    };
    const options: uPlot.Options = {
      width: this.#plotBox.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { y: false, drag: { x: true, y: false } },
      scales: {
        x: { time: false },
        y: {
          ...(logarithmic && { distr: 3 }),
          ...(range && { range: (_, low, high) => range(low ?? 0, high ?? 1) }),
          ...(stacked && { range: (plot) => fromZero(0, usualTop(plot.data[1] as Values)) }),
        },
      },
      axes: [
        {
          ...axis,
          label: 'step',
          size: 28,
          labelSize: 20,
          labelFont: '12px system-ui',
          values: (_, ticks) => ticks.map(count),
        },
        { ...axis, size: 66, values: (_, ticks) => ticks.map((at) => (at === null ? '' : tick(at))) },
      ],
      series: [{}, ...lines.map(seriesOf)],
      hooks: { setCursor: [(plot) => this.#showAt(plot.cursor.idx)] },
    };
    this.#plot = new uPlot(options, data, this.#plotBox);
  }

  #fit(): void {
    const width = this.#plotBox.clientWidth;
    if (this.#plot && width > 0) this.#plot.setSize({ width, height: HEIGHT });
    else if (this.#state) this.draw(this.#state);
  }

  #showAt(index: number | null | undefined): void {
    const x = index === null || index === undefined ? undefined : this.#plot?.data[0][index];
    if (x === undefined) this.#showLatest();
    else this.#show(x);
  }

  #showLatest(): void {
    this.#show(Infinity);
    const { title, curves } = this.#spec;
    const latest = curves.map(({ label }, i) => `${label} ${this.#values[i]?.textContent ?? ''}`);
    this.#plotBox.setAttribute('aria-label', `Chart of ${title} over steps; latest: ${latest.join(', ')}`);
  }

  /** The values at a step, or the last ones before it. */
  #show(x: number): void {
    const state = this.#state;
    if (!state) return;
    for (const [i, curve] of this.#spec.curves.entries()) {
      const raw = curve.values(state);
      const values = curve.smooth ? runningMean(raw) : raw;
      const at = xsOf(curve, state).findLastIndex((other, n) => other <= x && typeof values[n] === 'number');
      const value = values[at];
      (this.#values[i] as HTMLElement).textContent =
        typeof value === 'number' ? this.#spec.format(value) : '–';
    }
  }

  #table(): void {
    const state = this.#state;
    if (!this.#details.open || !state) return;
    const { curves, format, title } = this.#spec;
    const { step: steps } = state.steps;
    const stride = Math.max(1, Math.ceil(steps.length / TABLE_ROWS));
    const rows = steps
      .map((at, i) => ({ at, i }))
      .filter(({ i }) => i % stride === 0 || i === steps.length - 1)
      .map(({ at, i }) => {
        const cells = curves.map((curve) => {
          const n = curve.of === 'steps' ? i : xsOf(curve, state).findLastIndex((x) => x <= at);
          const value = curve.values(state)[n];
          return typeof value === 'number' ? format(value) : '–';
        });
        return [count(at), ...cells];
      });
    const table = tableOf(['step', ...curves.map(({ label }) => label)], rows);
    const scroll = element('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': title }, [
      table,
    ]);
    this.#details.replaceChildren(this.#details.firstElementChild as Node, scroll);
  }
}

function xsOf(curve: Curve, state: State): number[] {
  return curve.of === 'steps' ? state.steps.step : state.epochs.map((row) => row.step);
}

function seriesOf({ curve, faint, filled }: Line): uPlot.Series {
  const colour = colourOf(`--series-${curve.colour}`);
  return {
    label: curve.label,
    stroke: faint ? `color-mix(in srgb, ${colour} 25%, transparent)` : colour,
    width: faint ? 1 : 2,
    spanGaps: true,
    ...(filled && { fill: colour, width: 0 }),
    points: { show: curve.of === 'epochs', size: 6, fill: colour },
  };
}

function tableOf(heads: readonly string[], rows: readonly (readonly string[])[]): HTMLTableElement {
  const head = element(
    'tr',
    {},
    heads.map((text) => element('th', { scope: 'col' }, [text])),
  );
  const body = rows.map((row) =>
    element(
      'tr',
      {},
      row.map((text) => element('td', {}, [text])),
    ),
  );
  return element('table', {}, [element('thead', {}, [head]), element('tbody', {}, body)]);
}
