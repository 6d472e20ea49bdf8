// AlexNet on a device with a batch in its memory: the one piece of work that is compared, watched and timed.
// Invariant: a step is forward, loss, backward and update, with dropout; nothing is left behind but the parameters.
import {
  alexnet,
  CrossEntropyLoss,
  LossScaler,
  ops,
  SGD,
  type Device,
  type Model,
  type Precision,
  type Tensor,
} from '../../lib/index.js';

export interface WorkloadOptions {
  readonly batchSize: number;
  readonly inputSize: number;
  readonly classes: number;
  readonly precision?: Precision;
}

/** A model with its optimiser and one batch of noise. */
export class Workload implements Disposable {
  readonly model: Model;
  readonly #optimizer: SGD;
  readonly #lossScaler: LossScaler | undefined;
  readonly #x: Tensor<'float32', readonly [number, number, number, number]>;
  readonly #labels: Tensor<'int32', readonly [number]>;

  constructor(device: Device, { batchSize, inputSize, classes, precision = 'float32' }: WorkloadOptions) {
    this.model = alexnet({ classes, inputSize, precision, initialization: 'lecun' });
    this.model.initialize(device, { seed: 1 });
    this.#optimizer = new SGD(this.model.network.parameters, { learningRate: 1e-3 });
    this.#lossScaler = precision === 'float16' ? new LossScaler(device) : undefined;
    this.#x = ops.gaussian(device, { shape: [batchSize, 3, inputSize, inputSize], std: 1, seed: 2 });
    const labels = Int32Array.from({ length: batchSize }, (_, i) => i % classes);
    this.#labels = device.tensor(labels, { shape: [batchSize] });
  }

  /** Submits a training step. @returns its loss, which the caller owns */
  train(step: number): Tensor<'float32'> {
    const { network } = this.model;
    const { y, saved } = network.forward(this.#x, { training: true, gradient: true, seed: 3, step });
    using logits = y as Tensor<'float32', readonly [number, number]>;
    using state = saved as Disposable;
    const { loss, saved: lossSaved } = new CrossEntropyLoss().forward(logits, this.#labels);
    using lossState = lossSaved;
    using plain = new CrossEntropyLoss().backward(lossState);
    using gradient = this.#lossScaler ? this.#lossScaler.scale(plain) : plain.share();
    network.backward(gradient, state, { inputGradient: false });
    this.#optimizer.step({ lossScaler: this.#lossScaler });
    return loss;
  }

  /** Submits an inference. @returns the logits, which the caller owns */
  infer(): Tensor {
    return this.model.forward(this.#x);
  }

  [Symbol.dispose](): void {
    this.#x.dispose();
    this.#labels.dispose();
    this.#optimizer[Symbol.dispose]();
    this.#lossScaler?.[Symbol.dispose]();
    this.model.dispose();
  }
}
