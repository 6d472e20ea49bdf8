// What is looked at beside a step: whether its numbers are finite, and every so often how each layer fares.
// Invariant: looks are submitted with their step and read when the step is read; the device is never waited for in between.
import { TrainingError } from '../errors.js';
import type { ImageBatch } from '../data/index.js';
import { FiniteGate, type LossScaler, type LossScalerState, type SGD } from '../optim/index.js';
import type { Tensor } from '../tensor/tensor.js';
import type { LayersEvent, WarningEvent } from './events.js';
import { LayerGuard } from './layer-guard.js';
import { PendingNorms, PendingUnits } from './layer-statistics.js';
import { LossScaleGuard } from './loss-scale-guard.js';
import { findNonFinite, zeroIfFinite } from './non-finite.js';
import { passesOf, type StepParts } from './step.js';

export interface StepWatchOptions {
  readonly optimizer: SGD;
  /** For float16; it skips steps that overflow, so that no gate is needed. */
  readonly lossScaler: LossScaler | undefined;
  /** Steps between looks at the layers; 0: never. */
  readonly layerSteps: number;
  readonly seed: number;
  readonly accumulate: number | undefined;
}

/** What is known of a step when it is read. */
export interface ReadStep {
  readonly step: number;
  readonly epoch: number;
  readonly learningRate: number;
  readonly loss: number;
}

/** The looks of a step that is not read yet. */
interface Pending {
  readonly batch: ImageBatch;
  readonly squares: Tensor<'float32', readonly []> | undefined;
  readonly norms: PendingNorms | undefined;
  readonly units: PendingUnits | undefined;
  readonly lossScale: Promise<LossScalerState> | undefined;
  /** Whether the weights were finite before the first step: 0 for each parameter that was. */
  readonly weights: readonly Tensor<'float32', readonly []>[];
}

export class StepWatch implements Disposable {
  /** For the training step. */
  readonly gate: FiniteGate | undefined;
  readonly #options: StepWatchOptions;
  readonly #layers = new LayerGuard();
  readonly #lossScale = new LossScaleGuard();
  readonly #pending = new Map<number, Pending>();
  #norms: PendingNorms | undefined;
  #weights: Tensor<'float32', readonly []>[] | undefined;

  constructor(options: StepWatchOptions) {
    this.#options = options;
    this.gate = options.lossScaler ? undefined : new FiniteGate();
  }

