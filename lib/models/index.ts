// Models: AlexNet in its presets, the CIFAR nets, and their files.
// Invariant: re-exports only.
export { alexnet, type AlexNetOptions } from './alexnet.js';
export { cifarNet, type CifarNetName, type CifarNetOptions } from './cifar.js';
export {
  Model,
  type Architecture,
  type FeaturesOptions,
  type ModelOptions,
  type PredictOptions,
  type ScoredClass,
} from './model.js';
export type { PictureInput } from './pictures.js';
export { Preprocessing, type PreprocessingOptions } from './preprocessing.js';
export { presets, type Preset, type PresetName, type Recipe } from './presets.js';
export type { Summary, SummaryRow } from './summary.js';
export { quantizeModel, type QuantizeOptions } from './quantize.js';
export { loadModel, loadPretrained, loadWeights, saveModel, type LoadPretrainedOptions } from './weights.js';
