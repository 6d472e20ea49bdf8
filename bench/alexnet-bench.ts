// AlexNet with a batch in memory: what the benchmarks of steps and of single operations run.
// Invariant: the same network, weights and batch for the same options.
import {
  alexnet,
  CrossEntropyLoss,
  openDevice,
  ops,
  quantizeModel,
  SGD,
  type Device,
  type InferencePrecision,
  type Model,
  type PresetName,
  type Tensor,
} from '../lib/index.js';

export interface AlexNetBenchOptions {
  readonly batchSize: number;
  /** In 'int8' there is inference alone. */
  readonly precision: InferencePrecision;
  /** Default 'krizhevsky2012'. */
  readonly preset?: PresetName;
  readonly threads?: number;
}

export class AlexNetBench implements Disposable {
  readonly device: Device;
  readonly model: Model;
  readonly #loss = new CrossEntropyLoss();
  readonly #optimizer: SGD;
  readonly #x: Tensor<'float32'>;
  readonly #labels: Tensor<'int32', readonly [number]>;

  private constructor(model: Model, batchSize: number) {
    this.device = model.device;
    this.model = model;
    this.#optimizer = new SGD(this.model.network.parameters, { learningRate: 1e-3 });
    this.#x = ops.gaussian(this.device, { shape: [batchSize, ...this.model.inputShape], std: 50, seed: 2 });
    const labels = Int32Array.from({ length: batchSize }, (_, i) => i % 1000);
    this.#labels = this.device.tensor(labels, { shape: [batchSize] });
  }

  static async open(options: AlexNetBenchOptions): Promise<AlexNetBench> {
    const { batchSize, precision, preset = 'krizhevsky2012', threads } = options;
    const device = openDevice('cpu', threads === undefined ? {} : { threads });
    const trainedIn = precision === 'int8' ? 'float32' : precision;
    const model = alexnet({ classes: 1000, preset, inputSize: 227, precision: trainedIn });
    model.initialize(device, { seed: 1 });
    return new AlexNetBench(precision === 'int8' ? await quantized(model) : model, batchSize);
  }

  /** Forward, loss, backward, update. @returns the loss */
  async trainingStep(step: number): Promise<number> {
    const { network } = this.model;
    const { y, saved } = network.forward(this.#x, { training: true, gradient: true, seed: 3, step });
    using logits = y;
    using state = saved as Disposable;
    const result = this.#loss.forward(logits, this.#labels);
    using value = result.loss;
    using lossState = result.saved;
    using gradient = this.#loss.backward(lossState);
    network.backward(gradient, state, { inputGradient: false });
    this.#optimizer.step();
    return await value.item();
  }

  /** Logits of the batch, computed when this resolves. */
  async inference(): Promise<void> {
    using logits = this.model.forward(this.#x);
    void logits;
    await this.device.synchronize();
  }

  [Symbol.dispose](): void {
    this.#optimizer.dispose();
    this.#x.dispose();
    this.#labels.dispose();
    this.model.dispose();
    this.device.dispose();
  }
}

/** Consumes the model. */
async function quantized(model: Model): Promise<Model> {
  using whole = model;
  using noise = ops.gaussian(whole.device, { shape: [8, ...whole.inputShape], std: 50, seed: 2 });
  return await quantizeModel(whole, { calibration: [noise] });
}
