// Where the time and the memory of a training step and of a prediction go.
// Invariant: re-exports only.
export { chromeTrace, type ChromeTrace } from './chrome-trace.js';
export { profileInference, type InferenceProfile } from './profile-inference.js';
export { profileTraining, type ProfileOptions, type TrainingProfile } from './profile-training.js';
export {
  totalLayers,
  totalPredictions,
  type LayerTotals,
  type PhaseTotals,
  type PredictionLayerTotals,
  type PredictionPhase,
} from './totals.js';