  /** The gradients are there. */
  beforeUpdate(step: number, { model }: Pick<StepParts, 'model'>): void {
    // Once: the gate keeps them finite, but a ReLU may hide what was not from the loss.
    this.#weights ??= model.network.parameters.map(({ value }) => zeroIfFinite(value));
    if (this.#isDue(step)) this.#norms = new PendingNorms(model.network.parameters);
  }

  afterUpdate(step: number, { model, preprocessing }: StepParts, batch: ImageBatch): void {
    const { optimizer, lossScaler } = this.#options;
    const due = this.#isDue(step);
    const lossScale = due ? lossScaler?.state() : undefined;
    // It is awaited with its step; until then a failure must not count as unhandled.
    lossScale?.catch(() => {});
    const norms = this.#norms;
    this.#norms = undefined;
    norms?.complete(optimizer);
    const [first] = passesOf(batch, { seed: 0, step, accumulate: this.#options.accumulate });
    const units = due && first ? new PendingUnits({ model, preprocessing }, first.part) : undefined;
    const weights = this.#weights?.splice(0) ?? [];
    this.#pending.set(step, { batch, squares: this.gate?.takeSquares(), norms, units, lossScale, weights });
  }

  #isDue(step: number): boolean {
    const { layerSteps } = this.#options;
    return layerSteps > 0 && step % layerSteps === 0;
  }

  /**
   * @returns the gradient's norm, where it is measured, and what there is to report
   * @throws TrainingError [ERR_NON_FINITE] that names the place in the network that was first
   */
  async read(
    read: ReadStep,
    parts: StepParts,
  ): Promise<{ gradientNorm: number | undefined; events: (LayersEvent | WarningEvent)[] }> {
    const pending = this.#pending.get(read.step);
    if (!pending) return { gradientNorm: undefined, events: [] };
    this.#pending.delete(read.step);
    try {
      const squares = await pending.squares?.item();
      const weights = await Promise.all(pending.weights.map((zero) => zero.item()));
      const numbers = [read.loss, squares ?? 0, ...weights];
      if (!numbers.every(Number.isFinite)) {
        throw await this.#nonFinite(read, parts, pending.batch);
      }
      const events = await this.#judge(read, pending);
      return { gradientNorm: squares === undefined ? undefined : Math.sqrt(squares), events };
    } finally {
      release(pending);
    }
  }

  async #nonFinite({ step, epoch, loss, learningRate }: ReadStep, parts: StepParts, batch: ImageBatch) {
    const { seed, accumulate } = this.#options;
    let first: string | undefined;
    for (const { part, ...mode } of passesOf(batch, { seed, step, accumulate })) {
      first ??= await findNonFinite(parts, part, mode);
    }
    const finite = Number.isFinite(loss) ? ', but not all numbers of the step are finite' : '';
    const where = ` First to leave the range of ${parts.model.precision}: ${first ?? 'the norm of all gradients'}.`;
    return new TrainingError(
      'ERR_NON_FINITE',
      `The loss is ${loss}${finite} at step ${step} (epoch ${epoch}).${where} ${adviceFor(first, learningRate)} The step was not taken: the ` +
        'model has the weights from before it.',
    );
  }

  async #judge({ step, epoch, learningRate }: ReadStep, { norms, units, lossScale }: Pending) {
    const warnings: (string | undefined)[] = [];
    const scale = await lossScale;
    if (scale) warnings.push(this.#lossScale.judge(scale, step));
    if (!norms || !units) return warnings.flatMap(asWarning);
    const { momentumForm } = this.#options.optimizer;
    const parameters = await norms.read({
      lossScale: scale?.scale ?? 1,
      rate: momentumForm === 'paper' ? 1 : learningRate,
    });
    const broken = parameters.find(({ weightNorm }) => Number.isNaN(weightNorm));
    if (broken) throw brokenWeights(broken.name, { step, learningRate });
    const layers = await units.read();
    warnings.push(...this.#layers.judge({ step, learningRate, parameters, units: layers }));
    const silent = layers.map((one) => ({ layer: one.layer, units: one.units, silent: one.silent.length }));
    const event: LayersEvent = { type: 'layers', epoch, step, parameters, units: silent };
    return [event, ...warnings.flatMap(asWarning)];
  }

  dispose(): void {
    for (const pending of this.#pending.values()) release(pending);
    this.#pending.clear();
    this.#norms?.[Symbol.dispose]();
    for (const zero of this.#weights ?? []) zero.dispose();
    this.gate?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function release({ squares, norms, units, weights }: Pending): void {
  squares?.dispose();
  for (const zero of weights) zero.dispose();
  norms?.[Symbol.dispose]();
  units?.[Symbol.dispose]();
}

function asWarning(message: string | undefined): WarningEvent[] {
  return message === undefined ? [] : [{ type: 'warning', message }];
}

/** Weights can overflow in the update itself. */
function brokenWeights(name: string, { step, learningRate }: Pick<ReadStep, 'step' | 'learningRate'>) {
  return new TrainingError(
    'ERR_NON_FINITE',
    `The weights ${name} are not finite after step ${step}. ${adviceFor(undefined, learningRate)} The model is spoilt: ` +
      'go on from weights that were saved earlier.',
  );
}

function adviceFor(first: string | undefined, learningRate: number): string {
  if (first?.startsWith('the weights') === true) {
    return 'These weights were not finite before the step: load others, or initialise them.';
  }
  if (first === 'the input') {
    return "A picture's numbers, the mean or the std of the preprocessing are not finite.";
  }
  return (
    `The learning rate of ${learningRate} is too high for this data and these initial weights; try ` +
    `${Number((learningRate / 10).toPrecision(6))}, or clip: { norm: 1 }.`
  );
}
