// Does a layer's backward agree with its forward? Central differences on sampled elements, as Caffe's checker does.
// Invariant: elements at a kink (where one-sided slopes disagree, as at ReLU's zero) are skipped and counted.
import { philox4x32 } from '../random.js';
import { gaussian } from '../ops/index.js';
import type { Device } from '../tensor/device.js';
import type { Shape } from '../tensor/shape.js';
import type { Tensor } from '../tensor/tensor.js';
import type { Activations, Layer, Mode } from './layer.js';

export interface GradientCheckOptions {
  readonly device: Device;
  readonly inputShape: Shape;
  /** Default 1. */
  readonly seed?: number;
  /** Elements of the input and of each parameter that are checked. Default 16. */
  readonly samples?: number;
  /** Half-width of the difference. Default 1e-2. */
  readonly step?: number;
  /** Largest accepted difference, relative to the larger of the two gradients and 1. Default 2e-2 (float32 sums). */
  readonly tolerance?: number;
  /** Whether dropout drops. Default true. */
  readonly training?: boolean;
}

export interface GradientMismatch {
  /** 'input', or the parameter's name. */
  readonly of: string;
  readonly index: number;
  readonly analytic: number;
  readonly numeric: number;
}

export interface GradientReport {
  readonly passed: boolean;
  readonly checked: number;
  /** Elements at kinks, where no difference quotient means anything. */
  readonly skipped: number;
  readonly mismatches: readonly GradientMismatch[];
}

/** What is perturbed, and how to put a value in its place. */
interface Variable {
  readonly name: string;
  readonly values: Float32Array;
  readonly gradient: Float32Array;
  /** Loss with the variable set to `values`. */
  loss(values: Float32Array): Promise<number>;
}

/**
 * Compares a layer's gradients with difference quotients of sum(r * forward(x)) for a fixed random r.
 * The layer's parameters must have values; they keep them.
 */
export async function gradientCheck(layer: Layer, options: GradientCheckOptions): Promise<GradientReport> {
  const { samples = 16, step = 1e-2, tolerance = 2e-2, seed = 1 } = options;
  const variables = await differentiate(layer, options);
  const mismatches: GradientMismatch[] = [];
  let checked = 0;
  let skipped = 0;
  for (const [v, variable] of variables.entries()) {
    for (const index of sampleIndices(variable.values.length, samples, [seed, v])) {
      const numeric = await differenceQuotient(variable, index, { step, tolerance });
      if (numeric === undefined) {
        skipped++;
        continue;
      }
      checked++;
      const analytic = variable.gradient[index] as number;
      const scale = Math.max(Math.abs(analytic), Math.abs(numeric), 1);
      if (!(Math.abs(analytic - numeric) <= tolerance * scale)) {
        mismatches.push({ of: variable.name, index, analytic, numeric });
      }
    }
  }
  return { passed: mismatches.length === 0 && checked > 0, checked, skipped, mismatches };
}

/** undefined at a kink */
async function differenceQuotient(
  variable: Variable,
  index: number,
  { step, tolerance }: { readonly step: number; readonly tolerance: number },
): Promise<number | undefined> {
  const moved = Float32Array.from(variable.values);
  const at = async (offset: number) => {
    moved[index] = (variable.values[index] as number) + offset;
    return { x: moved[index], loss: await variable.loss(moved) };
  };
  const [low, middle, high] = [await at(-step), await at(0), await at(step)];
  const left = (middle.loss - low.loss) / (middle.x - low.x);
  const right = (high.loss - middle.loss) / (high.x - middle.x);
  // Curvature makes one-sided slopes differ by O(step); a kink by O(1), and then the quotient is off by up to half.
  const kink = Math.abs(left - right) > 2 * tolerance * Math.max(Math.abs(left), Math.abs(right), 1);
  return kink ? undefined : (high.loss - low.loss) / (high.x - low.x);
}

async function differentiate(layer: Layer, options: GradientCheckOptions): Promise<Variable[]> {
  const { device, inputShape, seed = 1, training = true } = options;
  const mode: Mode = { training, gradient: true, seed, step: 1 };
  using x = gaussian(device, { shape: inputShape, std: 1, seed, stream: 1 });
  using r = gaussian(device, { shape: layer.outputShape(inputShape), std: 1, seed, stream: 2 });
  const weights = await r.data();
  for (const parameter of layer.parameters) parameter.clearGradient();
  const { y, saved } = layer.forward(x, mode);
  y.dispose();
  using state = saved;
  using dx = layer.backward(r, state as Disposable, { inputGradient: true });

  const forwardLoss = async (input: Activations): Promise<number> => {
    const result = layer.forward(input, { ...mode, gradient: false });
    using output = result.y as Tensor<'float32'>;
    const values = await output.data();
    return values.reduce((sum, value, i) => sum + value * (weights[i] as number), 0);
  };
  // A gradient that backward forgets is one of zeros: it shows as a mismatch.
  const inputVariable: Variable = {
    name: 'input',
    values: await x.data(),
    gradient: (await (dx as Tensor<'float32'> | null)?.data()) ?? new Float32Array(x.size),
    loss: async (values) => {
      using moved = device.tensor(values, { shape: inputShape });
      return await forwardLoss(moved);
    },
  };
  const xValues = inputVariable.values;
  const variables = [inputVariable];
  for (const parameter of layer.parameters) {
    const values = await parameter.value.data();
    const gradient = (await parameter.gradient?.data()) ?? new Float32Array(parameter.size);
    parameter.clearGradient();
    const loss = async (moved: Float32Array): Promise<number> => {
      using input = device.tensor(xValues, { shape: inputShape });
      parameter.assign(device.tensor(moved, { shape: parameter.shape }));
      const result = await forwardLoss(input);
      parameter.assign(device.tensor(values, { shape: parameter.shape }));
      return result;
    };
    variables.push({ name: parameter.name, values, gradient, loss });
  }
  return variables;
}

function sampleIndices(count: number, samples: number, [seed, variable]: [number, number]): number[] {
  if (count <= samples) return Array.from({ length: count }, (_, i) => i);
  const drawn = Array.from(
    { length: samples },
    (_, i) => philox4x32([i, 0, variable, 0], [seed, 0])[0] % count,
  );
  return [...new Set(drawn)];
}
