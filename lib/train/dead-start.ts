// Stops a training that does not begin to learn, and says why.
// Invariant: the guard never changes the training; it only warns or throws.
import { TrainingError } from '../errors.js';
import type { Parameter } from '../layers/index.js';
import { sumSquares } from '../ops/index.js';
import type { Tensor } from '../tensor/tensor.js';

export interface DeadStartOptions {
  readonly classes: number;
  /** Steps at ln(classes) after which training is given up. 0: never. */
  readonly giveUpAfterSteps: number;
}

/** What the guard remembers, for a checkpoint. */
export interface GuardState {
  readonly recent: readonly number[];
  readonly deadLooks: number;
  readonly started: boolean;
  readonly warned: boolean;
}

/** Steps over which losses are averaged, and between looks at the gradient. */
const WINDOW = 50;
/** Looks in a row at which the first layer's gradient was zero. */
const DEAD_LOOKS = 3;

/**
 * Recognises a network that does not start to learn: a loss that stays at that of guessing, ln(classes), or a first
 * layer whose gradient is exactly zero because every ReLU above it is dead.
 */
export class DeadStartGuard {
  readonly #options: DeadStartOptions;
  readonly #first: Parameter | undefined;
  #recent: number[] = [];
  #look: { readonly step: number; readonly squares: Tensor<'float32'> } | undefined;
  #deadLooks = 0;
  #started = false;
  #warned = false;

  /** @param parameters  the network's, in order */
  constructor(parameters: readonly Parameter[], options: DeadStartOptions) {
    this.#first = parameters.find(({ frozen }) => !frozen);
    this.#options = options;
  }

  get state(): GuardState {
    return {
      recent: [...this.#recent],
      deadLooks: this.#deadLooks,
      started: this.#started,
      warned: this.#warned,
    };
  }

  set state({ recent, deadLooks, started, warned }: GuardState) {
    this.#recent = [...recent];
    this.#deadLooks = deadLooks;
    this.#started = started;
    this.#warned = warned;
  }

  /** Before an update: takes a look at the first layer's gradient every so often. */
  beforeUpdate(step: number): void {
    if (this.#started || step % WINDOW !== 1) return;
    const gradient = this.#first?.gradient;
    if (!gradient) return;
    this.dispose();
    this.#look = { step, squares: sumSquares(gradient) };
  }

  /**
   * After a step.
   * @returns a warning, once, when the start is suspiciously slow
   * @throws TrainingError when the network is dead
   */
  async afterStep(step: number, loss: number): Promise<string | undefined> {
    if (this.#started) return undefined;
    await this.#checkGradient(step);
    this.#recent.push(loss);
    if (this.#recent.length > WINDOW) this.#recent.shift();
    if (this.#recent.length < WINDOW) return undefined;
    const guessing = Math.log(this.#options.classes);
    const mean = this.#recent.reduce((sum, value) => sum + value, 0) / WINDOW;
    if (mean < 0.98 * guessing) {
      this.#started = true;
      return undefined;
    }
    return this.#stuck(step, mean, guessing);
  }

  async #checkGradient(step: number): Promise<void> {
    // Steps are submitted ahead: the look may be at the next one.
    if (this.#look?.step !== step) return;
    using squares = this.#look.squares;
    this.#look = undefined;
    this.#deadLooks = (await squares.item()) === 0 ? this.#deadLooks + 1 : 0;
    if (this.#deadLooks < DEAD_LOOKS) return;
    throw new TrainingError(
      'ERR_DEAD_START',
      `Dead ReLUs: by step ${step} the gradient of ${this.#first?.name} has been exactly zero for ` +
        `${(DEAD_LOOKS - 1) * WINDOW} steps, so nothing below can learn. ${advice}`,
    );
  }

  #stuck(step: number, mean: number, guessing: number): string | undefined {
    const { classes, giveUpAfterSteps } = this.#options;
    const seen =
      `The loss is ${mean.toFixed(3)} after ${step} steps; guessing among ${classes} classes gives ` +
      `ln(${classes}) = ${guessing.toFixed(3)}: the network has not started to learn.`;
    if (giveUpAfterSteps > 0 && step >= giveUpAfterSteps) {
      throw new TrainingError('ERR_DEAD_START', `${seen} ${advice}`);
    }
    if (this.#warned || step < 10 * WINDOW) return undefined;
    this.#warned = true;
    return `${seen} It may still start. ${advice}`;
  }

  dispose(): void {
    this.#look?.squares.dispose();
    this.#look = undefined;
  }
}

const advice =
  "Try: initialization 'lecun' (small data needs larger initial weights than the paper's), a preset with biases of 0.1 " +
  'instead of 1 (bvlc), another learning rate (a tenth, or three times as much), and check that pictures lie in the folder of their class.';
