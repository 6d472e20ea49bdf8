// The report of figure 1: training error by epoch, ReLU against tanh.
// Invariant: made of the results alone; what was not measured is not in it.
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { FIGURE1, type Activation } from './experiments.js';
import { fastestEpoch, machines, percent, table } from './markdown.js';
import { writeChart } from './plot.js';
import { readResults, type RunResult } from './results.js';

const PLOT = 'training-error.svg';

/** @returns the path of the report */
export async function writeFigure1Report(folder: string): Promise<string> {
  const results = await readResults(folder);
  const runs = results.filter(({ experiment }) => experiment.untilTrainError !== undefined);
  const trials = results.filter(({ experiment }) => experiment.untilTrainError === undefined);
  await writeChart(path.join(folder, PLOT), {
    title: 'CIFAR-10, four-layer net without regularisation',
    x: 'epochs',
    y: 'training error, %',
    lines: runs.map((run) => ({
      name: nameOf(run),
      points: run.epochs.map(({ epoch, trainError }) => [epoch, trainError * 100]),
      dashed: activationOf(run) === 'tanh',
    })),
    levels: [{ name: '25 %', y: FIGURE1.trainError * 100 }],
  });
  const report = path.join(folder, 'README.md');
  const notes = await readFile(path.join(folder, 'notes.md'), 'utf8').catch(() => '');
  await writeFile(report, [...sections(runs, trials), notes.trimEnd()].join('\n\n').trimEnd() + '\n');
  return report;
}

function activationOf({ experiment }: RunResult): Activation {
  return experiment.variant.activation ?? 'relu';
}

function nameOf({ experiment: { title, learningRate } }: RunResult): string {
  return `${title}, learning rate ${learningRate}`;
}

/** Epochs until a training error was reached, by linear interpolation between the ends of epochs. */
function epochsTo(goal: number, { epochs }: RunResult): number | undefined {
  const after = epochs.findIndex(({ trainError }) => trainError <= goal);
  if (after < 0) return undefined;
  const [before, reached] = [epochs[after - 1], epochs[after]!];
  if (!before) return reached.epoch;
  return before.epoch + (before.trainError - goal) / (before.trainError - reached.trainError);
}

function sections(runs: readonly RunResult[], trials: readonly RunResult[]): string[] {
  return [
    '# Figure 1: ReLU against tanh',
    'Krizhevsky, Sutskever and Hinton 2012, figure 1: "a four-layer convolutional neural network with ReLUs reaches a ' +
      '25 % training error rate on CIFAR-10 six times faster than an equivalent network with tanh neurons", in about ' +
      `${FIGURE1.published.relu} epochs against ${FIGURE1.published.tanh} (read off the figure). ` +
      'Made by `npm run reproduce:figure1 -- DIR`.',
    `![Training error by epoch](${PLOT})`,
    table(
      [
        'activation',
        'learning rate',
        'seed',
        'epochs to 25 %',
        'published',
        'epochs trained',
        'last training error',
      ],
      runs.map((run) => [
        run.experiment.title,
        String(run.experiment.learningRate),
        String(run.seed),
        epochsTo(FIGURE1.trainError, run)?.toFixed(1) ?? 'not reached',
        `about ${FIGURE1.published[activationOf(run)]}`,
        String(run.epochs.length),
        percent(run.epochs.at(-1)?.trainError),
      ]),
    ),
    ...ratio(runs),
    '## Learning rates',
    'The paper chose a learning rate for each network "to make training as fast as possible". Here it is doubled as long ' +
      'as two epochs learn more with it:',
    table(
      ['activation', 'learning rate', 'training error of the second epoch'],
      trials.map((trial) => [
        activationOf(trial) === 'tanh' ? 'tanh' : 'ReLU',
        String(trial.experiment.learningRate),
        trial.failure === undefined ? percent(trial.epochs.at(-1)?.trainError) : 'diverged',
      ]),
    ),
    `${machines([...runs, ...trials])} The fastest epoch took ${fastestEpoch([...runs, ...trials]).toFixed(0)} s.`,
  ];
}

/** At 25 %, or where not both got there, at the lowest error that both reached. */
function ratio(runs: readonly RunResult[]): string[] {
  const of = (activation: Activation) => runs.filter((run) => activationOf(run) === activation);
  const [relus, tanhs] = [of('relu'), of('tanh')];
  if (relus.length === 0 || tanhs.length === 0) return [];
  const lowest = (some: readonly RunResult[]) =>
    Math.min(...some.flatMap(({ epochs }) => epochs.map(({ trainError }) => trainError)));
  const goal = Math.max(FIGURE1.trainError, lowest(relus), lowest(tanhs));
  const fastest = (some: readonly RunResult[]) =>
    Math.min(...some.map((run) => epochsTo(goal, run) ?? Infinity));
  const [relu, tanh] = [fastest(relus), fastest(tanhs)];
  const which = goal > FIGURE1.trainError ? ', the lowest that both reached' : '';
  return [
    `To a training error of ${percent(goal)}${which}, ReLU takes ${relu.toFixed(1)} epochs and tanh ${tanh.toFixed(1)}: ` +
      `${(tanh / relu).toFixed(1)} times as many. The paper says six times.`,
  ];
}
