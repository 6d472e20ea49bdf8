// Training, evaluation and what they report.
// Invariant: re-exports only.
export { evaluate, type EvaluatedBatch, type EvaluateOptions, type EvaluationViews } from './evaluate.js';
export type * from './events.js';
export { extractFeatures, type ExtractedFeatures, type ExtractFeaturesOptions } from './features.js';
export { createProgress, type Progress, type ProgressOptions } from './progress.js';
export { findWeights, weightsIn } from './run-folder.js';
export { Trainer, type FitOptions, type TrainerOptions, type TrainingData } from './trainer.js';
