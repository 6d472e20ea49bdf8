// The learning rate of each step: the base rate, its schedule, what plateaus made of it, and the groups' own pace.
// Invariant: a pure function of the position in training and of the plateau's state.
import type { Model } from '../models/index.js';
import { factorAt, ReduceOnPlateau, type PlateauState, type Schedule, type SGD } from '../optim/index.js';
import type { ParameterGroup, TrainerOptions } from './options.js';

/** A part of an epoch in which no smooth schedule moves by more than {@link SMOOTH}. */
const JUST_BEFORE = 1e-9;
const SMOOTH = 1e-6;

const constant: Schedule = { kind: 'constant' };

export interface RateChange {
  readonly from: number;
  readonly to: number;
  /** Of the plateau rule, if that is why; else it is the schedule. */
  readonly patience: number | undefined;
}

/** A group as the optimiser knows it. */
interface PacedGroup {
  readonly group: ParameterGroup;
  readonly parameters: ReturnType<Model['parametersOf']>;
  readonly rateFactor: number;
  readonly decayFactor: number;
  rate: number | undefined;
}

export class LearningRates {
  /** For the optimiser. */
  readonly groups: readonly PacedGroup[];
  readonly #base: number;
  readonly #schedule: Schedule;
  readonly #plateau: ReduceOnPlateau | null;
  #plateauFactor = 1;

  constructor(model: Model, options: TrainerOptions, { base }: { readonly base: number }) {
    const { schedule, groups = [] } = options;
    const { plateau = schedule ? null : {} } = options;
    this.#base = base;
    this.#schedule = schedule ?? constant;
    this.#plateau = plateau === null ? null : new ReduceOnPlateau(plateau);
    this.groups = groups.map((group) => ({
      group,
      parameters: model.parametersOf(group.layers),
      rateFactor: group.rate ?? 1,
      decayFactor: group.decay ?? 1,
      rate: undefined,
    }));
  }

  /** For a checkpoint. */
  get state(): { readonly plateauFactor: number; readonly plateau: PlateauState | null } {
    return { plateauFactor: this.#plateauFactor, plateau: this.#plateau?.state ?? null };
  }

  set state({ plateauFactor, plateau }: { plateauFactor: number; plateau: PlateauState | null }) {
    this.#plateauFactor = plateauFactor;
    if (this.#plateau && plateau) this.#plateau.state = plateau;
  }

  /** Sets the optimiser's rates for a step. @param position  in epochs. @returns the common rate */
  apply(optimizer: SGD, position: number): number {
    const common = this.at(position);
    for (const paced of this.groups) {
      const { rate = 1, schedule } = paced.group;
      paced.rate = schedule && this.#base * this.#plateauFactor * rate * factorAt(schedule, position);
    }
    optimizer.learningRate = common;
    return common;
  }

  /** The common rate at a position, in epochs. */
  at(position: number): number {
    return this.#base * this.#plateauFactor * factorAt(this.#schedule, position);
  }

  /**
   * Tells the error of an epoch.
   * @returns the step that the rate makes here and why; undefined if it makes none
   */
  afterEpoch(epoch: number, error: number): RateChange | undefined {
    const from = this.at(epoch - JUST_BEFORE);
    const factor = this.#plateau?.update(error) ?? 1;
    this.#plateauFactor *= factor;
    const to = this.at(epoch);
    if (Math.abs(to / from - 1) < SMOOTH) return undefined;
    const patience = factor === 1 ? undefined : this.#plateau?.patience;
    return { from, to, patience };
  }
}
