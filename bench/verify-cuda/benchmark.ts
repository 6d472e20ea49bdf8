// Images a second of training and inference on the GPU, by precision and batch size.
// Invariant: a time is that of many steps between two synchronisations; the median of several such times is given.
import { NativeError, openDevice, type Device, type Precision } from '../../lib/index.js';
import { Workload } from './network.js';

export interface Speed {
  readonly task: 'train' | 'infer';
  /** As torch's peers are named: what products are computed in. */
  readonly precision: 'float32' | 'tf32' | 'float16' | 'bfloat16';
  readonly batchSize: number;
  /** null: `reason` says why there is none. */
  readonly imagesPerSecond: number | null;
  readonly peakBytes: number;
  readonly reason?: string;
}

export const BATCH_SIZES = [1, 128, 1024] as const;
export const PRECISIONS = ['float32', 'tf32', 'float16', 'bfloat16'] as const;

interface Timing {
  /** Rounds whose median counts. */
  readonly rounds: number;
  /** Least time of a round; steps are added until it takes that long. */
  readonly roundMs: number;
}

/** @returns milliseconds of one call, the median of rounds */
async function measure(device: Device, work: (i: number) => Disposable, timing: Timing): Promise<number> {
  let calls = 0;
  const round = async (count: number) => {
    const start = performance.now();
    for (let i = 0; i < count; i++) work(calls++)[Symbol.dispose]();
    await device.synchronize();
    return performance.now() - start;
  };
  await round(2); // plans are chosen, memory is taken
  let count = 1;
  while ((await round(count)) < timing.roundMs) count *= 2;
  const times: number[] = [];
  for (let i = 0; i < timing.rounds; i++) times.push((await round(count)) / count);
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}

async function measureOne(
  task: Speed['task'],
  precision: Speed['precision'],
  batchSize: number,
  quick: boolean,
): Promise<Speed> {
  using device = openDevice('cuda', { cuda: { tf32: precision === 'tf32' } });
  const modelPrecision: Precision = precision === 'tf32' ? 'float32' : precision;
  try {
    const [inputSize, classes] = quick ? [67, 10] : [227, 1000];
    using workload = new Workload(device, { batchSize, inputSize, classes, precision: modelPrecision });
    const work = task === 'train' ? (i: number) => workload.train(i) : () => workload.infer();
    const timing = quick ? { rounds: 1, roundMs: 1 } : { rounds: 5, roundMs: 500 };
    const ms = await measure(device, work, timing);
    return {
      task,
      precision,
      batchSize,
      imagesPerSecond: (batchSize / ms) * 1000,
      peakBytes: device.memory().peakBytes,
    };
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const reason = error instanceof NativeError ? error.message : `${error.name}: ${error.message}`;
    return { task, precision, batchSize, imagesPerSecond: null, peakBytes: 0, reason };
  }
}

export async function benchmark({ quick }: { readonly quick: boolean }): Promise<Speed[]> {
  const results: Speed[] = [];
  for (const task of ['train', 'infer'] as const) {
    for (const precision of PRECISIONS) {
      for (const batchSize of quick ? [1, 16] : BATCH_SIZES) {
        results.push(await measureOne(task, precision, batchSize, quick));
      }
    }
  }
  return results;
}
