// The report and the dashboard in a real browser: what they show, on a phone too, and what data cannot do to them.
// Invariant: the state is made up, so that every number on the page can be named.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Page } from 'playwright-core';
import { Dashboard, HtmlReport, RunRecord, writeEvaluationPage } from '../../lib/report/index.js';
import { ConfusionMatrix } from '../../lib/train/index.js';
import { dataUri, encodePicture } from '../../lib/report/encode.js';
import { drawKernels } from '../../lib/report/filters.js';
import { tempFolder } from '../data/temp-folder.js';
import { TestBrowser } from '../helpers/browser.js';
import { hashNdArray } from '../helpers/reference.js';
import { CLASSES, PICTURES, pictures } from '../train/small.js';
import { epochEvent, stepEvent, STEPS_PER_EPOCH, validationEvent } from './events.js';

const EVIL = '<script>document.title = "taken"</script><img src=x onerror=alert(1)>';

/** Two epochs, 96 kernels, a picture with its neighbours, and a class whose name is markup. */
async function exampleRecord(): Promise<RunRecord> {
  const record = new RunRecord({ title: `AlexNet on ${EVIL}`, facts: [['data', EVIL]] });
  const classNames = ['cat', EVIL, 'owl'];
  for (const epoch of [1, 2]) {
    for (let i = 1; i <= STEPS_PER_EPOCH; i++) record.handle(stepEvent((epoch - 1) * STEPS_PER_EPOCH + i));
    record.handle(
      validationEvent(classNames, [
        [7, 2, 1],
        [0, 10, 0],
        [3, 3, 4],
      ]),
    );
    record.handle(epochEvent(epoch));
  }
  record.handle({ type: 'warning', message: `skipped ${EVIL}` });
  const weights = Float32Array.from(hashNdArray({ shape: [96, 3, 11, 11], seed: 1, low: -1, high: 1 }).data);
  const sheet = drawKernels(weights, { kernels: 96, height: 11, width: 11 });
  const src = dataUri(await encodePicture(sheet, { type: 'image/png' }), 'image/png');
  const { width, height } = sheet;
  const picture = { src, width: 96, height: 96 };
  const example = { ...picture, name: EVIL, className: EVIL };
  const predictions = [
    { className: 'cat', probability: 0.6 },
    { className: EVIL, probability: 0.3 },
  ];
  const neighbours = [{ ...picture, name: 'n', className: 'owl', distance: 1.5 }];
  Object.assign(record.state, {
    filters: { src, width, height, epoch: 2, layer: 'conv1', kernels: 96, kernelSize: 11 },
    examples: {
      epoch: 2,
      examples: [{ ...example, predictions, neighbours }],
      compared: { layer: 'relu7', pictures: 1000 },
    },
    mistakes: {
      epoch: 2,
      mistakes: [{ ...example, takenFor: 'cat', probability: 0.987, labelProbability: 0.004 }],
    },
  });
  return record;
}

/** An expression on each element that matches; written as text, since it runs in the page. */
async function each<T>(page: Page, selector: string, expression: string): Promise<T[]> {
  return page.evaluate<T[]>(
    `[...document.querySelectorAll(${JSON.stringify(selector)})].map((element) => ${expression})`,
  );
}

const CELLS = '[...element.children].map((cell) => cell.textContent)';

async function textOf(page: Page, selector: string): Promise<string> {
  return (await page.textContent(selector)) ?? '';
}

/** Whether the page can be scrolled sideways, which nobody looks for. */
async function overflows(page: Page): Promise<boolean> {
  const { scrollWidth, clientWidth } = await page.evaluate<{ scrollWidth: number; clientWidth: number }>(
    '(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }))(document.documentElement)',
  );
  return scrollWidth > clientWidth;
}

/** Canvases that have something drawn on them. */
async function drawnCharts(page: Page): Promise<number> {
  return page.evaluate<number>(`
    [...document.querySelectorAll('.chart canvas')].filter((canvas) =>
      canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value !== 0),
    ).length`);
}

