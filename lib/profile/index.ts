// Where the time and the memory of a training step go.
// Invariant: re-exports only.
export { chromeTrace, type ChromeTrace } from './chrome-trace.js';
export { profileTraining, type ProfileOptions, type TrainingProfile } from './profile-training.js';
export { totalLayers, type LayerTotals, type PhaseTotals } from './totals.js';
