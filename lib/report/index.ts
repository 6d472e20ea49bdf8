// Logs, reports and the live page of a training.
// Invariant: re-exports only.
export type { AppendFileOptions } from './append-file.js';
export type { Confusion } from './confusion.js';
export { Dashboard, type DashboardOptions } from './dashboard.js';
export { writeEvaluationPage, type EvaluationPageOptions } from './evaluation-page.js';
export { HtmlReport } from './html-report.js';
export { JsonLinesLogger, loggedEvents } from './json-lines.js';
export type { LoggerOptions, TrainingLogger } from './logger.js';
export { RunRecord, type RunRecordOptions } from './run-record.js';
export type * from './state.js';
export { TensorBoardLogger, type TensorBoardOptions } from './tensorboard/logger.js';
