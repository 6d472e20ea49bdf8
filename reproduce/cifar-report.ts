// The report of the CIFAR-10 nets: test errors beside the published ones, and what variants change.
// Invariant: made of the results alone; the test error is the last epoch's, never the best one's.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { CIFAR } from './experiments.js';
import { fastestEpoch, machines, mean, percent, table } from './markdown.js';
import { writeChart } from './plot.js';
import { readResults, type RunResult } from './results.js';

/** @returns the path of the report */
export async function writeCifarReport(folder: string): Promise<string> {
  const results = await readResults(folder);
  const nets = [...new Set(results.map(({ experiment }) => experiment.variant.net))];
  for (const net of nets) await drawNet(folder, net, results);
  const report = path.join(folder, 'README.md');
  const notes = await readFile(path.join(folder, 'notes.md'), 'utf8').catch(() => '');
  const text = [
    '# The CIFAR-10 nets of cuda-convnet',
    'Test error in the last epoch, centre view, no augmentation; the published numbers are those of the ' +
      'authors. Made by `npm run reproduce:cifar -- DIR`.',
    table(
      ['net', 'epochs', 'seeds', 'test error, mean', 'lowest to highest', 'published', 'training error'],
      groupsOf(results).map(row),
    ),
    ...nets.map((net) => `![Test error of ${net} by epoch](${plotOf(net)})`),
    `${machines(results)} The fastest epoch took ${fastestEpoch(results).toFixed(0)} s.`,
    notes.trimEnd(),
  ];
  await writeFile(report, `${text.join('\n\n').trimEnd()}\n`);
  return report;
}

function plotOf(net: string): string {
  return `${net}.svg`;
}

async function drawNet(folder: string, net: string, results: readonly RunResult[]): Promise<void> {
  const runs = results.filter(({ experiment }) => experiment.variant.net === net);
  const published = CIFAR.find(({ name }) => name === net)?.published;
  await writeChart(path.join(folder, plotOf(net)), {
    title: `${net}: test error by epoch`,
    x: 'epochs',
    y: 'test error, %',
    lines: runs.map(({ experiment, epochs }) => ({
      name: experiment.title,
      points: epochs.map(({ epoch, testError = NaN }) => [epoch, testError * 100]),
      dashed: experiment.name !== net,
    })),
    levels: published === undefined ? [] : [{ name: `published: ${published} %`, y: published }],
  });
}

/** Runs that differ in their seed alone, in the order of the experiments; a schedule of other lengths is another group. */
function groupsOf(results: readonly RunResult[]): RunResult[][] {
  const groups = new Map<string, RunResult[]>();
  const order = (run: RunResult) => CIFAR.findIndex(({ name }) => name === run.experiment.name);
  for (const run of [...results].sort((a, b) => order(a) - order(b))) {
    const key = JSON.stringify([run.experiment.name, run.experiment.stages]);
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

function row(runs: readonly RunResult[]): string[] {
  const { experiment } = runs[0]!;
  const planned = experiment.stages.join(' + ');
  const ended = runs.filter((run) => run.ended === 'completed');
  if (ended.length === 0) {
    const { epoch, testError, trainError } = runs[0]!.epochs.at(-1)!;
    const so = `interrupted after ${epoch} of ${planned}`;
    return [experiment.title, so, '1', percent(testError), '', publishedOf(runs[0]!), percent(trainError)];
  }
  const last = ended.map(({ epochs }) => epochs.at(-1)!);
  const errors = last.map(({ testError = NaN }) => testError).sort((a, b) => a - b);
  return [
    experiment.title,
    planned,
    String(ended.length),
    percent(mean(errors)),
    errors.length > 1 ? `${percent(errors[0])} to ${percent(errors.at(-1))}` : '',
    publishedOf(runs[0]!),
    percent(mean(last.map(({ trainError }) => trainError))),
  ];
}

function publishedOf({ experiment: { name, published, stages } }: RunResult): string {
  if (published === undefined) return '';
  const full = CIFAR.find((other) => other.name === name)?.stages.join(' + ');
  return stages.join(' + ') === full ? `${published} %` : `${published} % with ${full}`;
}
