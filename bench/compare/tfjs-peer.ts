// TensorFlow.js as a peer: see job.ts. Options: root (the folder with its packages), backend (cpu | wasm | tensorflow).
// Invariant: stock packages, nothing patched; what a backend cannot do is its answer. Grouped convolutions, which tfjs
// does not have, are two convolutions of half the channels, as its users have to write them.
import { createRequire } from 'node:module';
import path from 'node:path';
import { measure, reply, type Job } from './job.js';
import { readReference, type Reference } from './reference.js';

/** The part of tfjs's API that is used; its own types are not there when this is compiled. */
interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  backend(): { readonly binding?: { readonly TF_Version?: string } };
  readonly version_core: string;
  readonly losses: { softmaxCrossEntropy(labels: Tensor, logits: Tensor): Tensor };
  readonly train: { momentum(learningRate: number, momentum: number): Optimizer };
  tidy<Result>(work: () => Result): Result;
  variable(initial: Tensor, trainable?: boolean, name?: string): Variable;
  tensor(values: Float32Array, shape: readonly number[]): Tensor;
  tensor1d(values: Int32Array | readonly number[], dtype: 'int32'): Tensor;
  randomNormal(shape: readonly number[], mean: number, std: number): Tensor;
  zeros(shape: readonly number[]): Tensor;
  oneHot(indices: Tensor, depth: number): Tensor;
  variableGrads(loss: () => Tensor): { value: Tensor; grads: Record<string, Tensor> };
  conv2d(x: Tensor, w: Tensor, stride: number, padding: Padding): Tensor;
  maxPool(x: Tensor, size: number, stride: number, padding: Padding): Tensor;
  localResponseNormalization(x: Tensor, radius: number, bias: number, alpha: number, beta: number): Tensor;
  split(x: Tensor, parts: number, axis: number): Tensor[];
  concat(parts: readonly Tensor[], axis: number): Tensor;
  relu(x: Tensor): Tensor;
  dropout(x: Tensor, rate: number): Tensor;
  matMul(a: Tensor, b: Tensor): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: number): Tensor;
  transpose(x: Tensor, order: readonly number[]): Tensor;
  reshape(x: Tensor, shape: readonly number[]): Tensor;
}

type Padding = 'valid' | 'same';

interface Tensor {
  readonly shape: readonly number[];
  dataSync(): ArrayLike<number>;
  data(): Promise<ArrayLike<number>>;
  dispose(): void;
  toFloat(): Tensor;
}

interface Variable extends Tensor {
  readonly name: string;
}

interface Optimizer {
  applyGradients(gradients: Record<string, Tensor>): void;
}

const SIZES = {
  conv1: [96, 3, 11, 11],
  conv2: [256, 48, 5, 5],
  conv3: [384, 256, 3, 3],
  conv4: [384, 192, 3, 3],
  conv5: [256, 192, 3, 3],
  fc6: [4096, 9216],
  fc7: [4096, 4096],
  fc8: [1000, 4096],
} as const;
type LayerName = keyof typeof SIZES;
const WEIGHT_DECAY = 5e-4;

async function load(
  root: string,
  backend: string,
): Promise<{ tf: TensorFlow; versions: Record<string, string> }> {
  const require = createRequire(path.join(root, 'package.json'));
  const native = backend === 'tensorflow';
  const tf = require(native ? '@tensorflow/tfjs-node' : '@tensorflow/tfjs') as TensorFlow;
  if (backend === 'wasm') {
    const name = '@tensorflow/tfjs-backend-wasm';
    const wasm = require(name) as { setWasmPaths(folder: string): void };
    wasm.setWasmPaths(`${path.join(path.dirname(require.resolve(`${name}/package.json`)), 'dist')}/`);
  }
  if (!(await tf.setBackend(backend))) throw new Error(`the backend ${backend} does not start`);
  await tf.ready();
  const library = tf.backend().binding?.TF_Version;
  return { tf, versions: { tfjs: tf.version_core, ...(library !== undefined && { TensorFlow: library }) } };
}

/** Weights lie as tfjs wants them: convolutions [h, w, in, out], a pair for two groups; matrices [in, out]. */
class Network {
  readonly variables: Variable[] = [];
  readonly #tf: TensorFlow;
  readonly #layers = new Map<LayerName, { w: Variable; b: Variable }[]>();

  constructor(tf: TensorFlow, reference: Reference | undefined) {
    this.#tf = tf;
    for (const name of Object.keys(SIZES) as LayerName[]) {
      this.#layers.set(name, this.#parameters(name, reference));
    }
  }

