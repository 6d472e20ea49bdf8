// Training, evaluation and what they report.
// Invariant: re-exports only.
export { ConfusionMatrix, type ClassMetrics, type ConfusedPair, type MacroMetrics } from './confusion.js';
export {
  evaluate,
  predictDataset,
  type EvaluateOptions,
  type Evaluation,
  type EvaluationViews,
  type PredictionOptions,
} from './evaluate.js';
export { evaluationReport, type EvaluationReportOptions } from './evaluation-report.js';
export type * from './events.js';
export { exportWeights, type ExportedWeights } from './export-weights.js';
export { extractFeatures, type ExtractedFeatures, type ExtractFeaturesOptions } from './features.js';
export type { ParameterStatistics } from './layer-statistics.js';
export type { Mistake } from './mistakes.js';
export type { EvaluatedBatch } from './predictions.js';
export { createProgress, type Progress, type ProgressOptions } from './progress.js';
export type { Checkpoint, CheckpointContents, TrainingState } from './checkpoint.js';
export type { CheckpointOptions, ParameterGroup, TrainerOptions } from './options.js';
export {
  compareLayers,
  comparePrecisions,
  quantizeOnDataset,
  type LayerDeviation,
  type PrecisionResult,
  type QuantizeOnDatasetOptions,
} from './quantize.js';
export { checkpointsIn, findCheckpoint, findWeights, INT8, runFolderOf, weightsIn } from './run-folder.js';
export { RunLock, type RunLockOptions } from './run-lock.js';
export { submitTrainingStep, type PendingResult, type StepParts, type StepPhase } from './step.js';
export { Trainer, type FitOptions, type ResumeOptions, type TrainingData } from './trainer.js';
