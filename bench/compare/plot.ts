// The comparison as a picture: images a second of every configuration, a panel for each measure.
// Invariant: the same comparison gives the same file; bars begin at zero.
import { BarChart } from 'echarts/charts';
import { GridComponent, TitleComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([BarChart, GridComponent, TitleComponent, SVGRenderer]);

export interface Panel {
  readonly title: string;
  /** From top to bottom. */
  readonly bars: readonly {
    readonly name: string;
    readonly imagesPerSecond: number;
    readonly ours: boolean;
  }[];
}

const WIDTH = 900;
const [HEAD, BAR, GAP] = [30, 24, 24];
/** Names are long. */
const LEFT = 420;

/** @returns the picture, as SVG */
export function plotPanels(panels: readonly Panel[]): string {
  const tops: number[] = [];
  let height = GAP;
  for (const { bars } of panels) {
    tops.push(height);
    height += HEAD + BAR * bars.length + GAP;
  }
  const drawn = init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  try {
    drawn.setOption({
      animation: false,
      backgroundColor: '#ffffff',
      title: panels.map(({ title }, i) => ({
        text: title,
        left: 20,
        top: tops[i],
        textStyle: { fontSize: 14 },
      })),
      grid: panels.map(({ bars }, i) => ({
        ...{ left: LEFT, right: 70, top: (tops[i] as number) + HEAD, height: BAR * bars.length },
      })),
      xAxis: panels.map((_, gridIndex) => ({ gridIndex, type: 'value', show: false, min: 0 })),
      yAxis: panels.map(({ bars }, gridIndex) => ({
        ...{ gridIndex, type: 'category', inverse: true, data: bars.map(({ name }) => name) },
        ...{ axisTick: { show: false }, axisLabel: { width: LEFT - 30, overflow: 'truncate' } },
      })),
      series: panels.map(({ bars }, i) => ({
        ...{ type: 'bar', xAxisIndex: i, yAxisIndex: i, barWidth: BAR - 8 },
        label: { show: true, position: 'right', formatter: '{c}' },
        data: bars.map(({ imagesPerSecond, ours }) => ({
          value: Number(imagesPerSecond.toPrecision(3)),
          itemStyle: { color: ours ? '#2f6fb0' : '#b9bec6' },
        })),
      })),
    });
    return drawn.renderToSVGString();
  } finally {
    drawn.dispose();
  }
}
