// Optimisers and schedules.
// Invariant: re-exports only.
export { ReduceOnPlateau, type PlateauOptions } from './plateau.js';
export { SGD, type SgdOptions } from './sgd.js';
