// Optimisers and schedules.
// Invariant: re-exports only.
export { MultiStep, type MultiStepOptions } from './multi-step.js';
export { LossScaler, type LossScalerOptions, type LossScalerState } from './loss-scaler.js';
export { ReduceOnPlateau, type PlateauOptions } from './plateau.js';
export { SGD, type SgdOptions } from './sgd.js';
