// Trains for 1,000 steps and holds the memory at the end against that after the first 500: `npm run test:leak`.
// Invariant: the exit code is 1 if memory grew; garbage is collected before each look, so that what stays is kept.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { cifarNet, InMemoryDataset, openDevice, Trainer } from '../lib/index.js';

const EPOCHS = 10;
const STEPS = 100;
const BATCH = 32;
const SIDE = 32;
/** Caches fill and heaps settle in the first half. */
const SETTLED = 5;
/** What the C library's heap moves by from one epoch to the next; a tensor lost in each step would be 100 times that. */
const LIMIT_BYTES = 4e6;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function pictures(count: number): InMemoryDataset {
  const labels = Array.from({ length: count }, (_, i) => i % 10);
  const images = new Uint8Array(count * SIDE * SIDE * 3);
  for (let i = 0; i < images.length; i++) {
    images[i] = (i * 31 + labels[Math.floor(i / (SIDE * SIDE * 3))]! * 97) % 256;
  }
  return new InMemoryDataset({ images, labels, classNames: labels.slice(0, 10).map(String), side: SIDE });
}

const device = openDevice('cpu');
const model = cifarNet({ net: '18pct' });
model.initialize(device, { seed: 1 });
const data = { train: pictures(STEPS * BATCH), validation: pictures(BATCH) };
const trainer = new Trainer(model, { epochs: EPOCHS, batchSize: BATCH, plateau: null, deadStartSteps: 0 });

interface Look {
  readonly residentBytes: number;
  readonly deviceBytes: number;
  readonly tensors: number;
}
const looks: Look[] = [];
for await (const event of trainer.fit(data)) {
  if (event.type !== 'epoch') continue;
  await device.synchronize();
  // Twice, with a turn of the event loop between: finalisers run after the collection that finds their object.
  for (let i = 0; i < 2; i++) {
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { inUseBytes, tensors } = device.memory();
  looks.push({ residentBytes: process.memoryUsage.rss(), deviceBytes: inUseBytes, tensors });
  const { residentBytes } = looks.at(-1) as Look;
  console.log(
    `step ${event.epoch * STEPS}: ${(residentBytes / 1e6).toFixed(1)} MB resident, ` +
      `${(inUseBytes / 1e6).toFixed(3)} MB and ${tensors} tensors on the device`,
  );
}

const [first, last] = [looks[SETTLED - 1], looks.at(-1)] as [Look, Look];
const growth = last.residentBytes - first.residentBytes;
const flat = growth < LIMIT_BYTES && last.deviceBytes === first.deviceBytes && last.tensors === first.tensors;
console.log(
  `${flat ? 'flat' : 'NOT FLAT'}: ${(growth / 1e6).toFixed(1)} MB between steps ${SETTLED * STEPS} and ${EPOCHS * STEPS}`,
);
process.exitCode = flat ? 0 : 1;
