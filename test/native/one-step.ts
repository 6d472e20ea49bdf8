// A training step of AlexNet at batch 2, and the plans it was carried out by.
// Invariant: AlexNet's own shapes, so nothing that they need goes unseen; run as a program it prints the plans.
import { fileURLToPath } from 'node:url';
import { CrossEntropyLoss } from '../../lib/layers/index.js';
import { alexnet, type Model } from '../../lib/models/index.js';
import { fill } from '../../lib/ops/index.js';
import { openDevice, type Device, type PlanDescription } from '../../lib/tensor/device.js';
import type { Precision } from '../../lib/tensor/dtype.js';

/** Forward and backward. Values do not matter, so weights are all alike: that is faster than drawing them. */
function step(model: Model, device: Device): void {
  for (const parameter of model.network.parameters) {
    parameter.assign(fill(device, { shape: parameter.shape, value: 1e-4 }));
  }
  const criterion = new CrossEntropyLoss();
  using x = fill(device, { shape: [2, ...model.inputShape], value: 1 });
  using labels = fill(device, { shape: [2], value: 1, dtype: 'int32' });
  const { y, saved } = model.network.forward(x, { training: true, gradient: true, seed: 1, step: 1 });
  using logits = y;
  using state = saved!;
  const { loss, saved: lossSaved } = criterion.forward(logits, labels);
  loss.dispose();
  using lossState = lossSaved;
  using gradient = criterion.backward(lossState);
  model.network.backward(gradient, state, { inputGradient: false });
}

/** What a process found. */
export interface Found {
  readonly instructionSet: string;
  readonly plans: readonly PlanDescription[];
}

export async function plansOfOneStep(precision: Precision): Promise<Found> {
  using device = openDevice('cpu');
  using model = alexnet({ preset: 'krizhevsky2012', precision });
  step(model, device);
  return { instructionSet: device.info.properties['instructionSet']!, plans: await device.plans() };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await plansOfOneStep(process.argv[2] as Precision)));
}
