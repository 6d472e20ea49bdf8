// `npm run reproduce:figure1 -- DIR`: epochs to 25 % training error with ReLU and with tanh (figure 1 of the paper).
// Invariant: each activation gets the learning rate that learns fastest in two epochs of the first seed.
import { log, openCifar10, parseArguments } from './arguments.js';
import { figure1Run, figure1Trial, SLOWEST_RATE, type Activation } from './experiments.js';
import { writeFigure1Report } from './figure1-report.js';
import { runExperiment, type RunOptions } from './train.js';

const { dir, seeds, only, results: folder, threads } = parseArguments('figure1');
if (dir !== undefined) {
  const options = { data: await openCifar10(dir), folder, threads, log };
  for (const activation of (['relu', 'tanh'] as const).filter((name) => only?.includes(name) ?? true)) {
    const learningRate = await fastest(activation, { ...options, seed: seeds[0] as number });
    for (const seed of seeds) {
      await runExperiment(figure1Run(activation, learningRate), { ...options, seed });
      await writeFigure1Report(folder);
    }
  }
}
log(`report: ${await writeFigure1Report(folder)}`);

async function fastest(activation: Activation, options: RunOptions): Promise<number> {
  let best = { learningRate: 0, error: Infinity };
  for (let learningRate = SLOWEST_RATE; ; learningRate *= 2) {
    const { ended, epochs } = await runExperiment(figure1Trial(activation, learningRate), options);
    const error = ended === 'completed' ? (epochs.at(-1)?.trainError ?? Infinity) : Infinity;
    if (error >= best.error) break;
    best = { learningRate, error };
  }
  log(`${activation}: learning rate ${best.learningRate} is the fastest`);
  return best.learningRate;
}
