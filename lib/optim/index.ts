// Optimisers and schedules.
// Invariant: re-exports only.
export { MultiStep, type MultiStepOptions } from './multi-step.js';
export { ReduceOnPlateau, type PlateauOptions } from './plateau.js';
export { SGD, type SgdOptions } from './sgd.js';