  /** x: [N, 227, 227, 3] -> logits [N, 1000] */
  forward(x: Tensor, { training }: { readonly training: boolean }): Tensor {
    const tf = this.#tf;
    const pool = (y: Tensor) => tf.maxPool(y, 3, 2, 'valid');
    const lrn = (y: Tensor) => tf.localResponseNormalization(y, 2, 1, 2e-5, 0.75);
    const drop = (y: Tensor) => (training ? tf.dropout(y, 0.5) : y);
    const conv = (name: LayerName, y: Tensor, stride = 1, padding: Padding = 'same') =>
      tf.relu(this.#convolve(name, y, { stride, padding }));
    let y = pool(lrn(conv('conv1', x, 4, 'valid')));
    y = pool(lrn(conv('conv2', y)));
    y = pool(conv('conv5', conv('conv4', conv('conv3', y))));
    y = tf.reshape(y, [-1, 9216]);
    y = drop(tf.relu(this.#multiply('fc6', y)));
    y = drop(tf.relu(this.#multiply('fc7', y)));
    return this.#multiply('fc8', y);
  }

  #convolve(name: LayerName, x: Tensor, { stride, padding }: { stride: number; padding: Padding }): Tensor {
    const tf = this.#tf;
    const groups = this.#layers.get(name) ?? [];
    const inputs = groups.length === 1 ? [x] : tf.split(x, groups.length, 3);
    const outputs = groups.map(({ w, b }, i) => {
      return tf.add(tf.conv2d(inputs[i] as Tensor, w, stride, padding), b);
    });
    return outputs.length === 1 ? (outputs[0] as Tensor) : tf.concat(outputs, 3);
  }

  #multiply(name: LayerName, x: Tensor): Tensor {
    const [parameters] = this.#layers.get(name) ?? [];
    if (!parameters) throw new Error(`no layer ${name}`);
    return this.#tf.add(this.#tf.matMul(x, parameters.w), parameters.b);
  }

  #parameters(name: LayerName, reference: Reference | undefined): { w: Variable; b: Variable }[] {
    const tf = this.#tf;
    const shape: readonly number[] = SIZES[name];
    const [outputs = 0] = shape;
    const w = tf.tidy(() => this.#toTf(name, weightsOf(tf, reference, { name: `${name}.weight`, shape })));
    const b = tf.tidy(() => weightsOf(tf, reference, { name: `${name}.bias`, shape: [outputs] }));
    if (!grouped(name)) return [{ w: this.#variable(w), b: this.#variable(b) }];
    const halves = tf.split(w, 2, 3);
    const biases = tf.split(b, 2, 0);
    return halves.map((half, i) => ({ w: this.#variable(half), b: this.#variable(biases[i] as Tensor) }));
  }

  #variable(initial: Tensor): Variable {
    const variable = this.#tf.variable(initial);
    this.variables.push(variable);
    return variable;
  }

  #toTf(name: LayerName, w: Tensor): Tensor {
    const tf = this.#tf;
    if (name.startsWith('conv')) return tf.transpose(w, [2, 3, 1, 0]);
    if (name !== 'fc6') return tf.transpose(w, [1, 0]);
    // Its inputs are [6, 6, 256] here, [256, 6, 6] in the reference.
    return tf.reshape(tf.transpose(tf.reshape(w, [4096, 256, 6, 6]), [2, 3, 1, 0]), [9216, 4096]);
  }
}

function grouped(name: LayerName): boolean {
  return name === 'conv2' || name === 'conv4' || name === 'conv5';
}

function weightsOf(
  tf: TensorFlow,
  reference: Reference | undefined,
  { name, shape }: { readonly name: string; readonly shape: readonly number[] },
): Tensor {
  if (!reference) return shape.length === 1 ? tf.zeros(shape) : tf.randomNormal(shape, 0, 0.01);
  const values = reference.tensors.get(name);
  if (!values) throw new Error(`the reference has no ${name}`);
  return tf.tensor(values, shape);
}

function batch(tf: TensorFlow, job: Job, reference: Reference | undefined): { x: Tensor; labels: Tensor } {
  const { batchSize } = job;
  const indices = reference?.labels ?? Int32Array.from({ length: batchSize }, (_, i) => (i * 37) % 1000);
  const labels = tf.tidy(() => tf.oneHot(tf.tensor1d(indices, 'int32'), 1000).toFloat());
  if (!reference) return { x: tf.randomNormal([batchSize, 227, 227, 3], 0, 1), labels };
  const x = tf.tidy(() => tf.transpose(tf.tensor(reference.x, [batchSize, 3, 227, 227]), [0, 2, 3, 1]));
  return { x, labels };
}

interface Step {
  readonly network: Network;
  readonly optimizer: Optimizer;
  readonly loss: () => Tensor;
}

async function trainingStep(tf: TensorFlow, { network, optimizer, loss }: Step): Promise<number> {
  const { value, grads } = tf.variableGrads(loss);
  tf.tidy(() => {
    const decayed = network.variables.map((variable) => {
      const gradient = grads[variable.name] as Tensor;
      return [variable.name, tf.add(gradient, tf.mul(variable, WEIGHT_DECAY))] as const;
    });
    optimizer.applyGradients(Object.fromEntries(decayed));
  });
  for (const gradient of Object.values(grads)) gradient.dispose();
  return await readAndDispose(value);
}

async function readAndDispose(tensor: Tensor): Promise<number> {
  const first = (await tensor.data())[0] ?? NaN;
  tensor.dispose();
  return first;
}

await reply(async (job) => {
  const backend = String(job.options['backend']);
  const { tf, versions } = await load(String(job.options['root']), backend);
  const reference =
    job.reference === undefined ? undefined : await readReference(job.reference, job.batchSize);
  const network = new Network(tf, reference);
  const { x, labels } = batch(tf, job, reference);
  const lossOf = (training: boolean) =>
    tf.losses.softmaxCrossEntropy(labels, network.forward(x, { training }));
  const optimizer = tf.train.momentum(0.01, 0.9);
  const calls = {
    train: () => trainingStep(tf, { network, optimizer, loss: () => lossOf(true) }),
    infer: () => readAndDispose(tf.tidy(() => network.forward(x, { training: false }))),
    check: () => readAndDispose(tf.tidy(() => lossOf(false))),
  };
  const measured = await measure(job, calls[job.task]);
  const loss = job.task === 'check' && { loss: await calls.check() };
  return { ...measured, ...loss, versions };
});
