// What is wrong with layers that still learn: ReLUs that died, updates that are too large or too small.
// Invariant: says each thing once, and only what several looks in a row have shown; it never stops a training.
import type { ParameterStatistics, UnitStatistics } from './layer-statistics.js';

/** Looks in a row that must agree. */
const LOOKS = 3;
/** Part of a layer's units that may be dead. */
const DEAD_SHARE = 0.5;
/** Part of the weights' norm that a step may change, and that it should change at least. */
const [FASTEST, SLOWEST] = [0.1, 1e-8];

/** Statistics of one look. */
export interface Look {
  readonly step: number;
  readonly learningRate: number;
  readonly parameters: readonly ParameterStatistics[];
  readonly units: readonly UnitStatistics[];
}

export class LayerGuard {
  /** Looks in a row in which each unit was silent, by layer. */
  readonly #silentFor = new Map<string, number[]>();
  /** Looks in a row in which a parameter moved too fast, or too slowly. */
  readonly #strange = new Map<string, number>();
  readonly #said = new Set<string>();

  /** @returns warnings: what was seen, and what to try */
  judge(look: Look): string[] {
    const dead = look.units.map((units) => this.#deadUnits(units, look));
    return [...dead, this.#pace(look, 'fast'), this.#pace(look, 'slow')].filter((text) => text !== undefined);
  }

  #deadUnits({ layer, units, silent }: UnitStatistics, { step }: Look): string | undefined {
    const before = this.#silentFor.get(layer) ?? new Array<number>(units).fill(0);
    const now = new Set(silent);
    const looks = before.map((count, unit) => (now.has(unit) ? count + 1 : 0));
    this.#silentFor.set(layer, looks);
    const dead = looks.filter((count) => count >= LOOKS).length;
    if (dead < DEAD_SHARE * units || dead === 0 || !this.#first(`dead ${layer}`)) return undefined;
    return (
      `Dead ReLUs: ${dead} of the ${units} units of ${layer} gave 0 for every picture of the last ${LOOKS} batches ` +
      `that were looked at (the last at step ${step}); they get no gradient and stay so. Try a lower learning rate, ` +
      "biases of 0.1 or 0 instead of 1 (preset 'bvlc'), or initialization 'lecun'."
    );
  }

  #pace({ parameters, learningRate, step }: Look, kind: 'fast' | 'slow'): string | undefined {
    // A bias begins at zero, where every update is large.
    const weights = parameters.filter(({ name }) => !name.endsWith('.bias'));
    const strange = weights.filter(({ name, updateRatio }) => {
      const is = kind === 'fast' ? updateRatio > FASTEST : updateRatio < SLOWEST;
      const key = `${kind} ${name}`;
      this.#strange.set(key, is ? (this.#strange.get(key) ?? 0) + 1 : 0);
      return (this.#strange.get(key) ?? 0) >= LOOKS;
    });
    const worst = strange.reduce<ParameterStatistics | undefined>((a, b) => {
      if (!a) return b;
      return b.updateRatio > a.updateRatio === (kind === 'fast') ? b : a;
    }, undefined);
    if (!worst || !this.#first(kind)) return undefined;
    const { name, updateRatio } = worst;
    const seen = `A step changes ${name} by ${updateRatio.toExponential(1)} of its norm (${LOOKS} looks, the last at step ${step}); about 1e-3 is usual.`;
    return kind === 'fast'
      ? `${seen} The learning rate of ${learningRate} is too high for these weights; try ${learningRate / 10}.`
      : `${seen} It hardly learns: try a higher learning rate than ${learningRate}, and see whether the gradient arrives there at all.`;
  }

  #first(key: string): boolean {
    if (this.#said.has(key)) return false;
    this.#said.add(key);
    return true;
  }
}
