// `npm run reproduce:cifar -- DIR`: trains the authors' CIFAR-10 nets and variants of them, and writes the report.
// Invariant: the report is made of the results on disk, whether this call trained them or another one.
import { log, openCifar10, parseArguments } from './arguments.js';
import { writeCifarReport } from './cifar-report.js';
import { CIFAR, shortened } from './experiments.js';
import { runExperiment } from './train.js';

const { dir, seeds, only, shorten, results: folder, threads } = parseArguments('cifar');
if (dir !== undefined) {
  const data = await openCifar10(dir);
  for (const seed of seeds) {
    for (const experiment of CIFAR.filter(({ name }) => only?.includes(name) ?? true)) {
      await runExperiment(shortened(experiment, shorten), { seed, data, folder, threads, log });
      await writeCifarReport(folder);
    }
  }
}
log(`report: ${await writeCifarReport(folder)}`);
