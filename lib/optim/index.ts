// Optimisers, schedules and what bounds or averages their steps.
// Invariant: re-exports only.
export { checkAveraging, WeightAverage, type AveragingOptions } from './average.js';
export type { BestState } from './best.js';
export { checkClip, type ClipOptions } from './clip.js';
export { EarlyStopping, type EarlyStoppingOptions } from './early-stopping.js';
export { FiniteGate } from './finite-gate.js';
export { LossScaler, type LossScalerOptions, type LossScalerState } from './loss-scaler.js';
export { ReduceOnPlateau, type PlateauOptions, type PlateauState } from './plateau.js';
export {
  checkSchedule,
  cosineSchedule,
  exponentialSchedule,
  factorAt,
  multiStepSchedule,
  stepSchedule,
  warmUp,
  type Schedule,
} from './schedules.js';
export { SGD, type SgdGroup, type SgdOptions, type SgdStep } from './sgd.js';
