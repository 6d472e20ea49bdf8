// Line charts as SVG files.
// Invariant: the same data give the same file, so that a report that is made again shows no difference.
import { writeFile } from 'node:fs/promises';
import { LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, MarkLineComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([LineChart, GridComponent, LegendComponent, MarkLineComponent, TitleComponent, SVGRenderer]);

export interface Line {
  /** Lines of one name have one colour and one place in the legend. */
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  readonly dashed?: boolean;
}

export interface Level {
  readonly name: string;
  readonly y: number;
}

export interface Chart {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
  /** Horizontal lines, e.g. published numbers. */
  readonly levels: readonly Level[];
}

const [WIDTH, HEIGHT] = [760, 460];

export async function writeChart(file: string, chart: Chart): Promise<void> {
  const drawn = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height: HEIGHT });
  try {
    drawn.setOption(optionsOf(chart));
    await writeFile(file, `${drawn.renderToSVGString()}\n`);
  } finally {
    drawn.dispose();
  }
}

function optionsOf({ title, x, y, lines, levels }: Chart) {
  const axis = { type: 'value', nameLocation: 'middle', scale: true } as const;
  return {
    animation: false,
    backgroundColor: '#ffffff',
    title: { text: title, left: 'center', textStyle: { fontSize: 15 } },
    legend: { bottom: 0, itemGap: 28, textStyle: { fontSize: 11 } },
    grid: { left: 60, right: 30, top: 45, bottom: 80 },
    xAxis: { ...axis, name: x, nameGap: 28, minInterval: 1 },
    yAxis: { ...axis, name: y, nameGap: 40 },
    series: lines.map(({ name, points, dashed }, i) => ({
      ...{ type: 'line', name, showSymbol: points.length < 15, data: points.map((point) => [...point]) },
      lineStyle: { type: dashed ? 'dashed' : 'solid' },
      ...(i === 0 && { markLine: markLines(levels) }),
    })),
  };
}

function markLines(levels: readonly Level[]) {
  return {
    ...{ symbol: 'none', silent: true, lineStyle: { color: '#888888', type: 'dotted' } },
    label: { position: 'insideStartTop', formatter: '{b}' },
    data: levels.map(({ name, y }) => ({ name, yAxis: y })),
  };
}
