// The least time that each layer of a training step can take on a machine whose ceilings are known.
// Invariant: a floor is the arithmetic at the rate of the largest matrix product, or the bytes that must be read and
// written at the rate of a copy, whichever takes longer; nothing is assumed to stay in a cache.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { alexnet, type Model } from '../../lib/index.js';

export interface Ceilings {
  /** Of a 4096x4096x4096 product; bfloat16 is 0 where there is no such product. */
  readonly float32GFlops: number;
  readonly bfloat16GFlops: number;
  /** The same of uint8 and int8, giving uint8. */
  readonly int8GOps: number;
  /** Read and written bytes together, of a copy of 512 MiB. */
  readonly copyGBps: number;
  /** Of reading 512 MiB. */
  readonly readGBps: number;
}

/**
 * Measures the ceilings with `build/onednn-ceilings`, which is built if need be; `ONEDNN_MAX_CPU_ISA` holds for it as
 * it does for the package.
 */
export function measureCeilings(threads: number): Ceilings {
  const build = fileURLToPath(new URL('../../../build/', import.meta.url));
  execFileSync('cmake', ['--build', build, '--target', 'onednn-ceilings'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const output = execFileSync(path.join(build, 'onednn-ceilings'), [String(threads)], { encoding: 'utf8' });
  const values = output
    .trim()
    .split('\n')
    .map((line) => line.split(' ') as [keyof Ceilings, string]);
  return Object.fromEntries(values.map(([name, value]) => [name, Number(value)])) as unknown as Ceilings;
}

export interface Floor {
  readonly layer: string;
  readonly arithmeticMs: number;
  readonly bytesMs: number;
  /** The larger of the two. */
  readonly floorMs: number;
}

export interface FloorOptions {
  readonly ceilings: Ceilings;
  readonly batchSize: number;
  readonly precision: 'float32' | 'bfloat16';
}

/** A training step's floors: a line for each layer, and one for the update. */
export function trainingFloors(model: Model, options: FloorOptions): Floor[] {
  const { ceilings, batchSize, precision } = options;
  const flops = precision === 'float32' ? ceilings.float32GFlops : ceilings.bfloat16GFlops;
  const bytesOfValue = precision === 'float32' ? 4 : 2;
  const floors: Floor[] = [];
  let input = model.inputShape.reduce((product, extent) => product * extent, 1);
  for (const { name, kind, outputShape, parameters, macs } of fusedRows(model)) {
    const output = outputShape.slice(1).reduce((product, extent) => product * extent, 1);
    const first = floors.length === 0;
    // Forward, gradient of the weights, and gradient of the input, which the first layer does not need.
    const passes = first ? 2 : 3;
    const values = VALUES[kind]?.(input, output) ?? passes * (input + output);
    // Weights are read in the precision that is computed in; their gradient is float32 always.
    const bytes = (values * batchSize + (passes - 1) * parameters) * bytesOfValue + 4 * parameters;
    floors.push(
      floor(name, {
        arithmeticMs: (2 * passes * macs * batchSize) / flops / 1e6,
        bytesMs: bytes / ceilings.copyGBps / 1e6,
      }),
    );
    input = output;
  }
  const { parameters } = model.summary();
  // Reads weight, gradient and velocity, writes weight and velocity, and the copy that is computed with.
  const copy = precision === 'float32' ? 0 : bytesOfValue;
  const update = floor('update', {
    arithmeticMs: 0,
    bytesMs: (parameters * (5 * 4 + copy)) / ceilings.copyGBps / 1e6,
  });
  return [...floors.filter(({ floorMs }) => floorMs > 0), update];
}

/** Values that a layer without weights reads and writes for a picture, forward and backward; 0: it costs nothing. */
const VALUES: Readonly<Record<string, (input: number, output: number) => number>> = {
  // Part of the layer before it.
  ReLU: () => 0,
  Flatten: () => 0,
  // Forward: x -> y; backward: x, dy -> dx.
  LocalResponseNorm: (input) => 5 * input,
  // Forward: x -> y, argmax (a byte); backward: argmax, dy -> dx.
  MaxPool2d: (input, output) => 2 * input + 2.5 * output,
  Dropout: (input) => 4 * input,
  // The two in one pass. Forward: x -> y, argmax; backward: x, argmax, dy -> dx.
  'LocalResponseNorm+MaxPool2d': (input, output) => 3 * input + 2.5 * output,
};

/** The summary's rows, with layers that are computed in one pass as one: what lies between them need not be moved. */
function fusedRows(model: Model): readonly SummaryRow[] {
  const rows: SummaryRow[] = [];
  for (const row of model.summary().rows) {
    const last = rows.at(-1);
    if (last?.kind === 'LocalResponseNorm' && row.kind === 'MaxPool2d') {
      const [name, kind] = [`${last.name}+${row.name}`, `${last.kind}+${row.kind}`];
      rows[rows.length - 1] = { ...row, name, kind };
    } else {
      rows.push(row);
    }
  }
  return rows;
}

type SummaryRow = ReturnType<Model['summary']>['rows'][number];

function floor(layer: string, times: { readonly arithmeticMs: number; readonly bytesMs: number }): Floor {
  return { layer, ...times, floorMs: Math.max(times.arithmeticMs, times.bytesMs) };
}

/** The network that is compared. */
export function comparedModel(): Model {
  return alexnet({ classes: 1000, preset: 'bvlc' });
}