describe('the pages of a training, in a browser', () => {
  const browser = new TestBrowser();
  let record: RunRecord;
  let file: string;
  before(async function () {
    await browser.open(this);
    record = await exampleRecord();
    file = join(tempFolder(), 'report.html');
    const report = new HtmlReport(file, record);
    await report.close();
  });
  after(() => browser.close());

  describe('the report, opened as a file', () => {
    let page: Page;
    before(async () => {
      page = await browser.page(pathToFileURL(file).href);
      await page.waitForSelector('.chart canvas');
    });
    after(() => page.close());

    it('draws seven charts with their latest values, and fetches nothing', async () => {
      assert.equal(await drawnCharts(page), 7);
      const labels = await each<string>(page, '.plot', "element.getAttribute('aria-label')");
      assert.match(
        labels[0] ?? '',
        /^Chart of Loss over steps; latest: training 0\.\d{3}, validation 0\.625$/,
      );
      assert.match(labels[1] ?? '', /latest: training 50\.0 %, validation 62\.5 %$/);
      browser.assertClean();
    });

    it('lists the epochs, the best one marked', async () => {
      const rows = await each<string[]>(page, '#epochs-table tbody tr', `[element.className, ...${CELLS}]`);
      assert.deepEqual(rows, [
        ['', '1', '1.500', '50.0 %', '1.250', '62.5 %', '87.5 %', '0.01', '3.0 s'],
        ['best', '2', '0.750', '50.0 %', '0.625', '62.5 %', '87.5 %', '0.01', '3.0 s'],
      ]);
    });

    it('shows the 96 kernels in six rows of sixteen', async () => {
      const image = page.locator('#filters-image');
      assert.deepEqual(
        await image.evaluate((img) => {
          const { complete, naturalWidth, naturalHeight } = img as unknown as Record<string, unknown>;
          return [complete, naturalWidth, naturalHeight];
        }),
        [true, 16 * 12 + 1, 6 * 12 + 1],
      );
      assert.match((await image.getAttribute('alt')) ?? '', /^The 96 kernels of conv1/);
    });

    it('shows what was predicted and what looks alike', async () => {
      const bars = await each<string[]>(
        page,
        '.bars li',
        "[element.className, element.querySelector('rect').getAttribute('width')]",
      );
      assert.deepEqual(bars, [
        ['', '60%'],
        ['right', '30%'],
      ]);
      assert.match(await textOf(page, '.neighbours'), /owl.*1\.5/);
      assert.match(
        await textOf(page, '#examples-caption'),
        /1,000 training pictures whose relu7 output is nearest/,
      );
    });

    it('shows what was taken for what', async () => {
      const counts = await each<string[]>(page, '.matrix tbody tr', `${CELLS}.slice(1)`);
      assert.deepEqual(counts, [
        ['7', '2', '1'],
        ['', '10', ''],
        ['3', '3', '4'],
      ]);
    });

    it('shows how each class fared, and the surest mistakes', async () => {
      const rows = await each<string[]>(page, '#classes tbody tr', CELLS);
      assert.deepEqual(rows, [
        ['cat', '7 of 10', '70.0 %', '70.0 %', '70.0 %'],
        [EVIL, '10 of 10', '66.7 %', '100.0 %', '80.0 %'],
        ['owl', '4 of 10', '80.0 %', '40.0 %', '53.3 %'],
      ]);
      const lines = await each<string[]>(page, '.mistakes p', '[element.className, element.textContent]');
      assert.deepEqual(lines, [
        ['wrong', 'cat98.7 %'],
        ['right', `${EVIL}0.4 %`],
      ]);
      assert.match(
        await textOf(page, '#mistakes-caption'),
        /^Validation after epoch 2\. Pictures that were taken/,
      );
    });

    it('shows names of classes, files and folders as text, whatever is in them', async () => {
      assert.equal(await page.title(), `AlexNet on ${EVIL}`);
      assert.equal(await textOf(page, 'h1'), `AlexNet on ${EVIL}`);
      assert.equal(await textOf(page, '.example h3'), EVIL);
      assert.equal(await textOf(page, '#facts dd'), EVIL);
      assert.match(await textOf(page, '#notices'), /skipped <script>/);
      assert.equal(await page.locator('img[src=x], main script').count(), 0);
      browser.assertClean();
    });

    it('has every chart as a table of numbers too', async () => {
      await page.locator('.chart summary').first().click();
      await page.waitForSelector('.chart tbody tr');
      const rows = await each<string[]>(page, '.chart:first-child tbody tr', CELLS);
      assert.deepEqual(
        [rows[0], rows.at(-1)],
        [
          ['1', '2.000', '–'],
          ['20', '0.100', '0.625'],
        ],
      );
    });

    it('runs no script but its own', async () => {
      const ran = await page.evaluate<string>(`
        const script = document.createElement('script');
        script.textContent = 'document.body.dataset.ran = "yes"';
        document.body.append(script);
        document.body.dataset.ran ?? 'no'`);
      assert.equal(ran, 'no');
    });
  });

  it('show an evaluation, without what only a training has', async () => {
    const dataset = pictures();
    const confusion = new ConfusionMatrix(dataset.classNames);
    dataset.labels.forEach((label, i) => confusion.add(label, i < 2 ? (label + 1) % CLASSES : label));
    const mistakes = [1, 0].map((index) => {
      const label = dataset.labels[index]!;
      const [className, takenFor] = [dataset.classNames[label]!, dataset.classNames[(label + 1) % CLASSES]!];
      const picture = dataset.nameOf(index);
      return { index, picture, className, takenFor, probability: 0.9, labelProbability: 0.05 };
    });
    const file = join(tempFolder(), 'evaluation.html');
    const evaluation = { images: PICTURES, loss: 0.5, top1: 21 / 23, top5: 1, confusion, mistakes };
    await writeEvaluationPage(file, evaluation, { dataset, title: EVIL, facts: [['weights', EVIL]] });
    const page = await browser.page(pathToFileURL(file).href);
    await page.waitForSelector('.mistakes li');
    const visible = await each<string>(
      page,
      'main section:not([hidden])',
      'element.querySelector("h2").textContent',
    );
    assert.deepEqual(visible, ['Confusion', 'Classes', 'Surest mistakes', 'What was evaluated']);
    assert.match(await textOf(page, '#tiles'), /^pictures23loss0\.500top-191\.3 %top-5100\.0 %precision9/);
    assert.match(await textOf(page, '#status'), /^evaluated · 20/);
    assert.deepEqual(
      await each<string>(page, '.mistakes img', 'element.title'),
      [1, 0].map((i) => dataset.nameOf(i)),
    );
    assert.equal(await textOf(page, '.mistakes .wrong span'), mistakes[0]!.takenFor);
    browser.assertClean();
    await page.close();
  });

  it('fit a phone, and a dark room', async () => {
    const page = await browser.page(pathToFileURL(file).href, {
      viewport: { width: 360, height: 740 },
      colorScheme: 'dark',
      isMobile: true,
      hasTouch: true,
    });
    await page.waitForSelector('.chart canvas');
    assert.equal(await overflows(page), false);
    const widths = await each<number>(page, '.chart', 'element.clientWidth');
    assert.ok(
      widths.every((width) => width > 280 && width <= 340),
      widths.join(),
    );
    const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    const [red = 255] = (background.match(/\d+/g) ?? []).map(Number);
    assert.ok(red < 60, `a background of ${red}`);
    browser.assertClean();
    await page.close();
  });

  it('follow a training live, and say when it is over', async () => {
    const live = new RunRecord({ title: 'Live' });
    const dashboard = await Dashboard.open(live);
    const page = await browser.page(dashboard.url);
    try {
      await page.locator('h1', { hasText: 'Live' }).waitFor();
      for (let step = 1; step <= STEPS_PER_EPOCH; step++) live.handle(stepEvent(step));
      await page.waitForSelector('.chart canvas');
      assert.match(
        await textOf(page, '#progress-text'),
        /^epoch 1 of 3, training 10 of 10 · 1 min 0 s left$/,
      );
      assert.match(await textOf(page, '#tiles'), /device memory1 MiB/);
      live.handle(epochEvent(1));
      live.handle({ type: 'done', epochs: 1, steps: 10, durationMs: 1, reason: 'completed' });
      await page.waitForSelector('#epochs tbody tr');
      await page.locator('#status', { hasText: /^completed/ }).waitFor();
      browser.assertClean();
    } finally {
      await dashboard.close();
    }
    await page.locator('#status', { hasText: /has ended$/ }).waitFor();
    assert.equal(await drawnCharts(page), 7);
    await page.close();
  });

  it('are one file whose data cannot end its script element', () => {
    const html = readFileSync(file, 'utf8');
    // The state and the script; the title above them is escaped.
    const pieces = html.split(/<script\b/);
    assert.equal(pieces.length, 3);
    assert.equal(pieces[0]?.includes('onerror=alert(1)>'), false);
  });
});
